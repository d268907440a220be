"""Passes in flight: one per thread, from the outermost call of a watched module to its return."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytest_deepimportance.data.batches import ModelCall, as_labels, as_tensor
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.data.outputs import class_scores
from pytest_deepimportance.data.padding import padding_mask
from pytest_deepimportance.data.thumbnails import Thumbnails, thumbnails
from pytest_deepimportance.errors import BatchError
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.gradients import GradientWatch, tensors_in
from pytest_deepimportance.recording.neurons import reduce_to_neurons
from pytest_deepimportance.recording.recorded import RecordedPass
from pytest_deepimportance.recording.scores import ScoredRows, Scores
from pytest_deepimportance.recording.slab import Slab
from pytest_deepimportance.recording.slices import NO_SLICES, Slices

_LABEL_NAMES = ("labels", "label")


@dataclass(frozen=True)
class Measure:
    """What is read in each pass, and how it is reduced.

    Attributes:
        output: Turns the model's output into class scores, or None.
        scores: Takes in the class scores.
        images: Whether inputs that are images are kept, small.
    """

    sites: tuple[Site, ...]
    reduce: str
    tap: str
    output: Callable[[Any], Any] | None
    scores: Scores
    images: bool = False


class Owner(Protocol):
    """Who measures a flight (a watch): told when the flight is given up."""

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
    """

    def __init__(self, owner: Owner, block: Block | None, slices: Slices = NO_SLICES) -> None:
        self.owner = owner
        self.block = block
        self.slices = slices
        self.depth = 1
        self.abandoned = False
        self.exclusion: tuple[str, str | None] | None = None
        self.failure: str | None = None
        self.collecting = False
        self.apart: list[str] = []
        self.layers: dict[str, LayerValues] = {}
        self.skipped: dict[str, int] = {}
        self.unscored: str | None = None
        self.gradient = GradientWatch()
        self._outer_error = sys.exc_info()[1]
        self._rows = 0
        self._mask: Tensor | None = None
        self._digests: NDArray[np.uint64] | None = None
        self._labels: NDArray[np.int64] | None = None
        self._thumbnails: Thumbnails | None = None
        self._scored: ScoredRows | None = None
        self._classes = 0
        self._output_taken = False

    @property
    def sliced(self) -> bool:
        """Whether each of its rows has its own value of every slice that is given row by row."""
        return self.slices.fits(self._rows)

    @property
    def raised(self) -> bool:
        """Whether an exception is on its way out of the call."""
        return sys.exc_info()[1] is not self._outer_error

    def take_inputs(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], measure: Measure
    ) -> None:
        """Hash the rows, find the padding mask and the labels; keep no tensor of the user's."""
        call = captured_call(args, kwargs)
        with torch.inference_mode(False), torch.no_grad():
            self._rows = call.rows
            self._digests = row_digests(call)
            self._mask = padding_mask(call)
            self._thumbnails = thumbnails(call) if measure.images else None
        if call.labels is not None:
            self._labels = call.labels.cpu().numpy().astype(np.int64)
        self.gradient.watch_inputs((args, kwargs))

    def take_site(self, site: Site, tensor: Tensor, measure: Measure) -> None:
        """Reduce and copy what a site holds."""
        if self.failure is not None or site.name in self.layers:
            return
        try:
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
                self.layers[site.name] = values
            else:
                self.skipped[site.name] = len(values.values)
        except Exception as error:
            self.fail(error)

    def take_output(self, output: Any, measure: Measure) -> None:
        """Take the class scores out of the model's output."""
        if self._output_taken:
            return
        self._output_taken = True
        try:
            with torch.inference_mode(False), torch.no_grad():
                self._take_scores(class_scores(output, measure.output), measure.scores)
        except Exception as error:
            self.unscored = describe_error(error)

    def _take_scores(self, scores: Tensor | None, taken: Scores) -> None:
        if scores is not None and len(scores) == self._rows:
            self._classes = scores.shape[1]
            self._scored = taken.add(scores.detach())

    def fail(self, error: Exception) -> None:
        """Note why the pass cannot be measured; the user's own pass goes on."""
        self.failure = self.failure or describe_error(error)

    def recorded(self, slab: Slab) -> RecordedPass:
        """Return the finished pass, what it holds copied into `slab`."""
        assert self._digests is not None
        gradient = self.gradient if self.gradient.watching else None
        with torch.inference_mode(False), torch.no_grad():
            layers = self._kept_layers(slab)
        return RecordedPass(
            layers,
            slab.keep_array(self._digests),
            self._scored,
            self._labels,
            gradient,
            self._classes,
            self.slices.of_rows(self._rows),
            self._thumbnails,
        )

    def _kept_layers(self, slab: Slab) -> dict[str, LayerValues]:
        kept = iter(slab.keep_rows([t for layer in self.layers.values() for t in layer.tensors()]))
        return {name: layer.map(lambda _: next(kept)) for name, layer in self.layers.items()}


