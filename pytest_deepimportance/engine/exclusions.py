"""What was seen but not counted, added up over tests, blocks and workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pytest_deepimportance.engine.sessions import SessionState, TestState, vouches
from pytest_deepimportance.results import Exclusions
from pytest_deepimportance.settings import Settings


def exclusions(state: SessionState, settings: Settings) -> Exclusions:
    """Return the passes that do not count, by kind."""
    summed: Counter[str] = Counter()
    details: dict[str, None] = {}
    for totals in state.totals:
        for name, value in totals.items():
            if name == "details":
                details.update(dict.fromkeys(value))
            else:
                summed[name] += value
    non_finite = _non_finite(state)
    claimed = _claimed(state.tests)
    vouched = claimed
    if settings.count == "passed":
        vouched = _claimed(test for test in state.tests if vouches(test))
    return Exclusions(
        attack_passes=summed["attack_passes"],
        paused_passes=summed["paused_passes"],
        unmarked_passes=summed["unmarked_passes"],
        unmarked_tests=state.unmarked_tests,
        unclaimed_passes=summed["unclaimed_passes"] + _passes(state, set(state.blocks) - claimed),
        other_weights_passes=summed["other_weights_passes"],
        non_finite_rows=sum(count for _, _, count in non_finite),
        partial_model_calls=summed["partial_model_calls"],
        dropped_passes=summed["dropped_passes"],
        raised_passes=summed["raised_passes"],
        skipped_passes=sum(test.uncounted for test in state.tests),
        rerun_passes=sum(test.reruns for test in state.tests),
        unvouched_passes=_passes(state, claimed - vouched),
        details=(
            *sorted(details),
            *(f"{count} rows with NaN or infinity in {layer}: {key}"
              for key, layer, count in non_finite),
        ),
    )  # fmt: skip


def _claimed(tests: Iterable[TestState]) -> set[str]:
    return {key for test in tests if test.counts for _, key in test.claims}


def _passes(state: SessionState, keys: set[str]) -> int:
    return sum(block.passes for key in keys for block in state.blocks.get(key, {}).values())


def _non_finite(state: SessionState) -> list[tuple[str, str, int]]:
    """Return (block key, layer, rows) for every block with rows that are not finite."""
    return [
        (key, layer, max(block.non_finite.get(layer, 0) for block in by_slot.values()))
        for key, by_slot in sorted(state.blocks.items())
        for layer in sorted({name for block in by_slot.values() for name in block.non_finite})
    ]
