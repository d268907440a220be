"""The reference's activation traces of one layer: what the surprise of an input is measured from.

Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019, use the
traces of the whole training set; here a class keeps a seeded sample of at most `limit` rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.statistics.class_groups import by_class
from pytest_deepimportance.statistics.sample import SeededSample

Arrays = dict[str, NDArray[Any]]


class Traces:
    """Activations of one layer for reference rows, at most `limit` of each class.

    Args:
        limit: Rows kept per class; more are sampled (see `SeededSample`).
        seed: Chooses the samples.

    Attributes:
        width: Neurons of the layer (d), 0 before the first row.
        memo: What was derived from the rows and is asked for again; empty after a change.
    """

    def __init__(self, limit: int, seed: int = 0) -> None:
        self.limit, self.seed = limit, seed
        self.memo: dict[Any, Any] = {}
        self.width = 0
        self._samples: dict[int, SeededSample] = {}
        self._joined: Arrays | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def values(self) -> NDArray[np.floating]:
        """The kept rows, (R, d), by class, then key, then content."""
        return self._arrays()["values"]

    @property
    def classes(self) -> NDArray[np.int64]:
        """Class of each kept row, (R,), ascending."""
        return self._arrays()["classes"]

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Sampling key of each kept row, (R,), ascending within a class."""
        return self._arrays()["keys"]

    @property
    def class_rows(self) -> dict[int, int]:
        """By class, how many rows it had in all."""
        return {label: self._samples[label].seen for label in sorted(self._samples)}

    @property
    def dropped(self) -> dict[int, int]:
        """By class, how many of its rows are not kept; classes that are whole are absent."""
        cut = {c: rows - len(self._samples[c]) for c, rows in self.class_rows.items()}
        return {label: rows for label, rows in cut.items() if rows}

    def rows_of(self, label: int) -> slice:
        """Return where the rows of a class are in `values`; empty for an unknown class."""
        start, stop = np.searchsorted(self.classes, [label, label + 1]).tolist()
        return slice(start, stop)

    def update(
        self,
        values: NDArray[np.floating],
        classes: NDArray[np.int64],
        digests: NDArray[np.uint64],
    ) -> None:
        """Take in rows (N, d), their classes (N,), all known, and their content digests (N,).

        Raises:
            ProfileError: The rows have another number of neurons than those before.
        """
        self._changed(values.shape[1] if len(values) else 0)
        for label, rows in by_class(classes):
            self._sample(label).update(digests[rows], values[rows])

    def merge(self, other: Traces) -> None:
        """Take in the rows of `other`.

        Raises:
            ProfileError: `other` has another limit, seed or number of neurons.
        """
        self._changed(other.width)
        for label, sample in other._samples.items():
            self._sample(label).merge(sample)

    def to_arrays(self) -> Arrays:
        """Return everything as arrays, the same for equal traces, fit for a file."""
        counts = self.class_rows
        return {
            **self._arrays(),
            "seen_classes": np.array(list(counts), dtype=np.int64),
            "seen_rows": np.array(list(counts.values()), dtype=np.int64),
            "limit": np.array(self.limit, dtype=np.int64),
            "seed": np.array(self.seed, dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Traces:
        """Return the traces that `to_arrays` came from; the arrays are not copied."""
        traces = cls(int(arrays["limit"]), int(arrays["seed"]))
        joined = {name: arrays[name] for name in ("values", "classes", "keys")}
        traces._joined, traces.width = joined, joined["values"].shape[1]
        seen = zip(arrays["seen_classes"].tolist(), arrays["seen_rows"].tolist(), strict=True)
        for label, rows in seen:
            part = traces.rows_of(label)
            traces._samples[label] = SeededSample.restored(
                traces.limit, traces.seed, rows, joined["keys"][part], joined["values"][part]
            )
        return traces

    def _sample(self, label: int) -> SeededSample:
        if label not in self._samples:
            self._samples[label] = SeededSample(self.limit, self.seed)
        return self._samples[label]

    def _changed(self, width: int) -> None:
        """Note that rows of `width` neurons come (0: no rows)."""
        if width and self.width not in (0, width):
            raise ProfileError(
                f"traces of {width} neurons cannot join traces of {self.width} neurons",
                "They come from different layers.",
            )
        self.width = width or self.width
        self._joined = None
        self.memo.clear()

    def _arrays(self) -> Arrays:
        if self._joined is None:
            labels = sorted(self._samples)
            samples = [self._samples[label] for label in labels]
            sizes = [len(sample) for sample in samples]
            empty = SeededSample(self.limit, self.seed)
            self._joined = {
                "values": np.concatenate([s.rows for s in samples or [empty]]),
                "classes": np.repeat(np.array(labels, dtype=np.int64), sizes),
                "keys": np.concatenate([s.keys for s in samples or [empty]]),
            }
        return self._joined
