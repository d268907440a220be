"""Everything that criteria need from the reference, gathered in one streaming pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.formatting import count, plural
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.bounds import Bounds
from pytest_deepimportance.statistics.class_moments import ClassMoments
from pytest_deepimportance.statistics.mahalanobis import MahalanobisDistances, calibrated_upper
from pytest_deepimportance.statistics.moments import Moments
from pytest_deepimportance.statistics.sample import SeededSample
from pytest_deepimportance.statistics.spacing import median_spacing
from pytest_deepimportance.statistics.traces import Traces

SAMPLE = 1000
"""Reference rows between which distances are measured."""

INVERSES = ("ridge", "pinv")


@dataclass(frozen=True)
class ReferenceStatistics:
    """What criteria need from the reference; what could not be gathered is None, and said.

    Attributes:
        layers: Neurons of each measured layer, in network order.
        bounds, moments: Of every neuron.
        distances: By layer, the median distance between nearest neighbours in a seeded sample.
        surprise_layer: Layer of traces and class moments.
        traces: Activations of the reference there, a seeded sample per class.
        class_moments: Mean and covariance there, per class.
        mdsc_calibration: By inverse, twice the 99.9 % point of the traces' own distances.
        notes: What was left out, and why.
    """

    layers: dict[str, int] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    moments: Moments = field(default_factory=Moments)
    distances: dict[str, float] = field(default_factory=dict)
    surprise_layer: str | None = None
    traces: Traces | None = None
    class_moments: ClassMoments | None = None
    mdsc_calibration: dict[str, float] | None = None
    notes: tuple[str, ...] = ()

    def provided(self) -> dict[str, Any]:
        """Return by name what criteria may need."""
        names = ["surprise_layer", "traces", "class_moments", "mdsc_calibration"]
        if self.layers:
            names += ["layers", "bounds", "moments", "distances"]
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def described(self) -> tuple[tuple[str, str], ...]:
        """Return what is held, as (name, text)."""
        neurons = sum(self.layers.values())
        rows = [
            ("ranges", f"{plural(neurons, 'neuron')} in {plural(len(self.layers), 'layer')}"),
            ("surprise layer", self.surprise_layer or ""),
        ]
        if self.traces is not None:
            text = f"{plural(len(self.traces), 'row')} of "
            text += plural(len(self.traces.class_rows), "class", "classes")
            dropped = sum(self.traces.dropped.values())
            if dropped:
                text += f", {count(dropped)} left out by idc_trace_rows"
            rows.append(("traces", text))
        if self.class_moments is not None:
            classes = len(self.class_moments.classes)
            rows.append(("covariances", plural(classes, "class", "classes")))
        return tuple((name, text) for name, text in rows if text and self.layers)

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain data and arrays that `from_parts` reads back."""
        plain = {
            "layers": self.layers,
            "distances": self.distances,
            "surprise_layer": self.surprise_layer,
            "mdsc_calibration": self.mdsc_calibration,
            "notes": list(self.notes),
        }
        arrays = {}
        for name in ("bounds", "moments", "traces", "class_moments"):
            part = getattr(self, name)
            if part is not None:
                arrays.update({f"{name}:{key}": a for key, a in part.to_arrays().items()})
        return plain, arrays

    @classmethod
    def from_parts(
        cls, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> ReferenceStatistics:
        """Rebuild from `to_parts` data."""

        def part(name: str) -> dict[str, NDArray[Any]]:
            prefix = f"{name}:"
            return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}

        traces, class_moments = part("traces"), part("class_moments")
        return cls(
            layers=dict(plain["layers"]),
            bounds=Bounds.from_arrays(part("bounds"), plain["layers"]),
            moments=Moments.from_arrays(part("moments"), plain["layers"]),
            distances=dict(plain["distances"]),
            surprise_layer=plain["surprise_layer"],
            traces=Traces.from_arrays(traces) if traces else None,
            class_moments=ClassMoments.from_arrays(class_moments) if class_moments else None,
            mdsc_calibration=plain["mdsc_calibration"],
            notes=tuple(plain["notes"]),
        )


