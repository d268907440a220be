"""Requirements that a marker names: text, or a list of it."""

from __future__ import annotations

from typing import Any

from pytest_deepimportance.errors import RecordingError


def as_requirements(value: Any) -> tuple[str, ...]:
    """Return the requirements that `requirement=` of a marker names, each once.

    Raises:
        RecordingError: It names none, or something that is not text.
    """
    given = list(value) if isinstance(value, (list, tuple)) else [value]
    if not given or not all(isinstance(text, str) and text.strip() for text in given):
        raise RecordingError(
            f"requirement={value!r} names no requirement",
            "The traceability matrix lists each requirement by its name.",
            'Give text, or a list of it: requirement="ML-REQ-12"',
        )
    return tuple(dict.fromkeys(text.strip() for text in given))
