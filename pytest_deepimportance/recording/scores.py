"""The class scores of many passes, turned into classes and confidence at once.

Operations on a few numbers cost by their count, not by their size: a dozen of them in each pass
cost more than the same on the scores of many passes together.
"""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.confidence import confidence

_VALUES = 1 << 16
"""Scores that are kept before they are turned into classes; those of a single pass may be more."""


class ScoredRows:
    """The rows of one pass: their classes are found, and read back, when first asked for."""

    def __init__(self, sheet: _Sheet, rows: slice) -> None:
        self._sheet, self._rows = sheet, rows

    def classes(self) -> NDArray[np.int64]:
        """Return the predicted classes, UNKNOWN for rows with NaN, (N,)."""
        return self._sheet.found()[0][self._rows].cpu().numpy()

    def confidence(self) -> NDArray[np.float32] | None:
        """Return how sure each prediction is, (N, 3), or None (see `data.confidence`)."""
        sure = self._sheet.found()[1]
        return None if sure is None else sure[self._rows].cpu().numpy()


class Scores:
    """Keeps the scores of passes, of any thread, until they are turned into classes.

    Args:
        scale: What the scores are, see `data.confidence`.
    """

    def __init__(self, scale: str) -> None:
        self._scale = scale
        self._sheet: _Sheet | None = None
        self._lock = threading.Lock()

    def add(self, scores: Tensor) -> ScoredRows:
        """Take in the scores of one pass, (N, C); nothing shares memory with them."""
        with self._lock:
            rows = None if self._sheet is None else self._sheet.add(scores)
            if self._sheet is None or rows is None:
                if self._sheet is not None:
                    self._sheet.found()
                with torch.inference_mode(False):  # others may add to it
                    self._sheet = _Sheet(scores, self._scale)
                rows = self._sheet.add(scores)
            assert rows is not None
            return ScoredRows(self._sheet, rows)


class _Sheet:
    """Room for the scores of passes with so many classes."""

    def __init__(self, first: Tensor, scale: str) -> None:
        size, classes = first.shape
        self._scores = first.new_empty(max(size, _VALUES // classes), classes)
        self._used = 0
        self._scale = scale
        self._found: tuple[Tensor, Tensor | None] | None = None
        self._lock = threading.Lock()

    def add(self, scores: Tensor) -> slice | None:
        """Copy the scores of a pass; None: they do not fit, or this sheet has been read."""
        own, rows = self._scores, slice(self._used, self._used + len(scores))
        alike = (own.shape[1], own.dtype, own.device) == (
            scores.shape[1],
            scores.dtype,
            scores.device,
        )
        with self._lock:
            if self._found is not None or not alike or rows.stop > len(own):
                return None
            own.narrow(0, rows.start, len(scores)).copy_(scores)
            self._used = rows.stop
            return rows

    def found(self) -> tuple[Tensor, Tensor | None]:
        """Return classes (N,) and confidence (N, 3) of all rows; no more are taken in then."""
        with self._lock:
            if self._found is None:
                with torch.inference_mode(False), torch.no_grad():
                    self._found = classified(self._scores[: self._used], self._scale)
                    self._scores = self._scores.new_empty(0, 0)  # what was found is far smaller
            return self._found


def classified(scores: Tensor, scale: str) -> tuple[Tensor, Tensor | None]:
    """Return classes (N,), UNKNOWN for rows with NaN, and confidence (N, 3) of scores (N, C).

    Args:
        scale: What the scores are, see `data.confidence`.
    """
    unknown = scores.isnan().any(dim=1)
    classes = torch.where(unknown, UNKNOWN, scores.argmax(dim=1))
    return classes, confidence(scores, scale)
