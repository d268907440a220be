"""What was recorded: passes, and the blocks (a test, a fixture instance) they belong to."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.formatting import plural
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
        counters: What was seen but not recorded while this block was current.
        version: Grows with every change.
    """

    def __init__(self, key: str, kind: Literal["test", "fixture"] | str) -> None:
        self.key = key
        self.kind = kind
        self.counters = Counters()
        self.version = 0
        self._passes: list[RecordedPass] = []
        self._frozen = False
        self._lock = threading.RLock()
        self._settled: _Settled | None = None

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
    def train_mode_passes(self) -> int:
        """Passes of a model in training mode, measured in evaluation mode."""
        return self.counters.train_mode_passes

    @property
    def touched(self) -> bool:
        """Whether anything at all happened: a pass, or something left out."""
        return bool(self._passes) or self.counters.any

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
    devices = {layer.values.device for batch in batches for layer in batch.layers.values()}
    if len(devices) > 1:
        batches = [_on_cpu(batch) for batch in batches]
    return ActivationBatch.concatenate(batches)


def _on_cpu(batch: ActivationBatch) -> ActivationBatch:
    layers = {name: layer.map(torch.Tensor.cpu) for name, layer in batch.layers.items()}
    return replace(batch, layers=layers)


def label_newest(blocks: Sequence[Block], labels: Any) -> None:
    """Label the newest unlabelled passes of `blocks`, backwards until the labels are used up.

    Args:
        blocks: A test's own block and those of the fixtures it claims.
        labels: True classes, (N,): the order of the rows of those passes, oldest pass first.
            Repeating labels that passes already carry is fine.

    Raises:
        RecordingError: N does not end on a pass boundary, there are not N such rows, or the model
            scores no such class; nothing is changed then.
    """
    wanted = _as_labels(labels)
    owners = {recorded: block for block in blocks for recorded in block.passes}
    newest = sorted(
        (recorded for recorded in owners if len(recorded) and not recorded.is_attack),
        key=lambda recorded: -recorded.order,
    )
    unlabelled = [recorded for recorded in newest if not recorded.labelled]
    chosen = _filling(unlabelled, len(wanted))
    if chosen is not None:
        _check_classes(chosen, wanted)
        for recorded, part in _paired(chosen, wanted):
            recorded.label(part)
            owners[recorded].touch()
    elif not _already_carried(newest, wanted):
        seen = [sentence for block in blocks for sentence in block.counters.sentences()]
        raise _refusal(unlabelled, newest, len(wanted), "; ".join(seen[:3]))


def _as_labels(labels: Any) -> NDArray[np.int64]:
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu().numpy()
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iub"):
        raise RecordingError(
            f"labels of shape {array.shape} and type {array.dtype} are not classes",
            "Each recorded row needs one whole number: its true class.",
            "Pass y with shape (N,), for example y.argmax(1) for one-hot rows."
            if array.ndim > 1
            else "Pass y.long() where these are class numbers; leave out the values of a "
            "regression: they are no classes.",
        )
    return array.astype(np.int64)


def _check_classes(passes: Sequence[RecordedPass], labels: NDArray[np.int64]) -> None:
    """Refuse classes the model does not score: accuracy and classes would be silently wrong."""
    known = min((recorded.classes for recorded in passes), default=0)
    wrong = labels[(labels < UNKNOWN) | (labels >= known)] if known else labels[:0]
    if len(wrong):
        raise RecordingError(
            f"label {wrong[0]} is given, but the model scores {known} classes, 0 to {known - 1}",
            "Labels are compared with the model's predictions; nothing was labelled.",
            "Number the classes as the model's outputs are (y - 1 when yours begin at 1), and give "
            f"{UNKNOWN} for a row without a class.",
        )


def _filling(newest_first: Iterable[RecordedPass], rows: int) -> list[RecordedPass] | None:
    """Return the passes, oldest first, that hold exactly `rows` rows, or None."""
    chosen: list[RecordedPass] = []
    for recorded in newest_first:
        if rows <= 0:
            break
        chosen.append(recorded)
        rows -= len(recorded)
    return chosen[::-1] if rows == 0 else None


def _paired(
    passes: Sequence[RecordedPass], labels: NDArray[np.int64]
) -> Iterable[tuple[RecordedPass, NDArray[np.int64]]]:
    ends = np.cumsum([len(recorded) for recorded in passes])
    return zip(passes, np.split(labels, ends[:-1]), strict=True) if passes else ()


def _already_carried(newest: Sequence[RecordedPass], labels: NDArray[np.int64]) -> bool:
    for start in range(len(newest)):
        chosen = _filling(newest[start:], len(labels))
        if chosen and all(
            recorded.labelled and np.array_equal(recorded.labels, part)
            for recorded, part in _paired(chosen, labels)
        ):
            return True
    return False


def _refusal(
    unlabelled: Sequence[RecordedPass], newest: Sequence[RecordedPass], rows: int, seen: str
) -> RecordingError:
    sizes = [len(recorded) for recorded in unlabelled]
    if not newest:
        what = f"{plural(rows, 'label')} given, but this test has recorded no forward pass"
        why = f"Seen but not recorded: {seen}." if seen else ""
        return RecordingError(what, why, "Call idc.labels(y) after the model was called.")
    if sum(sizes) < rows:
        what = (
            f"{plural(rows, 'label')} given, but this test has {plural(sum(sizes), 'row')} without "
            f"a label ({plural(len(newest), 'pass', 'passes')} recorded)"
        )
    else:
        what = f"{plural(rows, 'label')} do not end where a forward pass begins: the newest " + (
            f"unlabelled passes have {', '.join(map(str, sizes[:6]))} rows, newest first"
        )
    return RecordingError(
        what,
        "Labels fill whole passes, newest first; nothing was labelled.",
        "Give one label for each row of one or more whole passes, right after making them.",
    )


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