class Flights:
    """The flights of all threads; each thread sees its own."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._active: set[Flight] = set()
        self._lock = threading.Lock()

    @property
    def here(self) -> Flight | None:
        """The flight of this thread."""
        flight: Flight | None = getattr(self._local, "flight", None)
        if flight is not None and flight.abandoned:
            self._drop(flight)
            return None
        return flight

    def open(self, flight: Flight) -> None:
        """Begin a flight in this thread."""
        self._local.flight = flight
        self._local.last_site = None
        with self._lock:
            self._active.add(flight)

    def close(self, flight: Flight) -> None:
        """End this thread's flight."""
        self._local.flight = None
        with self._lock:
            self._active.discard(flight)

    def abandon_here(self) -> None:
        """Give up this thread's flight: an exit or timeout unwound it past every hook."""
        flight = self.here
        if flight is not None:
            self._drop(flight)

    def abandon_all(self) -> list[Flight]:
        """Give up the flights of all threads and return them: no hook will see them end."""
        with self._lock:
            lost = list(self._active)
            self._active.clear()
        for flight in lost:
            flight.abandoned = True
        self.abandon_here()
        return lost

    def starts_partial_call(self, order: int) -> bool:
        """Whether a site visited without a call of the model begins another partial call.

        Args:
            order: Position of the site in execution order.
        """
        last = getattr(self._local, "last_site", None)
        self._local.last_site = order
        return last is None or order <= last

    def _drop(self, flight: Flight) -> None:
        if flight.collecting:
            flight.owner.stop_collecting()
        flight.gradient.close()
        self.close(flight)


def captured_call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ModelCall:
    """Return what the model was called with, its labels taken out, as `as_call` does for batches.

    Raises:
        BatchError: There is no tensor whose first dimension could be the rows.
    """
    plain = tuple(_as_tensor(value) for value in args)
    named = {key: _as_tensor(v) for key, v in kwargs.items() if key not in _LABEL_NAMES}
    rows = _rows_of([*plain, *named.values()])
    if rows is None:
        # Tensors hidden in tuples or nested mappings: read as arguments of their own.
        plain, named = tuple(t for t in tensors_in((plain, named)) if t.dim()), {}
        rows = _rows_of(plain)
    if rows is None:
        raise BatchError("a call without any tensor that has a row dimension")
    labels = next((kwargs[key] for key in _LABEL_NAMES if kwargs.get(key) is not None), None)
    try:
        known = None if labels is None else as_labels(labels, rows)
    except BatchError:
        known = None
    return ModelCall(plain, named, known, rows)


def describe_error(error: Exception) -> str:
    """Return the kind and the first line of an error."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__


def _as_tensor(value: Any) -> Any:
    return as_tensor(value) if isinstance(value, np.ndarray) else value


def _rows_of(values: Sequence[Any]) -> int | None:
    for value in values:
        if isinstance(value, Tensor) and value.dim():
            return len(value)
        if isinstance(value, list) and value and all(isinstance(v, Tensor) for v in value):
            return len(value)
    return None
