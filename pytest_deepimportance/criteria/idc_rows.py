"""The numbers of IDC rows: one combination space, and several pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.criteria.combination_state import CombinationState
from pytest_deepimportance.results import CriterionRow, RandomSuite
from pytest_deepimportance.statistics.expectation import for_other_inputs, random_suites
from pytest_deepimportance.statistics.prefix_counts import Exercised, PrefixCounts
from pytest_deepimportance.statistics.rows import unique_rows

DEGENERATE = "degenerate: every important neuron has one cluster, so one input covers all"


@dataclass(frozen=True)
class SpaceMeasure:
    """One space measured with its first m neurons.

    Attributes:
        prefix: The reference counts by these m neurons.
        inputs: Distinct inputs the space was measured on, 0 when not known here.
        null: The same counts of held-out data, where there are such.
    """

    space: CombinationSpace
    m: int
    state: CombinationState
    prefix: PrefixCounts
    inputs: int
    null: PrefixCounts | None = None

    @cached_property
    def total(self) -> int:
        """All combinations, exact."""
        return self.space.total(self.m)

    @cached_property
    def covered(self) -> int:
        """Distinct combinations the inputs show."""
        return len(self._seen)

    @cached_property
    def exercised(self) -> Exercised:
        """What of the reached combinations, and of the reference rows, the inputs exercise."""
        return self.prefix.exercise(self._seen)

    @property
    def value(self) -> float:
        """Covered divided by total."""
        return self.covered / self.total

    @cached_property
    def _seen(self) -> Any:
        return unique_rows(self.state.codes[:, : self.m])


def make_row(
    criterion: str,
    layer: str | None,
    class_index: int | None,
    measures: Sequence[SpaceMeasure],
    with_random: bool,
) -> CriterionRow:
    """Return the row of one space, or of several with their integers added up."""
    inputs = _inputs(measures)
    reached = sum(part.exercised.reached for part in measures)
    total = sum(part.total for part in measures)
    return CriterionRow(
        criterion=criterion,
        unit="ratio",
        covered=sum(part.covered for part in measures),
        total=total,
        layer=layer,
        class_name=_class_name(measures[0].space) if class_index is not None else None,
        class_index=class_index,
        inputs=inputs,
        judged=all(part.state.judged for part in measures),
        reach=sum(part.prefix.reach for part in measures),
        covered_reached=reached,
        exercised_rows=sum(part.exercised.rows for part in measures),
        reference_rows=sum(part.prefix.rows for part in measures),
        random=_random(measures, inputs, reached) if with_random else None,
        details={
            **(_single(measures[0]) if len(measures) == 1 else _pooled(measures)),
            "fit_reached": sum(part.prefix.fit_reached for part in measures),
            "ceiling": _ceiling(measures, total) if with_random else None,
            "degenerate": DEGENERATE if all(part.total == 1 for part in measures) else "",
            "near_boundary": len(_near(measures)),
            "not_judged_unlabelled": len(set().union(*(p.state.unlabelled for p in measures))),
            "not_judged_unvisited": len(set().union(*(p.state.unvisited for p in measures))),
        },
    )


def _class_name(space: CombinationSpace) -> str:
    return space.class_name or str(space.class_index)


def _single(part: SpaceMeasure) -> dict[str, Any]:
    space, m = part.space, part.m
    neurons = list(zip(space.neurons[:m], space.clusterings[:m], strict=True))
    return {
        "space": space.name,
        "scope": space.scope,
        "m": m,
        "m_from": space.m_from if m == space.m else "as asked",
        "k": list(space.ks[:m]),
        "neurons": [[layer, index] for (layer, index), _ in neurons],
        "constant": [[layer, index] for (layer, index), c in neurons if c.constant],
    }


def _pooled(measures: Sequence[SpaceMeasure]) -> dict[str, Any]:
    return {
        "spaces": [part.space.name for part in measures],
        "mean": sum(part.value for part in measures) / len(measures),
        "m": [part.m for part in measures],
    }


def _near(measures: Sequence[SpaceMeasure]) -> set[int]:
    return {
        digest for part in measures for digest, depth in part.state.near.items() if depth <= part.m
    }


def _are_classes(measures: Sequence[SpaceMeasure]) -> bool:
    """Whether the spaces are different classes: their inputs are then different ones."""
    return len({part.space.class_index for part in measures}) == len(measures)


def _inputs(measures: Sequence[SpaceMeasure]) -> int:
    counts = [part.inputs for part in measures]
    return sum(counts) if _are_classes(measures) else max(counts)


def _ceiling(measures: Sequence[SpaceMeasure], total: int) -> float:
    """Return the most that this many inputs can cover, as a ratio (1 at most)."""
    return sum(min(part.inputs, part.total) for part in measures) / total


def _random(measures: Sequence[SpaceMeasure], inputs: int, reached: int) -> RandomSuite | None:
    """Random suites of different classes are independent and add up; those of layers are not."""
    if not _are_classes(measures):
        return None
    nulls = [part.null for part in measures if part.null is not None]
    held_out = len(nulls) == len(measures)
    drawn = nulls if held_out else [part.prefix for part in measures]
    expectation = random_suites(
        [(null.counts, part.inputs) for null, part in zip(drawn, measures, strict=True)]
    )
    if held_out:
        rows = sum(null.rows for null in nulls)
        expectation = for_other_inputs(expectation, sum(p.inputs for p in measures), rows)
    # A held-out sample is too small to tell what can be reached: all that is covered counts.
    covered = sum(part.covered for part in measures) if held_out else reached
    return RandomSuite(
        inputs=inputs,
        expected=expectation.expected,
        sd=expectation.sd,
        low=expectation.low,
        high=expectation.high,
        comparable=expectation.comparable,
        covered=covered,
        note=expectation.note,
        method="closed form",
    )
