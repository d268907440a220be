"""True classes for passes that were made without them: the newest passes are filled backwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.formatting import plural
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.recorded import RecordedPass


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
