"""Importance-Driven Coverage: combinations of important neurons' clusters that inputs exercise.

Gerasimou, Eniser, Sen, Cakan: Importance-Driven Deep Learning System Testing, ICSE 2020, formulas
5 and 6: covered combinations divided by the product of the numbers of clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.criteria.base import Criterion, register
from pytest_deepimportance.criteria.combination_state import CombinationState
from pytest_deepimportance.criteria.idc_rows import SpaceMeasure, make_row
from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.digests import odd_numbers
from pytest_deepimportance.errors import ProfileError, RecordingError
from pytest_deepimportance.results import CriterionRow, LadderStep
from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.incidence import RowItems
from pytest_deepimportance.statistics.prefix_counts import Exercised, Missing, PrefixCounts

if TYPE_CHECKING:
    from typing import Self  # Python 3.11; never imported when the code runs

_SPACES_APART = 1 << 20
"""Between the weights that hash the combinations of one space and the next."""

Inputs = int | Mapping[str, int]
"""Distinct inputs: one number for all spaces, or one per space name."""


@register
class ImportanceDrivenCoverage(Criterion):
    """IDC of one or several combination spaces.

    Args:
        spaces: The important neurons with their clusters, one space per layer and class.
        combination_counts: By space name, how often the reference shows each combination.
        null_counts: The same of held-out data, which random suites are then drawn from; empty:
            they are drawn from the reference.

    Raises:
        ProfileError: There is no space, or a space without counts.
    """

    name = "IDC"
    unit = "ratio"
    needs = ("spaces", "combination_counts", "null_counts")
    reads = "importance"

    def __init__(
        self,
        spaces: Sequence[CombinationSpace],
        combination_counts: Mapping[str, CombinationCounts],
        null_counts: Mapping[str, CombinationCounts] | None = None,
    ) -> None:
        super().__init__()
        self.spaces = tuple(spaces)
        uncounted = [space.name for space in self.spaces if space.name not in combination_counts]
        if uncounted or not self.spaces:
            raise ProfileError(
                f"no reference counts for: {', '.join(uncounted)}"
                if uncounted
                else "the profile holds no combination space",
                "IDC is the covered part of a space, beside what the reference covers of it.",
                "Build the profile again with IDC among the criteria.",
            )
        self.counts = dict(combination_counts)
        self._null_counts = dict(null_counts or {})
        self.states = {space.name: CombinationState(space) for space in self.spaces}
        self._prefixes: dict[tuple[str, int], PrefixCounts] = {}

    @torch.no_grad()
    def update(self, batch: ActivationBatch) -> None:
        """Take in the rows of one forward pass; class spaces take rows of their true class only.

        Raises:
            LayerError: A layer has fewer neurons than a space needs.
            IdcError: A needed value is NaN or infinite.
        """
        for state in self.states.values():
            state.update(batch)

    @property
    def by_true_class(self) -> bool:
        """Whether every space of the headline is one of a class."""
        return all(space.class_index is not None for space in self._pool(None, None))

    def items(self, batch: ActivationBatch) -> RowItems:
        """Return a hash of each row's combination in each space of the headline."""
        rows, items = [], []
        for number, space in enumerate(self._pool(None, None)):
            own = np.flatnonzero(space.own_rows(batch))
            if not len(own) or not space.visited(batch):
                continue
            rows.append(own)
            items.append(_hashes(number, space, space.encode(batch.select(own))))
        none = np.zeros(0, dtype=np.int64)
        return RowItems.of(
            np.concatenate([none, *rows]), np.concatenate([none, *items]), len(batch)
        )

    def held(self) -> NDArray[np.int64]:
        """Return the hashes of the combinations seen so far in the spaces of the headline."""
        found = [
            _hashes(number, space, self.states[space.name].codes)
            for number, space in enumerate(self._pool(None, None))
        ]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *found]))

    def merge(self, other: Self) -> None:
        """Take in the combinations that `other` has seen.

        Raises:
            RecordingError: `other` measures other spaces.
        """
        self._check_spaces({space.name: space.ks for space in other.spaces})
        for name, state in self.states.items():
            state.merge(other.states[name])

    def reset(self) -> None:
        """Forget everything seen."""
        for state in self.states.values():
            state.reset()

    def get_extra_state(self) -> dict[str, Any]:
        """Return the distinct combinations and digests as builtins and bytes, by space name."""
        return {
            name: {"ks": list(state.space.ks), "seen": to_plain(state.to_arrays())}
            for name, state in self.states.items()
        }

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state by one that `get_extra_state` returned.

        Raises:
            RecordingError: It belongs to other spaces.
        """
        self._check_spaces({name: tuple(part["ks"]) for name, part in state.items()})
        for name, part in state.items():
            self.states[name].set_arrays(from_plain(part["seen"]))

    def compute(self) -> tuple[CriterionRow, ...]:
        """Return the rows at each space's own m; see `rows_at`."""
        return self.rows_at()

    def rows_at(
        self, m: int | None = None, inputs: Inputs | None = None
    ) -> tuple[CriterionRow, ...]:
        """Return the rows: `IDC`, then by layer, by class, and by layer and class.

        A row that several spaces share adds up their covered and total; the mean of their values
        is in its details. Rows that would repeat a space under the same key are left out.

        Args:
            m: Important neurons to count (at most those clustered), default each space's own.
            inputs: Distinct inputs by space name (a class space: inputs of its class), or one
                number where no space is for a class; the rows then carry the random suite and the
                ceiling.
        """
        measures = {space.name: self.measure(space.name, m, inputs) for space in self.spaces}
        rows = []
        for layer, class_index in self._keys():
            chosen = [measures[s.name] for s in self._pool(layer, class_index)]
            rows.append(make_row(self.name, layer, class_index, chosen, inputs is not None))
        return tuple(rows)

    def ladder(self, inputs: Inputs | None = None) -> tuple[LadderStep, ...]:
        """Return the headline row for every m up to the neurons clustered."""
        steps = []
        for m in range(1, max((len(space.neurons) for space in self.spaces), default=0) + 1):
            measures = [self.measure(s.name, m, inputs) for s in self._pool(None, None)]
            row = make_row(self.name, None, None, measures, inputs is not None)
            steps.append(
                LadderStep(
                    m=m,
                    total=row.total,
                    reach=row.reach or 0,
                    fit_reached=row.details["fit_reached"],
                    covered=int(row.covered),
                    covered_reached=row.covered_reached or 0,
                    share=row.share or 0.0,
                    random=row.random,
                )
            )
        return tuple(steps)

    def measure(
        self, name: str, m: int | None = None, inputs: Inputs | None = None
    ) -> SpaceMeasure:
        """Return all numbers of the space called `name` with its first `m` neurons.

        Raises:
            TypeError: One number of inputs is given although the space is for a class.
        """
        state = self.states[name]
        space = state.space
        m = min(space.m if m is None else m, len(space.neurons))
        if isinstance(inputs, int) and space.class_index is not None:
            raise TypeError(f"space {name!r} is for one class: give inputs by space name")
        return SpaceMeasure(
            space=space,
            m=m,
            state=state,
            prefix=self.prefix(name, m),
            null=self._null_counts[name].prefix(m) if name in self._null_counts else None,
            inputs=inputs[name] if isinstance(inputs, Mapping) else inputs or 0,
        )

    def prefix(self, name: str, m: int | None = None) -> PrefixCounts:
        """Return the reference counts of a space by its first `m` neurons."""
        m = self.states[name].space.m if m is None else m
        if (name, m) not in self._prefixes:
            self._prefixes[name, m] = self.counts[name].prefix(m)
        return self._prefixes[name, m]

    def exercised(self, name: str, m: int | None = None) -> Exercised:
        """Return which reached combinations of a space the inputs exercise, also by class."""
        return self.measure(name, m).exercised

    def missing(self, name: str, limit: int = 3, m: int | None = None) -> tuple[Missing, ...]:
        """Return the combinations no input exercises that most reference rows have."""
        return self.prefix(name, m).missing(self.exercised(name, m), limit)

    def _check_spaces(self, ks: Mapping[str, tuple[int, ...]]) -> None:
        own = {space.name: space.ks for space in self.spaces}
        if dict(ks) != own:
            raise RecordingError(
                f"states of other combination spaces: {', '.join(sorted(ks))} "
                f"instead of {', '.join(sorted(own))}",
                "They were measured against another profile, so their combinations differ.",
                "Measure all parts against the same profile file.",
            )

    def _pool(self, layer: str | None, class_index: int | None) -> list[CombinationSpace]:
        """Return the spaces behind one row; all classes together if there is such a space."""
        spaces = [s for s in self.spaces if layer is None or s.layer == layer]
        return [s for s in spaces if s.class_index == class_index] or (
            spaces if class_index is None else []
        )

    def _keys(self) -> list[tuple[str | None, int | None]]:
        """Return (layer, class) of every row, the headline first, in the order of the spaces."""
        layers = [s.layer for s in self.spaces if s.layer is not None]
        classes = [s.class_index for s in self.spaces if s.class_index is not None]
        both = [(s.layer, s.class_index) for s in self.spaces]
        keys = [
            (None, None),
            *((layer, None) for layer in layers),
            *((None, class_index) for class_index in classes),
            *both,
        ]
        return list(dict.fromkeys(keys))


def _hashes(number: int, space: CombinationSpace, codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return a hash of each combination (N, M) of the space with this number, (N,)."""
    weights = odd_numbers(1 + number * _SPACES_APART, space.m)
    return np.asarray((codes[:, : space.m].astype(np.int64) + 1) @ weights)
