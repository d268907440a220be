"""Run suites of data through a recorded model, in blocks that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from torch import nn

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.passes import feed, hand_labels
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.profile.accumulate import Progress
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.labelling import label_newest
from pytest_deepimportance.recording.recorded import RecordedPass
from pytest_deepimportance.recording.recorder import Recorder
from pytest_deepimportance.settings import Settings

Take = Callable[[str, Block], None]
"""Called with the name of a suite and a block of it, which is forgotten afterwards."""


def run_suites(
    model: nn.Module,
    recorder: Recorder,
    suites: Mapping[str, Reference],
    settings: Settings,
    take: Take,
    progress: Progress | None = None,
) -> None:
    """Run every suite through the model and hand over what was recorded.

    A suite is one block, or several where its activations need more than half of the memory that
    the settings allow.

    Args:
        progress: Called with the rows done and the rows in all (None while unknown).

    Raises:
        RecordingError: The model's forward raised, a label is no class of the model, or nothing
            could be recorded of a suite.
    """
    before, total = 0, rows_in_all(suites.values())
    recorder.attach()
    try:
        for name, data in suites.items():
            intake = _Intake(recorder, name, settings.memory // 2, take)
            if progress is not None:
                intake.progress = partial(_shifted, progress, before, total)
            feed(eager(model), data, settings.batch_size, intake.add)
            intake.finish()
            before += data.rows or 0
    finally:
        recorder.detach()


def _shifted(progress: Progress, before: int, total: int | None, done: int) -> None:
    progress(before + done, total)


def rows_in_all(data: Iterable[Reference]) -> int | None:
    """Return the rows of several data sets together, None where one does not tell."""
    rows = [one.rows for one in data]
    return None if None in rows else sum(number or 0 for number in rows)


class _Intake:
    """The passes of one suite, handed over block by block."""

    def __init__(self, recorder: Recorder, name: str, limit: int, take: Take) -> None:
        self._recorder, self._name, self._limit, self._take = recorder, name, limit, take
        self._number, self._done, self._some = 0, 0, False
        self.progress: Callable[[int], None] | None = None
        self._open()

    def _open(self) -> None:
        # The keys of the blocks are in the order of the rows: some criteria take them in by it.
        key = f"{self._name}#{self._number:06d}" if self._number else self._name
        self._block, self._size = Block(key, "test"), 0
        self._recorder.block = self._block

    def add(self, call: ModelCall) -> None:
        """Label the newest pass, and hand over the block if it is full."""
        hand_labels(call, partial(label_newest, [self._block]))
        self._done += call.rows
        if self.progress is not None:
            self.progress(self._done)
        self._size += sum(_bytes(recorded) for recorded in self._block.passes[-1:])
        if self._size > self._limit:
            self._hand_over()
            self._number += 1
            self._open()

    def finish(self) -> None:
        """Hand over the last block.

        Raises:
            RecordingError: Nothing was recorded at all.
        """
        self._hand_over()
        if not self._some:
            cause = self._recorder.cause_of_nothing(self._block)
            raise RecordingError(
                f"nothing was recorded of {self._name}: "
                + (cause or "every row holds NaN or infinity"),
                "A coverage of zero would say something about the inputs, and they were not seen.",
                "Check that each element of the inputs is a whole batch, with one row per input.",
            )

    def _hand_over(self) -> None:
        self._some = self._some or bool(self._block.batches())
        if self._block.passes:  # also without a usable row: these are counted
            self._take(self._name, self._block)


def _bytes(recorded: RecordedPass) -> int:
    images = 0 if recorded.thumbnails is None else recorded.thumbnails.pixels.nbytes
    return images + recorded.batch.neuron_bytes
