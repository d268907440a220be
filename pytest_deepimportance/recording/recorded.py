"""One recorded forward pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.thumbnails import Thumbnails
from pytest_deepimportance.recording.gradients import GradientWatch
from pytest_deepimportance.recording.scores import ScoredRows


class RecordedPass:
    """One forward pass of the watched model, reduced to neurons.

    Args:
        layers: Values by layer name, for N rows.
        digests: Content hash of each input row, (N,).
        scored: Its class scores, or None; read when asked for, so that a pass on an accelerator
            need not be waited for.
        labels: True classes that came with the call, (N,), or None.
        gradient: What saw whether a gradient flowed back to the input.
        classes: Classes the model scored, 0 when not known.
        tags: For each row the number of its tags, (N,), or None.
        thumbnails: Its rows as small images, or None.
    """

    def __init__(
        self,
        layers: dict[str, LayerValues],
        digests: NDArray[np.uint64],
        scored: ScoredRows | None = None,
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
        self._layers = layers
        self._digests = digests
        self._scored = scored
        self._tags = tags
        self._labels = labels
        self._batch: ActivationBatch | None = None

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def batch(self) -> ActivationBatch:
        """All rows, those with NaN or infinity included (see `finite`)."""
        if self._batch is None:
            predictions, sure = np.full(len(self), UNKNOWN, np.int64), None
            if self._scored is not None:
                predictions, sure = self._scored.classes(), self._scored.confidence()
            self._scored = None
            self._batch = ActivationBatch(
                self._layers, self._digests, predictions, self.labels, sure, self._tags
            )
        return self._batch

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Whether each row is finite in every layer, (N,)."""
        return self.batch.finite()

    @property
    def layer_names(self) -> frozenset[str]:
        """Layers the pass visited."""
        return frozenset(self._layers)

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
