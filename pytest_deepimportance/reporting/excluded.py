"""What was seen but not counted, in words."""

from __future__ import annotations

from pytest_deepimportance.formatting import plural
from pytest_deepimportance.results import Exclusions

EXCLUDED = (
    ("attack_passes", "attack step", "attack steps"),
    ("paused_passes", "paused pass", "paused passes"),
    ("unclaimed_passes", "pass of an unused fixture", "passes of unused fixtures"),
    ("other_weights_passes", "pass with other weights", "passes with other weights"),
    ("partial_model_calls", "call of a part of the model", "calls of a part of the model"),
    ("dropped_passes", "pass that could not be recorded", "passes that could not be recorded"),
    ("raised_passes", "pass that raised", "passes that raised"),
    ("skipped_passes", "pass of a skipped test", "passes of skipped tests"),
    ("rerun_passes", "pass of an earlier attempt", "passes of earlier attempts"),
    ("unvouched_passes", "pass of a test that did not pass", "passes of tests that did not pass"),
    ("non_finite_rows", "row with NaN or infinity", "rows with NaN or infinity"),
)  # fmt: skip
"""What was seen but not counted, beside what unmarked tests did: field, one, many."""


def excluded(exclusions: Exclusions) -> str:
    """Say what was seen but not counted; passes of models nobody watches are not seen."""
    parts = []
    if exclusions.unmarked_tests or exclusions.unmarked_passes:
        passes = plural(exclusions.unmarked_passes, "pass", "passes")
        parts.append(f"{plural(exclusions.unmarked_tests, 'unmarked test')} ({passes})")
    for name, one, many in EXCLUDED:
        number = getattr(exclusions, name)
        if number:
            parts.append(plural(number, one, many))
    return ", ".join(parts) or "nothing that was seen"
