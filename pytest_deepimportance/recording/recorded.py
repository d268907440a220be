"""One recorded forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.sheets import Sheet, SheetLayers
from pytest_deepimportance.data.thumbnails import Thumbnails
from pytest_deepimportance.recording.gradients import GradientWatch
from pytest_deepimportance.recording.leaves import Leaf
from pytest_deepimportance.recording.scores import ScoredRows


class Found(NamedTuple):
    """What is known of N rows, as an `ActivationBatch` holds it."""

    layers: Mapping[str, LayerValues]
    digests: NDArray[np.uint64]
    predictions: NDArray[np.int64]
    confidence: NDArray[np.float32] | None


class Content(Protocol):
    """What a pass held; found out when asked for."""

    @property
    def rows(self) -> int:
        """Number of rows, N."""

    @property
    def names(self) -> frozenset[str]:
        """Layers the pass visited."""

    def found(self) -> Found:
        """Return what is known of its rows."""


@dataclass
class Measured:
    """A pass that was measured when it was made.

    Attributes:
        layers: Values by layer name, for N rows.
        digests: Content hash of each input row, (N,).
        scored: Its class scores, or None; read when asked for, so that a pass on an accelerator
            need not be waited for.
    """

    layers: Mapping[str, LayerValues]
    digests: NDArray[np.uint64]
    scored: ScoredRows | None = None

    @property
    def rows(self) -> int:
        """Number of rows, N."""
        return len(self.digests)

    @property
    def names(self) -> frozenset[str]:
        """Layers the pass visited."""
        return frozenset(self.layers)

    def found(self) -> Found:
        """Return what is known of its rows."""
        predictions, sure = np.full(self.rows, UNKNOWN, np.int64), None
        if self.scored is not None:
            predictions, sure = self.scored.classes(), self.scored.confidence()
        return Found(self.layers, self.digests, predictions, sure)


@dataclass
class Written:
    """A pass that was written down, to be measured with others.

    Attributes:
        leaf: Where it stands.
        lines: Which of its rows it has.
    """

    leaf: Leaf
    lines: slice

    @property
    def rows(self) -> int:
        """Number of rows, N."""
        return int(self.lines.stop - self.lines.start)

    @property
    def names(self) -> frozenset[str]:
        """Layers the pass visited."""
        return self.leaf.form.layers

    def found(self) -> Found:
        """Return what is known of its rows; those of the passes beside it are measured too."""
        rows, lines = self.leaf.rows(), self.lines
        return Found(
            SheetLayers(Sheet(rows.sheet.columns, rows.sheet.values[lines])),
            rows.digests[lines],
            rows.predictions[lines],
            None if rows.confidence is None else rows.confidence[lines],
        )


class RecordedPass:
    """One forward pass of the watched model, reduced to neurons.

    Args:
        content: What it held, for N rows.
        labels: True classes that came with the call, (N,), or None.
        gradient: What saw whether a gradient flowed back to the input.
        classes: Classes the model scored, 0 when not known.
        tags: For each row the number of its tags, (N,), or None.
        thumbnails: Its rows as small images, or None.
    """

    def __init__(
        self,
        content: Content,
        labels: NDArray[np.int64] | None = None,
        gradient: GradientWatch | None = None,
        classes: int = 0,
        tags: NDArray[np.int32] | None = None,
        thumbnails: Thumbnails | None = None,
    ) -> None:
        self.order = -1
        self.classes = classes
        self.labelled = labels is not None
        self.gradient = gradient
        self.thumbnails = thumbnails
        self.tags = tags
        self._content = content
        self._labels = labels
        self._batch: ActivationBatch | None = None

    def __len__(self) -> int:
        return self._content.rows

    @property
    def written(self) -> bool:
        """Whether it is only written down so far."""
        return isinstance(self._content, Written) and self._batch is None

    def found(self) -> Found:
        """Return what is known of its rows beside their labels and tags."""
        return self._content.found()

    @property
    def batch(self) -> ActivationBatch:
        """All rows, those with NaN or infinity included (see `finite`)."""
        if self._batch is None:
            layers, digests, predictions, sure = self._content.found()
            self._batch = ActivationBatch(
                layers, digests, predictions, self.labels, sure, self.tags
            )
        return self._batch

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Whether each row is finite in every layer, (N,)."""
        return self.batch.finite()

    @property
    def layer_names(self) -> frozenset[str]:
        """Layers the pass visited."""
        return self._content.names

    @property
    def is_attack(self) -> bool:
        """Whether a gradient flowed back to the input, so far."""
        return self.gradient is not None and self.gradient.reached_input

    @property
    def labels(self) -> NDArray[np.int64]:
        """True classes, (N,), UNKNOWN where not given."""
        if self._labels is None:
            self._labels = np.full(len(self), UNKNOWN, np.int64)
        return self._labels

    def label(self, labels: NDArray[np.int64]) -> None:
        """Set the true classes, (N,)."""
        self._labels = labels.astype(np.int64)
        self.labelled = True
        if self._batch is not None:
            self._batch = replace(self._batch, labels=self._labels)