class Gathering:
    """Takes in the reference batch by batch; parts merge.

    Args:
        layers: Names of the measured layers, in network order.
        surprise_layer: Layer whose activations are kept for LSC, DSC and MDSC, or None.
        settings: `surprise_labels`, `trace_rows`, `seed`, `memory`, `no_samples`.
    """

    def __init__(
        self, layers: Sequence[str], surprise_layer: str | None, settings: Settings
    ) -> None:
        self._layers, self._surprise_layer, self._settings = tuple(layers), surprise_layer, settings
        self._widths: dict[str, int] = {}
        self._bounds, self._moments = Bounds(), Moments()
        self._sample = SeededSample(SAMPLE, settings.seed)
        self._traces: Traces | None = Traces(settings.trace_rows, settings.seed)
        self._class_moments: ClassMoments | None = ClassMoments()
        self._classless = 0
        self._notes: dict[str, None] = {}

    def update(self, batch: ActivationBatch) -> None:
        """Take in finite rows."""
        if not len(batch):
            return
        for name in self._layers:
            if name in batch.layers:
                values = batch.array(name)
                self._widths[name] = values.shape[1]
                self._bounds.update(name, values)
                self._moments.update(name, values)
        if self._layers and all(name in batch.layers for name in self._layers):
            self._sample.update(
                batch.digests, np.concatenate([batch.array(n) for n in self._layers], axis=1)
            )
        if self._surprise_layer in batch.layers:
            self._keep_traces(batch, str(self._surprise_layer))

    def _keep_traces(self, batch: ActivationBatch, layer: str) -> None:
        classes = {
            "predicted": batch.predictions,
            "true": batch.labels,
            "none": np.zeros(len(batch), dtype=np.int64),
        }[self._settings.surprise_labels]
        known = classes != UNKNOWN
        self._classless += int((~known).sum())
        values, classes = batch.array(layer)[known], classes[known]
        if self._traces is not None:
            self._traces.update(values, classes, batch.digests[known])
            rows = sum(min(self._traces.limit, n) for n in self._traces.class_rows.values())
            kept = rows * self._traces.width * values.itemsize
            if kept > self._settings.memory // 4:
                self._traces = None
                self._say("LSC, DSC", "the reference activations", kept, layer)
        if self._class_moments is not None:
            found = {*self._class_moments.classes, *np.unique(classes).tolist()}
            needed = len(found) * 8 * values.shape[1] ** 2
            if needed > self._settings.memory // 4:
                self._class_moments = None
                self._say("MDSC", f"the covariances of {len(found)} classes", needed, layer)
            else:
                self._class_moments.update(values, classes)

    def _say(self, who: str, what: str, needed: int, layer: str) -> None:
        self._notes[
            f"{who} left out: {what} in layer {layer} need {count(needed >> 20)} MB, more than a "
            f"quarter of idc_memory ({count(self._settings.memory >> 20)} MB); "
            "lower idc_trace_rows, choose idc_surprise_layer, or raise idc_memory"
        ] = None

    def _said_of_classless(self) -> str:
        asked = f"idc_surprise_labels = {self._settings.surprise_labels}"
        if self._class_moments is None or self._class_moments.classes:
            rows = plural(self._classless, "reference input")
            return f"{rows} without a class ({asked}) not kept for LSC, DSC, MDSC"
        other = "predicted, or " if self._settings.surprise_labels == "true" else ""
        return (
            f"LSC, DSC, MDSC left out: no reference input has a class ({asked}); set "
            f"idc_surprise_labels = {other}none (LSC and MDSC only)"
        )

    def finish(self) -> ReferenceStatistics:
        """Return everything gathered."""
        traces, moments = self._traces, self._class_moments
        if self._surprise_layer is not None and self._classless:
            self._notes[self._said_of_classless()] = None
        if traces is not None and not len(traces):
            traces = None
        if moments is not None and not moments.classes:
            moments = None
        calibration = None
        if traces is not None and moments is not None:
            calibration = {
                inverse: calibrated_upper(
                    MahalanobisDistances(moments, inverse).distances(traces.values, traces.classes)
                )
                for inverse in INVERSES
            }
        if self._settings.no_samples and traces is not None:
            traces = None
            self._notes["LSC, DSC left out: idc_no_samples keeps no reference activations"] = None
        return ReferenceStatistics(
            layers={name: self._widths[name] for name in self._layers if name in self._widths},
            bounds=self._bounds,
            moments=self._moments,
            distances=self._distances(),
            surprise_layer=self._surprise_layer,
            traces=traces,
            class_moments=moments,
            mdsc_calibration=calibration,
            notes=tuple(self._notes),
        )

    def _distances(self) -> dict[str, float]:
        if not len(self._sample):
            return dict.fromkeys(self._widths, 0.0)
        ends = np.cumsum([self._widths[name] for name in self._layers])
        parts = np.split(self._sample.rows, ends[:-1], axis=1)
        return {name: median_spacing(part) for name, part in zip(self._layers, parts, strict=True)}
