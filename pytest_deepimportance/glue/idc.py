"""The `idc` fixture: run the model, label what was recorded, look at this test's own coverage."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from pytest_deepimportance.glue.collection import RECORDING
from pytest_deepimportance.glue.keys import node_id
from pytest_deepimportance.glue.watch import WATCH, Watch

if TYPE_CHECKING:
    from torch import nn

    from pytest_deepimportance.results import SuiteResult


class Idc:
    """Handle of one test's recording. With recording switched off it still runs the model."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self._recording = request.config.stash.get(RECORDING, None)

    @property
    def model(self) -> Any:
        """The watched model (the fixture idc_model)."""
        return self._request.getfixturevalue("idc_model")

    @property
    def _watch(self) -> Watch | None:
        found: Watch | None = self._request.node.stash.get(WATCH, None)
        return found

    def __call__(self, batch: Any, labels: Any = None, slices: Any = None) -> Any:
        """Run the model on a batch and return its output.

        Args:
            batch: Anything the reference may hold: a tensor, (x, y), a mapping of arguments.
            labels: True classes, (N,); when not given, those that come with the batch.
            slices: By name one value for each row: `{"weather": ["fog", "sun", ...]}`.

        Raises:
            BatchError: The batch has a form that is not understood.
            RecordingError: A slice has another number of values; the model is not run then.
        """
        from pytest_deepimportance.data.batches import as_call
        from pytest_deepimportance.data.streaming import no_classes

        adapted = self._request.config.hook.pytest_idc_batch(batch=batch)
        call = as_call(batch if adapted is None else adapted)
        with self._sliced_rows(slices, call.rows):
            output = self.model(*call.args, **call.kwargs)
        given = labels if labels is not None else call.labels
        if given is not None:
            self.labels(given)
        elif call.unused and self._watch is not None:
            self._watch.recorder.note(f"passes came with unused labels: {no_classes(call)}")
        return output

    def labels(self, labels: Any) -> None:
        """Label the newest unlabelled passes this test made or claims from its fixtures.

        Args:
            labels: True classes, (N,): filled in backwards, over as many passes as N covers.

        Raises:
            RecordingError: N does not end on a pass boundary; nothing is changed then.
        """
        if self._recording is None or self._watch is None:
            return
        import numpy as np

        from pytest_deepimportance.recording.labelling import label_newest

        node = self._request.node
        keys = [*self._recording.ledger.claimed_by(node), node_id(node)]
        blocks = [self._watch.blocks[key] for key in keys if key in self._watch.blocks]
        values = labels.detach().cpu().numpy() if hasattr(labels, "detach") else np.asarray(labels)
        label_newest(blocks, values)

    def slice(self, **values: Any) -> AbstractContextManager[None]:
        """Return a context whose passes belong to slices: `with idc.slice(weather="fog"):`.

        Slices inside slices add up; the inner one decides where both name the same.

        Raises:
            RecordingError: Nothing is named, or a value is neither text nor a number.
        """
        from pytest_deepimportance.recording.slices import Slices

        slices = Slices.of_all(values)
        return nullcontext() if self._watch is None else self._watch.recorder.sliced(slices)

    def _sliced_rows(self, columns: Any, rows: int) -> AbstractContextManager[None]:
        if columns is None:
            return nullcontext()
        from pytest_deepimportance.recording.slices import Slices

        slices = Slices.of_each(columns, rows)
        return nullcontext() if self._watch is None else self._watch.recorder.sliced(slices)

    def paused(self) -> AbstractContextManager[None]:
        """Return a context in which forward passes are counted as paused, not recorded."""
        return nullcontext() if self._watch is None else self._watch.recorder.paused()

    def watch(self, module: nn.Module) -> nn.Module:
        """Record another module of the same class and weights from now on, and return it.

        Raises:
            RecordingError: It has other weights.
        """
        if self._watch is not None:
            self._watch.recorder.watch(module)
        return module

    def coverage(self) -> SuiteResult:
        """Return the coverage of this test so far; the same under any distribution.

        Raises:
            RecordingError: Recording is switched off.
        """
        from pytest_deepimportance.engine.suites import evaluate
        from pytest_deepimportance.errors import RecordingError

        if self._recording is None or self._watch is None:
            raise RecordingError(
                "idc.coverage() needs a recording session",
                fix="Run without --no-idc, with --idc-model or a fixture idc_model.",
            )
        states = self._recording.states_of_test(self._watch, self._request.node)
        return evaluate(
            self._request.node.name,
            states,
            self._watch.profile,
            self._watch.settings,
            outcomes=["passed"],
        )
