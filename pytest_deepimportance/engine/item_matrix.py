"""Which inputs cover which items, for every criterion: what subsets of the inputs would cover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_deepimportance.criteria.base import Criterion, naming
from pytest_deepimportance.criteria.bits import CHUNK
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.engine.states import new_criteria
from pytest_deepimportance.errors import RecordingError, SettingsError, did_you_mean
from pytest_deepimportance.parsing import spelled
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.incidence import Incidence, RowItems, chosen_rows

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class ItemMatrix:
    """Inputs x items of every criterion (`pytest_deepimportance.item_matrix` makes it).

    Coverage, growth and the greedy choice of any subset of the inputs need no further forward pass.

    Attributes:
        digests: Content hash of each input, (N,) uint64, in the order of the inputs.
        labels, predictions: True and predicted class of each input, (N,) int64, -1 unknown.
        criteria: The sparse table of each criterion, by name.
        profile: Fingerprint of the profile that the items belong to.
        non_finite: Inputs left out because of NaN or infinity.
        left_out: Criteria of which an input by itself covers no item (NLC).
    """

    digests: NDArray[np.uint64]
    labels: Indices
    predictions: Indices
    criteria: Mapping[str, Incidence]
    profile: str
    non_finite: int = 0
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def nbytes(self) -> int:
        """Memory of the tables in bytes."""
        return sum(table.nbytes for table in self.criteria.values())

    def of(self, criterion: str) -> Incidence:
        """Return the table of one criterion, named in any case.

        Raises:
            SettingsError: There is none.
        """
        criterion = spelled(criterion, [*self.criteria, *self.left_out])
        if criterion not in self.criteria:
            raise SettingsError(
                f"the item matrix holds no criterion {criterion!r}",
                "Of these an input by itself covers no item: " + ", ".join(self.left_out) + "."
                if criterion in self.left_out
                else "",
                did_you_mean(criterion, self.criteria) or f"It holds {', '.join(self.criteria)}.",
            )
        return self.criteria[criterion]

    def coverage(self, rows: ArrayLike | None = None, criterion: str = "IDC") -> int:
        """Return how many distinct items the inputs `rows` (indices or mask; None: all) cover."""
        return self.of(criterion).coverage(rows)

    def growth(self, order: ArrayLike | None = None, criterion: str = "IDC") -> Indices:
        """Return how many items the first 1, 2, ... inputs of `order` cover, (N,)."""
        return self.of(criterion).growth(order)

    def greedy(self, count: int | None = None, criterion: str = "IDC") -> tuple[Indices, Indices]:
        """Return the inputs that add most, in turn, and what each adds: see `Incidence.greedy`."""
        return self.of(criterion).greedy(count)

    def select(self, rows: ArrayLike) -> ItemMatrix:
        """Return the matrix of some inputs (indices or mask), with the items these cover.

        Raises:
            SettingsError: They name no inputs of the matrix.
        """
        chosen = chosen_rows(rows, len(self))
        return ItemMatrix(
            self.digests[chosen],
            self.labels[chosen],
            self.predictions[chosen],
            {name: table.only(chosen) for name, table in self.criteria.items()},
            self.profile,
            0,
            self.left_out,
        )

    def merge(self, other: ItemMatrix) -> ItemMatrix:
        """Return both together; inputs of `other` that are here already are not repeated.

        CC's items are centres that depend on the inputs met before: it is left out.

        Raises:
            RecordingError: `other` belongs to another profile, or holds other criteria.
        """
        if other.profile != self.profile:
            raise RecordingError(
                f"item matrices of different profiles: {self.profile[:8]} and {other.profile[:8]}",
                "Their items mean different things.",
                "Make both against the same profile file.",
            )
        if set(self.criteria) - {"CC"} != set(other.criteria) - {"CC"}:
            raise RecordingError(
                "item matrices of different criteria: "
                f"{', '.join(self.criteria)} and {', '.join(other.criteria)}",
                fix="Make both with the same criteria.",
            )
        new = np.flatnonzero(~np.isin(other.digests, self.digests))
        kept = [name for name, table in self.criteria.items() if name != "CC"]
        return ItemMatrix(
            np.concatenate([self.digests, other.digests[new]]),
            np.concatenate([self.labels, other.labels[new]]),
            np.concatenate([self.predictions, other.predictions[new]]),
            {name: self.criteria[name].merge(other.criteria[name], new) for name in kept},
            self.profile,
            self.non_finite + other.non_finite,
            tuple(dict.fromkeys([*self.left_out, *(["CC"] if "CC" in self.criteria else [])])),
        )


def matrix_of(
    batches: Iterator[tuple[ActivationBatch, int]], profile: Profile, settings: Settings
) -> ItemMatrix:
    """Return the item matrix of batches, each with the number of rows left out as not finite."""
    criteria = new_criteria(profile, settings)
    parts: dict[str, list[RowItems]] = {name: [] for name in criteria}
    rows: list[tuple[NDArray[np.uint64], Indices, Indices]] = []
    left_out: set[str] = set()
    unusable = 0
    for batch, dropped in batches:
        unusable += dropped
        for chunk in batch.chunks(CHUNK):
            rows.append((chunk.digests, chunk.labels, chunk.predictions))
            for name, criterion in criteria.items():
                with naming(name):
                    found = criterion.items(chunk)
                if found is None:
                    left_out.add(name)
                else:
                    parts[name].append(found)
    kept = {name: criterion for name, criterion in criteria.items() if name not in left_out}
    if not rows:
        raise RecordingError(
            f"all of {unusable} neighbouring inputs gave NaN or infinite activations"
            if unusable
            else "none of the inputs was recorded",
            fix="Check that the inputs are not empty, and of the scale the model was trained on.",
        )
    digests, labels, predictions = (np.concatenate(part) for part in zip(*rows, strict=True))
    return ItemMatrix(
        digests,
        labels,
        predictions,
        {name: _table(criterion, parts[name]) for name, criterion in kept.items()},
        profile.fingerprint,
        unusable,
        tuple(name for name in criteria if name in left_out),
    )


def _table(criterion: Criterion, parts: list[RowItems]) -> Incidence:
    headline = criterion.fresh().compute()[0]
    return Incidence.joined(parts, headline.total, criterion.item_numbers)
