"""What was recorded: passes, and the blocks (a test, a fixture instance) they belong to."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.thumbnails import Thumbnail
from pytest_deepimportance.recording.counters import Counters
from pytest_deepimportance.recording.recorded import RecordedPass

_COMMITS = itertools.count()


@dataclass(frozen=True)
class _Settled:
    """What the passes of a block amount to at one version."""

    version: int
    batches: tuple[ActivationBatch, ...]
    batch: ActivationBatch | None
    non_finite: dict[str, int]
    incomplete: int


class Block:
    """The passes of one test's call phase or of one fixture instance.

    Attributes:
        key: Equal in every process that runs the same test or fixture.
        kind: "test" or "fixture".
        version: Grows with every change.
    """

    def __init__(self, key: str, kind: Literal["test", "fixture"] | str) -> None:
        self.key = key
        self.kind = kind
        self.version = 0
        self._passes: list[RecordedPass] = []
        self._frozen = False
        self._lock = threading.RLock()
        self._settled: _Settled | None = None
        self._counters: Counters | None = None  # ten thousand blocks need none

    @property
    def counters(self) -> Counters:
        """What was seen but not recorded while this block was current."""
        with self._lock:
            if self._counters is None:
                self._counters = Counters()
            return self._counters

    @property
    def passes(self) -> list[RecordedPass]:
        """All committed passes in order, attack steps included."""
        with self._lock:
            return list(self._passes)

    @property
    def counted_passes(self) -> int:
        """Number of passes that are no attack steps."""
        return sum(not recorded.is_attack for recorded in self.passes)

    @property
    def attack_passes(self) -> int:
        """Number of passes that turned out to be attack steps."""
        return sum(recorded.is_attack for recorded in self.passes)

    @property
    def written(self) -> bool:
        """Whether it holds passes, all of which are only written down so far."""
        return bool(self._passes) and all(recorded.written for recorded in self.passes)

    @property
    def train_mode_passes(self) -> int:
        """Passes of a model in training mode, measured in evaluation mode."""
        return 0 if self._counters is None else self._counters.train_mode_passes

    @property
    def scored(self) -> int:
        """Classes the model scored, 0 when not known."""
        return max((recorded.classes for recorded in self.passes), default=0)

    @property
    def touched(self) -> bool:
        """Whether anything at all happened: a pass, or something left out."""
        return bool(self._passes) or (self._counters is not None and self._counters.any)

    @property
    def non_finite(self) -> Mapping[str, int]:
        """Rows left out because of NaN or infinity, by layer name; a row may appear in several."""
        return self._settle().non_finite

    @property
    def incomplete_passes(self) -> int:
        """Passes left out of `activations` because they visited only some of the layers."""
        return self._settle().incomplete

    def commit(self, recorded: RecordedPass) -> bool:
        """Append a pass; False when the block is frozen."""
        with self._lock:
            if self._frozen:
                return False
            recorded.order = next(_COMMITS)
            self._passes.append(recorded)
            self.version += 1
            return True

    def touch(self) -> None:
        """Note that a pass changed (labels, attack step)."""
        with self._lock:
            self.version += 1

    def freeze(self) -> None:
        """Accept no more passes and watch no more gradients: the test or fixture has ended."""
        with self._lock:
            self._frozen = True
        for recorded in self.passes:
            if recorded.gradient is not None:
                recorded.gradient.close()

    def activations(self) -> ActivationBatch | None:
        """Return all counted rows in order of commit, or None when there are none.

        Left out are attack steps, rows with NaN or infinity, and passes that did not visit every
        layer that other passes of the block visited (`batches` has these too).
        """
        return self._settle().batch

    def batches(self) -> list[ActivationBatch]:
        """Return the counted rows as one batch for each set of layers that passes visited."""
        return list(self._settle().batches)

    def thumbnails(self, digests: NDArray[np.uint64]) -> dict[int, Thumbnail]:
        """Return the images of the inputs with these hashes, by hash, where images were kept."""
        wanted, found = set(digests.tolist()), {}
        for recorded in self.passes:
            if recorded.thumbnails is None or recorded.is_attack:
                continue
            for row, digest in enumerate(recorded.batch.digests.tolist()):
                if digest in wanted and digest not in found:
                    found[digest] = recorded.thumbnails.of(row)
        return found

    def _settle(self) -> _Settled:
        with self._lock:
            if self._settled is None or self._settled.version != self.version:
                self._settled = self._compute()
            return self._settled

    def _compute(self) -> _Settled:
        groups: dict[frozenset[str], list[ActivationBatch]] = {}
        for recorded in self._passes:
            if len(recorded) and not recorded.is_attack:
                groups.setdefault(recorded.layer_names, []).append(recorded.batch)
        names = frozenset().union(*groups)
        joined = {layers: _joined(group) for layers, group in groups.items()}
        finite = {layers: _finite_rows(batch) for layers, batch in joined.items()}
        unusable: Counter[str] = Counter()
        for layers, batch in joined.items():
            if finite[layers] is not batch:
                unusable.update(_non_finite(batch))
        complete = finite.get(names)
        return _Settled(
            self.version,
            tuple(batch for batch in finite.values() if len(batch)),
            complete if complete is not None and len(complete) else None,
            dict(unusable),
            sum(len(group) for layers, group in groups.items() if layers != names),
        )


def _finite_rows(batch: ActivationBatch) -> ActivationBatch:
    finite = batch.finite()
    return batch if finite.all() else batch.select(finite)


def _joined(batches: Sequence[ActivationBatch]) -> ActivationBatch:
    """Join batches row after row; copies of a model may have run on several devices."""
    if len(batches) > 1 and len(set().union(*(batch.devices for batch in batches))) > 1:
        batches = [_on_cpu(batch) for batch in batches]
    return ActivationBatch.concatenate(batches)


def _on_cpu(batch: ActivationBatch) -> ActivationBatch:
    layers = {name: layer.map(torch.Tensor.cpu) for name, layer in batch.layers.items()}
    return replace(batch, layers=layers)


def _non_finite(batch: ActivationBatch) -> dict[str, int]:
    """Return the rows that are not finite, each under the first layer in which it is not."""
    result = {}
    clean = np.ones(len(batch), dtype=bool)
    for name, layer in batch.layers.items():
        bad = clean & ~layer.finite().cpu().numpy()
        if bad.any():
            result[name] = int(bad.sum())
            clean &= ~bad
    return result
