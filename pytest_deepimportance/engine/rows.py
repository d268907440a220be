"""Distinct inputs of several blocks: how many, how labelled, how predicted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.data.activations import UNKNOWN, joined_confidence
from pytest_deepimportance.data.digests import among
from pytest_deepimportance.engine.states import BlockState


@dataclass(frozen=True)
class DistinctInputs:
    """Each distinct input once.

    Attributes:
        digests: Content hashes, ascending, (N,).
        labels: True class where any block knew it, else UNKNOWN, (N,).
        predictions: Predicted class, (N,).
        rows: Recorded rows before repeats were removed.
        chosen: Which of these rows stands for each input, (N,).
        confidence: How sure the model is, NaN where not known, (N, 3).
        scored: Classes the model scores, 0 when not known.
    """

    digests: NDArray[np.uint64]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    rows: int
    chosen: NDArray[np.int64]
    confidence: NDArray[np.float32]
    scored: int = 0

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def labelled(self) -> int:
        """Number of inputs with a label."""
        return int((self.labels != UNKNOWN).sum())

    @property
    def correct(self) -> int:
        """Number of labelled inputs predicted right."""
        return int(((self.labels != UNKNOWN) & (self.labels == self.predictions)).sum())

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted content hashes: equal for equal sets of inputs; "" for none."""
        if not len(self):
            return ""
        return hashlib.sha256(self.digests.astype("<u8").tobytes()).hexdigest()

    def select(self, which: NDArray[np.bool_]) -> DistinctInputs:
        """Return some of the inputs, chosen by a mask (N,); `rows` is their number then."""
        return DistinctInputs(
            digests=self.digests[which],
            labels=self.labels[which],
            predictions=self.predictions[which],
            rows=int(which.sum()),
            chosen=self.chosen[which],
            confidence=self.confidence[which],
            scored=self.scored,
        )

    def beyond(self, others: DistinctInputs) -> int:
        """Return the number of inputs that are not among `others`."""
        return int((~among(self.digests, others.digests)).sum())

    def of_class(self, index: int) -> int:
        """Return the number of inputs whose true class is `index`."""
        return int((self.labels == index).sum())

    @property
    def classes(self) -> tuple[NDArray[np.int64], str]:
        """Class of each input and where it comes from: labels if all have one, else predictions."""
        if len(self) and self.labelled == len(self):
            return self.labels, "labels"
        return self.predictions, "predictions"


def distinct_inputs(states: Sequence[BlockState]) -> DistinctInputs:
    """Join the rows of `states` and keep each input once."""
    if not states:
        nothing = np.empty(0, dtype=np.int64)
        digests = nothing.astype(np.uint64)
        return DistinctInputs(digests, nothing, nothing, 0, nothing, _unknown_confidence(0))
    digests = np.concatenate([state.digests for state in states])
    labels = np.concatenate([state.labels for state in states])
    predictions = np.concatenate([state.predictions for state in states])
    # Within equal digests the row with a label comes first, so that no label is lost.
    order = np.lexsort((-labels, digests))
    unique, first = np.unique(digests[order], return_index=True)
    chosen = order[first]
    sure = joined_confidence([s.confidence for s in states], [len(s.digests) for s in states])
    return DistinctInputs(
        digests=unique,
        labels=labels[chosen],
        predictions=predictions[chosen],
        rows=len(digests),
        chosen=chosen,
        confidence=_unknown_confidence(len(unique)) if sure is None else sure[chosen],
        scored=max(state.scored for state in states),
    )


def _unknown_confidence(rows: int) -> NDArray[np.float32]:
    return np.full((rows, 3), np.nan, dtype=np.float32)


def contradictions(states: Sequence[BlockState]) -> int:
    """Return the number of distinct inputs that carry two different labels."""
    if not states:
        return 0
    digests = np.concatenate([state.digests for state in states])
    labels = np.concatenate([state.labels for state in states])
    known = labels != UNKNOWN
    pairs = set(zip(digests[known].tolist(), labels[known].tolist(), strict=True))
    return sum(number > 1 for number in Counter(digest for digest, _ in pairs).values())


def evenness(classes: NDArray[np.int64], total: int) -> float | None:
    """Return Pielou's evenness H / log(total) of the classes, None when it has no meaning.

    Args:
        classes: Class of each input, (N,), UNKNOWN left out.
        total: Number of classes there are (not of those present, which would flatter a suite).
    """
    known = classes[classes != UNKNOWN]
    if not len(known) or total < 2:
        return None
    shares = np.unique(known, return_counts=True)[1] / len(known)
    return max(0.0, float(-(shares * np.log(shares)).sum() / np.log(total)))
