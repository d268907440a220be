"""One pass in flight: what is taken from it until it is booked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.data.sheets import SheetLayers
from pytest_deepimportance.formatting import describe_error
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.frames import Taker
from pytest_deepimportance.recording.given import NOTHING, given_by
from pytest_deepimportance.recording.gradients import GradientWatch
from pytest_deepimportance.recording.leaves import Part, call_of, site_values
from pytest_deepimportance.recording.measure import Measure
from pytest_deepimportance.recording.neurons import reduce_to_neurons
from pytest_deepimportance.recording.recorded import Content, Measured, RecordedPass, Written
from pytest_deepimportance.recording.scores import ScoredRows
from pytest_deepimportance.recording.slices import NO_SLICES, Slices


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
        visited: By layer in their order its values, None while they are on a page or a strip.
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
    _given = NOTHING
    _scores: Part | None = None
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
        return self.slices.fits(self._given.rows)

    @property
    def raised(self) -> bool:
        """Whether an exception is on its way out of the call."""
        return sys.exc_info()[1] is not self._outer_error

    # --- while it flies ---------------------------------------------------------------------

    def take_call(
        self, forward: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], measure: Measure
    ) -> None:
        """Take the rows, the padding mask and the labels; keep no tensor of the user's."""
        self._given = given_by(forward, args, kwargs, measure)
        self.gradient.watch_inputs((args, kwargs))

    def taker(self) -> Taker | None:
        """Return what takes the output of a site's module; None where it must be read with care."""
        put = self._put
        return None if put is None or self.gradient.watching else partial(self._written, put)

    def take_site(self, site: Site, tensor: Tensor, measure: Measure) -> None:
        """Copy what a site holds, reduced unless it is small."""
        if self._written(self._put or _nowhere, site, tensor):
            return
        try:
            self._reduce(site, tensor, measure)
        except Exception as error:
            self.fail(error)

    @property
    def _put(self) -> Taker | None:
        """What puts a site on the page or the strip of the pass; None where it has neither."""
        place = self._given.spot or self._given.strip
        return None if place is None else place.take

    def _written(self, put: Taker, site: Site, tensor: Any) -> bool:
        """Let `put` have what a site holds; False where it must be reduced first."""
        if self.failure is not None or site.name in self.visited:
            return True  # nothing is left to take
        try:
            if not put(site, tensor):
                return False
            self.visited[site.name] = None
        except Exception as error:
            self.fail(error)
        return True

    def _reduce(self, site: Site, tensor: Tensor, measure: Measure) -> None:
        # Copies made in inference mode would be inference tensors, unusable for later updates.
        with torch.inference_mode(False), torch.no_grad():
            values = reduce_to_neurons(
                tensor,
                site,
                measure.reduce,
                self._given.mask,
                non_negative=site.non_negative(measure.tap),
            )
        if len(values.values) == self._given.rows:
            self.visited[site.name] = values
            if self._given.lesson is not None:
                self._parts[site.name] = Part.of(tensor)
        else:
            self.skipped[site.name] = len(values.values)

    def take_output(self, output: Any, measure: Measure) -> None:
        """Take the class scores out of the model's output."""
        if self._output_taken:
            return
        self._output_taken = True
        try:
            if measure.output is None and type(output) is Tensor and output.dim() == 2:
                # No operation is needed that autograd or inference mode would have a part in.
                self._take_scores(class_scores(output), measure)
                return
            with torch.inference_mode(False), torch.no_grad():
                self._take_scores(class_scores(output, measure.output), measure)
        except Exception as error:
            self.unscored = describe_error(error)

    def _take_scores(self, scores: Tensor | None, measure: Measure) -> None:
        if scores is None or scores.shape[0] != self._given.rows:
            return
        self._classes = scores.shape[1]
        spot = self._given.spot
        if spot is None or not spot.take_scores(scores):
            self._scored = measure.scores.add(scores.detach())
            if self._given.lesson is not None:
                self._scores = Part.of(scores)

    def fail(self, error: Exception) -> None:
        """Note why the pass cannot be measured; the user's own pass goes on."""
        self.failure = self.failure or describe_error(error)

    # --- when it has landed -----------------------------------------------------------------

    def recorded(self, measure: Measure) -> RecordedPass:
        """Return the finished pass; what is not on a page is copied, but for a strip."""
        given = self._given
        spot, strip, digests = given.spot, given.strip, given.digests
        if spot is not None and spot.complete and self._scored is None:
            content: Content = Written(*spot.page.commit(spot))
        elif strip is not None and digests is not None and strip.complete(len(self.visited)):
            content = Measured(SheetLayers(strip.sheet()), digests, self._scored)
        else:
            with torch.inference_mode(False), torch.no_grad():
                content = self._measured(measure)
        return RecordedPass(
            content,
            given.labels,
            self.gradient if self.gradient.watching else None,
            self._classes,
            self.slices.of_rows(given.rows),
            given.thumbnails,
        )

    def _measured(self, measure: Measure) -> Measured:
        """Return what was measured already; what is only written down is measured now."""
        digests, scored = self._given.digests, self._scored
        spot, strip, lesson = self._given.spot, self._given.strip, self._given.lesson
        layers = {name: values for name, values in self.visited.items() if values is not None}
        if spot is not None:
            page, columns, rows = spot.page, spot.columns, spot.rows
            layers |= site_values(columns, spot.sites, rows, page.reading)
            digests = row_digests(call_of(page.form, columns, rows))
            if spot.scored and columns.scores is not None:
                scored = measure.scores.add(torch.from_numpy(columns.scores.lines[rows]))
        elif strip is not None:
            layers |= strip.sheet().layers()
        elif lesson is not None and not self.skipped and (self._scores or scored is None):
            measure.pages.learn(lesson, self._parts, self._scores, self._given.rows)
        assert digests is not None
        layers = {name: layers[name] for name in self.visited}
        return Measured(measure.strips.keep(layers, self._given.rows), digests, scored)

    def release(self) -> None:
        """Let other passes be written down: this one is booked, or will not be."""
        if self._given.spot is not None:
            self._given.spot.page.close()
            self._given.spot = None

    def give_up(self) -> None:
        """Forget a pass that no hook will see end; its call may still run in another thread."""
        self.abandoned = True
        if self._given.spot is not None:
            self._given.spot.page.discard()
            self._given.spot = None
        self.gradient.close()


def _nowhere(site: Site, tensor: Any) -> bool:
    return False
