"""The recorder: watches one model for one profile, and books its forward passes to blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from pytest_deepimportance.data.confidence import scale_of
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.formatting import an
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.recording.adoption import Adoption
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.books import Books
from pytest_deepimportance.recording.callcounter import CallCounter
from pytest_deepimportance.recording.causes import IN_COMPILED, cause_of_nothing
from pytest_deepimportance.recording.counters import Counters
from pytest_deepimportance.recording.flight import Flight
from pytest_deepimportance.recording.flights import Flights
from pytest_deepimportance.recording.leaves import Reading
from pytest_deepimportance.recording.measure import Measure
from pytest_deepimportance.recording.pages import Pages
from pytest_deepimportance.recording.scores import Scores
from pytest_deepimportance.recording.slices import NO_SLICES, Slices
from pytest_deepimportance.recording.strips import Strips
from pytest_deepimportance.recording.watching import Watch
from pytest_deepimportance.recording.weights import WeightSample, WeightsCheck, refuse_other

_BACKWARD_TASK: Callable[[], int] = getattr(torch._C, "_current_graph_task_id", lambda: -1)
"""Number of the backward that runs in this thread, -1 outside of one."""
_TRACING: Callable[[], bool] = vars(torch._C)["_is_tracing"]


class Recorder:
    """Records the forward passes of a model, and of any module with the same class and weights.

    A pass is one outermost call of the model, in any thread. It belongs to the block that is
    current when it begins and is booked when it returns; a pass that raises is only counted. The
    user's outputs, gradients, modes and random state stay as they are, and an error while measuring
    never reaches the user's code: the pass is counted as dropped, with the error.

    Args:
        model: The profiled model.
        sites: Its sites.
        layers: Names of the layers to record.
        reduce: How positions become one value per neuron (setting `reduce`).
        tap: Which side of the activation is read (setting `tap`).
        output: Turns the model's output into class scores (setting `output`), or None.
        model_fingerprint: Fingerprint of the profiled weights.
        verified: Whether the model was found to have it just now, so that the first pass need not.
        images: Whether inputs that are images are kept, small, beside what they did.

    Attributes:
        totals: Everything left out since the start, whatever the block.
        slices: The slices that passes beginning now belong to.
        resting: Whether the hooks are on, but record nothing (`rest`).
        counted: Completed calls seen while only counting (`attach_counter`).

    Raises:
        LayerError: A layer does not exist or cannot be measured.
    """

    def __init__(
        self,
        model: nn.Module,
        sites: SiteMap,
        layers: Sequence[str],
        *,
        reduce: str = "mean",
        tap: str = "post",
        output: Callable[[Any], Any] | None = None,
        model_fingerprint: str,
        verified: bool = False,
        images: bool = False,
    ) -> None:
        self.model = model
        self.expected = model_fingerprint
        read = tuple(sites.find(name) for name in layers)
        scale = scale_of(sites.output_activation, output is not None)
        reading = Reading({site.name: site for site in read}, reduce, tap, scale)
        scores, pages, strips = Scores(scale), Pages(reading), Strips(reduce, tap)
        self.measure = Measure(read, reduce, tap, output, scores, pages, strips, images)
        self.flights = Flights()
        self.totals = Counters()
        self._books = Books(self.totals, self.measure)
        self._block: Block | None = None
        self._paused = 0
        self.resting = False
        self.slices = NO_SLICES
        self._lock = threading.RLock()
        self._sample = WeightSample(model) if verified else None
        self._primary = Watch(self, model, WeightsCheck(model_fingerprint))
        if verified:
            self._primary.weights.trust(model)
        self._adoption = Adoption(self)
        self._counter: Any = None

    # --- on and off -------------------------------------------------------------------------

    @property
    def attached(self) -> bool:
        """Whether passes are recorded now."""
        return self._adoption.attached and not self.resting

    @property
    def counting_only(self) -> bool:
        """Whether calls of the model are only counted now."""
        return self._counter is not None

    @property
    def counted(self) -> int:
        """Calls of the model seen while only counting."""
        return self.totals.unmarked_passes

    def attach(self) -> None:
        """Put the hooks on, or wake them: a marked test, or a fixture it may use, begins."""
        if self.resting:
            self.resting = False
            self._primary.wake()
            self._adoption.wake()
        elif not self.attached:
            self.detach()
            self._primary.attach(reading=True)
            self._adoption.attach()

    def attach_counter(self) -> None:
        """Put on one hook that counts the model's calls: an unmarked test begins."""
        self.detach()
        self._counter = self.model.register_forward_hook(CallCounter(self.totals))

    def detach(self) -> None:
        """Take every hook off; passes still running in other threads are dropped and counted."""
        self.rest()
        if self._counter is not None:
            self._counter.remove()
            self._counter = None
        if self._adoption.attached:
            self._primary.detach()
            self._adoption.detach()
        self.resting = False

    def rest(self) -> None:
        """Record no more, as after `detach`; the hooks stay until then, or until `attach`.

        Between two tests: to take them off and put them on costs as much as to record a pass.
        """
        if self.resting:
            return
        self._note_compiled()
        if not self._adoption.attached:
            return
        self.resting = True
        for flight in self.flights.abandon_all():
            self._books.count(
                flight.block,
                "dropped_passes",
                "passes were cut off, or still ran when the test ended",
            )
        self._books.close_gradients()

    # --- where passes go --------------------------------------------------------------------

    @property
    def block(self) -> Block | None:
        """The block that passes beginning now belong to, in any thread; None: they are dropped."""
        return self._block

    @block.setter
    def block(self, block: Block | None) -> None:
        if block is self._block:
            return
        with self._lock:
            if not self.resting:
                self._note_compiled()
            self.flights.abandon_here()
            self._block = block
            if self.attached:
                self._primary.guard_compiled()

    @contextmanager
    def paused(self) -> Generator[None, None, None]:
        """Count passes that begin inside, in any thread, instead of recording them."""
        with self._lock:
            self._paused += 1
        try:
            yield
        finally:
            with self._lock:
                self._paused -= 1

    @contextmanager
    def sliced(self, slices: Slices) -> Generator[None, None, None]:
        """Let passes that begin inside, in any thread, belong to these slices too."""
        outer, self.slices = self.slices, self.slices.within(slices)
        try:
            yield
        finally:
            self.slices = outer

    def watch(self, module: nn.Module) -> None:
        """Record another module with the profile's weights, of whatever class.

        Raises:
            RecordingError: It has other weights, or is no module.
        """
        module = getattr(module, "_orig_mod", module)
        if not isinstance(module, nn.Module):
            raise RecordingError(
                f"{an(type(module).__name__)} cannot be watched",
                "Forward passes are recorded by hooks on a torch.nn.Module.",
                "Pass the module itself.",
            )
        refuse_other(module, self.expected, self._sample)
        if module is not self.model:
            self._adoption.adopt(module)

    def cause_of_nothing(self, *blocks: Block, unmarked: int | None = None) -> str:
        """Return one sentence on why these blocks of a marked test hold no counted row.

        Args:
            unmarked: Passes of unmarked tests; None: those that this recorder has seen.
        """
        if self._block in blocks:
            self._note_compiled()
        seen = self.totals.unmarked_passes if unmarked is None else unmarked
        return cause_of_nothing(blocks, type(self.model).__name__, seen)

    def note(self, cause: str) -> None:
        """Note something of the passes of the current block that left none of them out."""
        if self._block is not None:
            self._books.note(self._block, cause)

    # --- what watches ask -------------------------------------------------------------------

    def exclusion(self, watch: Watch) -> tuple[str, str | None] | None:
        """Return counter and cause when a pass that begins now is not recorded, else None."""
        if _TRACING():
            return "dropped_passes", "passes were traced by torch.jit.trace"
        if self._block is None:
            return "dropped_passes", "passes were made outside of any test or fixture"
        if self._paused:
            return "paused_passes", None
        module = watch.module
        if module is None or not self._matches(watch, module):
            which = "the watched" if module is self.model else "another"
            return "other_weights_passes", watch.weights.cause(f"{which} {type(module).__name__}")
        return None

    def _matches(self, watch: Watch, module: nn.Module) -> bool:
        with self._lock:
            matches = watch.weights.matches(module, self._sample)
            if matches and self._sample is None:
                self._sample = WeightSample(module)
            return matches

    def finish(self, flight: Flight) -> None:
        """Book a flight whose call has returned, or raised."""
        try:
            self._books.book(flight)
        finally:
            flight.release()

    def partial(self, order: int) -> None:
        """Note a site visited without a call of the model (`model.features(x)`)."""
        # Checkpointed layers are visited again during the backward: no call of the user's.
        if _BACKWARD_TASK() == -1 and self.flights.starts_partial_call(order):
            self._books.count(self._block, "partial_model_calls", None)

    def compiled_around(self) -> None:
        """Note a call of a compiled module that holds the watched model."""
        if self.resting:
            return
        self._primary.take_compiled_mark()
        self._books.count(self._block, "dropped_passes", IN_COMPILED)

    def forget_compiled(self) -> None:
        """Forget that a module of the model's class ran inside a compiled graph."""
        self._adoption.compiled = False

    def _note_compiled(self) -> None:
        # Taken first: whose watch it is says so itself, and taking its mark forgets this one.
        stranger = self._adoption.compiled
        seen = False
        for watch in (self._primary, *self._adoption.watches()):
            if watch.take_compiled_mark():
                self._books.count(self._block, "dropped_passes", IN_COMPILED)
                seen = True
        if stranger and not seen:
            self._books.count(self._block, "dropped_passes", IN_COMPILED)
