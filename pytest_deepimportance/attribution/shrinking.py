"""Out of memory: go on with fewer rows at once, and say so."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Sequence

import torch

from pytest_deepimportance.attribution.base import Attribution, AttributionBatch, Conservation
from pytest_deepimportance.attribution.memory_errors import is_out_of_memory
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.errors import AttributionError


class Shrinking:
    """An attribution that halves its rows when memory runs out, for good.

    Scores do not depend on it, since each row is attributed by itself.

    Args:
        attribution: What is run. If it repeats rows inside (`rows_at_once`), those are halved too.
    """

    def __init__(self, attribution: Attribution) -> None:
        self._inner = attribution
        self._rows: int | None = None
        self._from = 0

    @property
    def name(self) -> str:
        """Name of the method."""
        return self._inner.name

    @property
    def rule(self) -> str:
        """Parameters of the method."""
        return str(getattr(self._inner, "rule", ""))

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the method, and that memory ran out."""
        if self._rows is None:
            return self._inner.notes
        return (
            *self._inner.notes,
            f"memory ran out with {self._from} inputs in one pass: {self._rows} are taken at a "
            "time",
        )

    def attribute(self, call: ModelCall) -> AttributionBatch:
        """Attribute one batch.

        Raises:
            AttributionError: As the method, or memory runs out with a single input.
        """
        waiting, done = deque([call]), []
        while waiting:
            part = waiting.popleft()
            if self._rows is not None and part.rows > self._rows:
                waiting.extendleft(reversed(list(part.split(self._rows))))
                continue
            try:
                done.append(self._inner.attribute(part))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(part.rows, error)
                waiting.appendleft(part)
            else:
                continue
            _let_go()  # out of the handler, whose traceback holds the tensors of the failed pass
        return done[0] if len(done) == 1 else joined_batches(done)

    def _halve(self, rows: int, error: Exception) -> None:
        inner = getattr(self._inner, "rows_at_once", None)
        at_once = max(rows, inner or 0)
        if at_once < 2:
            raise AttributionError(
                f"memory ran out with one input in one pass: {' '.join(str(error).split())[:200]}",
                "Fewer than one input at a time is not possible.",
                "Use a machine with more memory, or another device: --idc-device cpu",
            ) from error
        self._from = self._from or at_once
        self._rows = at_once // 2
        if hasattr(self._inner, "rows_at_once"):
            self._inner.rows_at_once = self._rows


def _let_go() -> None:
    gc.collect()
    torch.cuda.empty_cache()  # does nothing where CUDA is not in use


def joined_batches(parts: Sequence[AttributionBatch]) -> AttributionBatch:
    """Join attributions of consecutive rows."""
    return AttributionBatch(
        ActivationBatch.concatenate([part.activations for part in parts]),
        {name: torch.cat([p.relevance[name] for p in parts]) for name in parts[0].relevance},
        sum((part.conservation for part in parts), Conservation()),
    )
