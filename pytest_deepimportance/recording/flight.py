"""One pass in flight: what is taken from it until it is booked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.data.padding import named_arguments, padding_mask
from pytest_deepimportance.data.thumbnails import Thumbnails, thumbnails
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.captured import captured_call
from pytest_deepimportance.recording.frames import Taker
from pytest_deepimportance.recording.gradients import GradientWatch
from pytest_deepimportance.recording.leaves import Part, call_of, site_values
from pytest_deepimportance.recording.neurons import reduce_to_neurons
from pytest_deepimportance.recording.pages import Inputs, Pages, Spot, inputs_of
from pytest_deepimportance.recording.recorded import Content, Measured, RecordedPass, Written
from pytest_deepimportance.recording.scores import ScoredRows, Scores
from pytest_deepimportance.recording.slab import Slab
from pytest_deepimportance.recording.slices import NO_SLICES, Slices


@dataclass(frozen=True)
class Measure:
    """What is read in each pass, and how it is reduced.

    Attributes:
        output: Turns the model's output into class scores, or None.
        scores: Takes in the class scores.
        pages: What small passes are written on.
        images: Whether inputs that are images are kept, small.
    """

    sites: tuple[Site, ...]
    reduce: str
    tap: str
    output: Callable[[Any], Any] | None
    scores: Scores
    pages: Pages
    images: bool = False


class Owner(Protocol):
    """Who measures a flight (a watch): told when the flight is given up."""

    @property
    def module(self) -> nn.Module | None:
        """The module whose call it is."""

    def stop_collecting(self) -> None:
        """End the reading of sites in this thread."""


class Flight:
    """One outermost call in one thread.

    Attributes:
        block: The block that was current when the call began.
        slices: The slices that were current then.
        exclusion: Counter and cause when the pass is not to be recorded, else None.
        failure: Why the pass could not be measured, else None.
        collecting: Whether sites visited now belong to it.
        apart: Counters of passes measured by a second forward that this one belongs to.
        visited: By layer in their order its values, None while they are only written down.
        skipped: By layer the rows it gave, where they are not those of the pass.
        unscored: Why the output gave no class, else None.
    """

    depth = 1
    abandoned = False
    exclusion: tuple[str, str | None] | None = None
    failure: str | None = None
    collecting = False
    apart: Sequence[str] = ()
    unscored: str | None = None
    _rows = 0
    _lesson: Inputs | None = None
    _spot: Spot | None = None
    _scores: Part | None = None
    _mask: Tensor | None = None
    _digests: NDArray[np.uint64] | None = None
    _labels: NDArray[np.int64] | None = None
    _thumbnails: Thumbnails | None = None
    _scored: ScoredRows | None = None
    _classes = 0
    _output_taken = False

    def __init__(self, owner: Owner, block: Block | None, slices: Slices = NO_SLICES) -> None:
        self.owner = owner
        self.block = block
        self.slices = slices
        self.visited: dict[str, LayerValues | None] = {}
        self.skipped: dict[str, int] = {}
        self.gradient = GradientWatch()
        self._outer_error = sys.exc_info()[1]
        self._parts: dict[str, Part | None] = {}

    @property
    def sliced(self) -> bool:
        """Whether each of its rows has its own value of every slice that is given row by row."""
        return self.slices.fits(self._rows)

    @property
    def raised(self) -> bool:
        """Whether an exception is on its way out of the call."""
        return sys.exc_info()[1] is not self._outer_error

    # --- while it flies ---------------------------------------------------------------------

    def take_call(
        self, forward: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], measure: Measure
    ) -> None:
        """Take the rows, the padding mask and the labels; keep no tensor of the user's."""
        if not self._take_tensor(args, kwargs, measure):
            self._take_inputs(*named_arguments(forward, args, kwargs), measure)

    def _take_tensor(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], measure: Measure
    ) -> bool:
        """Write the rows of a call with one tensor down if there is a page for them."""
        # What `_take_inputs` would come to, without a look at what such a call cannot hold.
        if kwargs or len(args) != 1 or measure.images:
            return False
        self._spot = measure.pages.open_tensor(args[0])
        if self._spot is None:
            return False
        self._rows = self._spot.count
        self.gradient.watch_inputs(args)
        return True

    def _take_inputs(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], measure: Measure
    ) -> None:
        call = captured_call(args, kwargs)
        self._rows = call.rows
        inputs = inputs_of(call)
        if inputs is not None:
            self._spot = measure.pages.open(call, inputs)
            self._lesson = inputs if measure.pages.lacks(inputs) else None
        if self._spot is None or measure.images:
            with torch.inference_mode(False), torch.no_grad():
                if self._spot is None:
                    self._digests = row_digests(call)
                    self._mask = padding_mask(call)
                self._thumbnails = thumbnails(call) if measure.images else None
        if call.labels is not None:
            self._labels = call.labels.cpu().numpy().astype(np.int64)
        self.gradient.watch_inputs((args, kwargs))

    @property
    def as_it_is(self) -> Taker | None:
        """What takes the output of a site's module; None where it must be looked at first."""
        return None if self._spot is None or self.gradient.watching else self._write

    def _write(self, site: Site, output: Any) -> bool:
        """Write the output of a site's module down; False where the site must be read."""
        spot, name = self._spot, site.name
        if spot is None or name in self.visited or not self.collecting or self.failure is not None:
            return False
        try:
            if not spot.take(name, output):
                return False
        except Exception as error:
            self.fail(error)
        self.visited[name] = None
        return True

    def take_site(self, site: Site, tensor: Tensor, measure: Measure) -> None:
        """Copy what a site holds, reduced unless it is small."""
        if self.failure is not None or site.name in self.visited:
            return
        try:
            if self._spot is not None and self._spot.take(site.name, tensor):
                self.visited[site.name] = None
            else:
                self._reduce(site, tensor, measure)
        except Exception as error:
            self.fail(error)

    def _reduce(self, site: Site, tensor: Tensor, measure: Measure) -> None:
        # Copies made in inference mode would be inference tensors, unusable for later updates.
        with torch.inference_mode(False), torch.no_grad():
            values = reduce_to_neurons(
                tensor,
                site,
                measure.reduce,
                self._mask,
                non_negative=site.non_negative(measure.tap),
            )
        if len(values.values) == self._rows:
            self.visited[site.name] = values
            if self._lesson is not None:
                self._parts[site.name] = Part.of(tensor)
        else:
            self.skipped[site.name] = len(values.values)

    def take_output(self, output: Any, measure: Measure) -> None:
        """Take the class scores out of the model's output."""
        if self._output_taken:
            return
        self._output_taken = True
        try:
            if self._spot is not None and measure.output is None and self._spot.take_scores(output):
                self._classes = output.shape[1]
                return
            with torch.inference_mode(False), torch.no_grad():
                scores = class_scores(output, measure.output)
                if scores is not None and len(scores) == self._rows:
                    self._classes = scores.shape[1]
                    self._take_scores(scores.detach(), measure.scores)
        except Exception as error:
            self.unscored = describe_error(error)

    def _take_scores(self, scores: Tensor, taken: Scores) -> None:
        if self._spot is None or not self._spot.take_scores(scores):
            self._scored = taken.add(scores)
            if self._lesson is not None:
                self._scores = Part.of(scores)

    def fail(self, error: Exception) -> None:
        """Note why the pass cannot be measured; the user's own pass goes on."""
        self.failure = self.failure or describe_error(error)

    # --- when it has landed -----------------------------------------------------------------

    def recorded(self, measure: Measure, slab: Slab) -> RecordedPass:
        """Return the finished pass; what is not on a page is copied into `slab`."""
        if self._spot is not None and self._spot.complete:
            leaf, rows = self._spot.page.commit(self._spot)
            content: Content = Written(leaf, rows)
        else:
            with torch.inference_mode(False), torch.no_grad():
                content = self._measured(measure, slab)
        return RecordedPass(
            content,
            self._labels,
            self.gradient if self.gradient.watching else None,
            self._classes,
            self.slices.of_rows(self._rows),
            self._thumbnails,
        )

    def _measured(self, measure: Measure, slab: Slab) -> Measured:
        """Return what was measured already; what is only written down is measured now."""
        layers = {name: values for name, values in self.visited.items() if values is not None}
        digests, scored = self._digests, self._scored
        if self._spot is not None:
            page, columns, rows = self._spot.page, self._spot.columns, self._spot.rows
            layers |= site_values(columns, self._spot.sites, rows, page.reading)
            digests = row_digests(call_of(page.form, columns, rows))
            if self._spot.scored:
                scored = measure.scores.add(torch.from_numpy(columns["scores", ""][rows]))
        elif self._lesson is not None and not self.skipped:
            measure.pages.learn(self._lesson, self._parts, self._scores, self._rows)
        assert digests is not None
        kept = iter(slab.keep_rows([t for n in self.visited for t in layers[n].tensors()]))
        return Measured(
            {name: layers[name].map(lambda _: next(kept)) for name in self.visited},
            digests,
            scored,
        )

    def release(self) -> None:
        """Let other passes be written down: this one is booked, or will not be."""
        if self._spot is not None:
            self._spot.page.close()
            self._spot = None

    def give_up(self) -> None:
        """Forget a pass that no hook will see end; its call may still run in another thread."""
        self.abandoned = True
        if self._spot is not None:
            self._spot.page.discard()
            self._spot = None
        self.gradient.close()


def describe_error(error: Exception) -> str:
    """Return the kind and the first line of an error."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__
