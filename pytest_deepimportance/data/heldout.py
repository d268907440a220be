"""A part of the reference kept out of the profile: data the clusters were not made from.

Which rows are held out depends on their content alone, so that the two parts are the same at every
reading, batch size and order, and equal rows are on the same side.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.streaming import Reference
from pytest_deepimportance.errors import SettingsError

PREFIX = "part="
_MIXED = 0x9E3779B97F4A7C15


def part_asked_for(null: str | None) -> float | None:
    """Return the part of the reference that the setting `null` holds out, None if it names data.

    Raises:
        SettingsError: The part is no number between 0 and 1.
    """
    if null is None or not null.startswith(PREFIX):
        return None
    typed = null.removeprefix(PREFIX)
    try:
        part = float(typed)
    except ValueError:
        part = 0.0
    if not 0 < part < 1:
        raise SettingsError(
            f"idc_null = {null}: {typed!r} is not a part of the reference",
            "It says how much of the reference is kept out of the profile.",
            "Write a number between 0 and 1: idc_null = part=0.2",
        )
    return part


def divided(reference: Reference, part: float, seed: int) -> tuple[Reference, Reference]:
    """Return the reference without a seeded part of its rows, and that part."""
    kept, held = (_Part(reference, part, seed, wanted) for wanted in (False, True))
    return kept.reference(f"{1 - part:.0%} of"), held.reference(f"{part:.0%} of")


class _Part:
    """The rows of a reference on one side of the division; a `Source`."""

    rows = None
    random = False  # what is read has drawn its random numbers already
    cut = False

    def __init__(self, whole: Reference, part: float, seed: int, wanted: bool) -> None:
        self._whole, self._part, self._seed, self._wanted = whole, part, seed, wanted
        self._numbers: list[NDArray[np.int64]] = []

    @property
    def reiterable(self) -> bool:
        """Whether it can be read through again."""
        return self._whole.reiterable

    def reference(self, which: str) -> Reference:
        """Return the part as a reference of its own."""
        found = Reference(
            self,
            f"{which} {self._whole.descriptor}",
            None,
            labelled=self._whole.labelled,
            class_names=self._whole.class_names,
            seed=self._seed,
        )
        found.fingerprint, found.augmented = self._whole.fingerprint, self._whole.augmented
        found.notes = list(self._whole.notes)
        return found

    def calls(self, size: int) -> Iterator[ModelCall]:
        """Yield the rows of this side in calls of at most `size` rows."""
        self._numbers, start = [], 0
        for call in self._whole.batches(size):
            chosen = np.flatnonzero(self._held_out(row_digests(call)) == self._wanted)
            self._numbers.append(start + chosen)
            start += call.rows
            if len(chosen):
                yield call.select(torch.from_numpy(chosen))

    def original(self, row: int) -> int | None:
        """Return the number of `row` in what the user gave."""
        numbers = np.concatenate([np.zeros(0, np.int64), *self._numbers])
        return self._whole.index_of_row(int(numbers[row])) if row < len(numbers) else None

    def _held_out(self, digests: NDArray[np.uint64]) -> NDArray[np.bool_]:
        with np.errstate(over="ignore"):
            mixed = (digests ^ np.uint64(self._seed)) * np.uint64(_MIXED)
            mixed ^= mixed >> np.uint64(32)
            mixed *= np.uint64(_MIXED)
        return (mixed >> np.uint64(11)).astype(np.float64) / 2**53 < self._part
