"""Counting what was seen but not recorded, and saying so."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pytest_deepimportance.formatting import count


@dataclass
class Counters:
    """Forward passes (unless said otherwise) of one block or of a whole session.

    Attributes:
        attack_passes: A gradient flowed back to their input (gradient-based attack steps).
        paused_passes: Made inside `idc.paused()`.
        unmarked_passes: Made by unmarked tests.
        other_weights_passes: Of a module of the watched class with other weights.
        partial_model_calls: Calls of a part of the model without a call of the model.
        dropped_passes: Not recorded for another reason: outside of any test or fixture, still
            running when their test ended, inside compiled code, traced, or not measurable.
        raised_passes: Their forward raised an exception.
        train_mode_passes: Recorded, but measured by a second pass in evaluation mode.
        compiled_passes: Recorded, but measured by a second pass without torch.compile.
        causes: What exactly was not recorded ("passes of another LeNet ..."), with its number.
        changes: Grows with every call of `add` and `note`.
    """

    attack_passes: int = 0
    paused_passes: int = 0
    unmarked_passes: int = 0
    other_weights_passes: int = 0
    partial_model_calls: int = 0
    dropped_passes: int = 0
    raised_passes: int = 0
    train_mode_passes: int = 0
    compiled_passes: int = 0
    causes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.changes = 0

    def add(self, name: str, number: int = 1, cause: str | None = None) -> None:
        """Add `number` to the counter `name`, and to its `cause` if there is one."""
        with self._lock:
            self.changes += 1
            setattr(self, name, getattr(self, name) + number)
            if cause is not None:
                self.causes[cause] = self.causes.get(cause, 0) + number

    def note(self, cause: str) -> None:
        """Count something worth saying that left no pass out."""
        with self._lock:
            self.changes += 1
            self.causes[cause] = self.causes.get(cause, 0) + 1

    @property
    def any(self) -> bool:
        """Whether anything was counted."""
        return any(getattr(self, item.name) for item in fields(self))

    def sentences(self) -> list[str]:
        """Return the causes with their numbers, most frequent first."""
        with self._lock:
            ranked = sorted(self.causes.items(), key=lambda entry: (-entry[1], entry[0]))
        return [f"{count(number)} {_singular(cause, number)}" for cause, number in ranked]

    def counts(self) -> dict[str, int]:
        """Return every counter by name, the causes by their text."""
        with self._lock:
            own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "causes"}
            return {**own, **self.causes}

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Counters:
        """Rebuild from what `counts` returned, or several such added up."""
        names = {item.name for item in fields(cls)} - {"causes"}
        causes = {cause: number for cause, number in counts.items() if cause not in names}
        return cls(**{n: number for n, number in counts.items() if n in names}, causes=causes)

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only: every counter by name, and "details", a list of sentences."""
        wire: dict[str, Any] = {
            item.name: getattr(self, item.name) for item in fields(self) if item.name != "causes"
        }
        wire["details"] = self.sentences()
        return wire


def _singular(cause: str, number: int) -> str:
    if number != 1 or not cause.startswith("passes "):
        return cause
    return cause.replace("passes ", "pass ", 1).replace("pass were ", "pass was ", 1)
