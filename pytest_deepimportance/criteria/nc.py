"""Neuron coverage: neurons that some input activates beyond a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.bits import BitCriterion, Pairs
from pytest_deepimportance.criteria.neuron_blocks import largest_values
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.errors import SettingsError

Rows = NDArray[np.floating]


@register
class NeuronCoverage(BitCriterion):
    """NC = neurons with a scaled value above the threshold for some input / neurons.

    Pei, Cao, Yang, Jana: DeepXplore, SOSP 2017, section 4.1. A layer's values are scaled to [0, 1]
    for each input by itself; a layer in which all values of an input are equal activates nothing.

    Args:
        layers: Neurons of each layer.
        nc_threshold: A scaled value must be above it.
        nc_scale: Scale by the extremes of the unreduced values ("map"), of the neurons' values
            ("channel_mean_first"), or not at all ("none").
        bounds_tolerance: Values within half of it of the threshold are in doubt, nothing else.

    Raises:
        SettingsError: No scaled value can be above the threshold.
    """

    name = "NC"
    needs = ("layers",)
    names_untouched = True
    options = ("nc_threshold", "nc_scale", "bounds_tolerance")

    def __init__(
        self,
        layers: Mapping[str, int],
        nc_threshold: float = 0.75,
        nc_scale: str = "map",
        bounds_tolerance: float = 1e-5,
    ) -> None:
        super().__init__(layers)
        if nc_scale != "none" and nc_threshold >= 1:
            raise SettingsError(
                f"nc_threshold is {nc_threshold:g}, which no scaled value is above",
                f"With nc_scale = {nc_scale} the values of a layer lie between 0 and 1.",
                "Give a number below 1 (0.75 is the default), or --idc-nc-scale none.",
            )
        self._threshold, self._scale, self._tolerance = nc_threshold, nc_scale, bounds_tolerance

    def _update_part(self, batch: ActivationBatch, present: Sequence[str]) -> None:
        extremes = [self._extremes(name, batch) for name in present]
        low, high = np.array(extremes, dtype=np.float64).reshape(len(present), 2, -1).swapaxes(0, 1)
        # Scaled values above t are those above low + t (high - low): one comparison a value.
        needed = np.where(high > low, low + self._threshold * (high - low), np.inf)
        size = np.maximum(np.maximum(np.abs(low), np.abs(high)), high - low).max(axis=1)
        highest = largest_values(batch, self.blocks(present), len(self.seen))
        highest[self.bitmap("sure")[:, 0] != 0] = -np.inf  # nothing is left to find
        seen, sure, possible = np.zeros((3, len(self.seen), 1), dtype=bool)
        for name, ends, limits, magnitude in zip(
            present, extremes, needed, size.tolist(), strict=True
        ):
            values = batch.view(name)
            slack = 8 * float(np.finfo(values.dtype).eps) * (1 + self._threshold) * magnitude
            room = self._tolerance / 2 * magnitude
            # No other neurons can change.
            columns = np.flatnonzero(highest[self.spans[name]] >= limits.min() - max(slack, room))
            if not len(columns):
                continue
            values = values if len(columns) == values.shape[1] else values[:, columns]
            excess = (values - limits.astype(values.dtype)[:, None]).max(axis=0)
            active = excess > 0
            # Where rounding could decide, the definition itself does.
            unsure = np.flatnonzero(np.abs(excess) <= slack)
            if len(unsure):
                active[unsure] = self._exactly(values[:, unsure], *ends).any(axis=0)
            places = self.spans[name].start + columns
            seen[places, 0] = active
            sure[places, 0] = active & (excess > room) if room else active
            possible[places, 0] = active | (excess > -room) if room else active
        self.mark(slice(None), seen, sure, possible)

    def _exactly(self, values: NDArray[np.floating], low: Rows, high: Rows) -> NDArray[np.bool_]:
        """Return which values (N, U) are active, as the definition says it, (N, U)."""
        low, high = low.astype(np.float64)[:, None], high.astype(np.float64)[:, None]
        scaled_rows = high > low
        return (values - low) / np.where(scaled_rows, high - low, np.inf) > self._threshold

    def _pairs(self, name: str, batch: ActivationBatch) -> Pairs:
        active = self._exactly(batch.array(name), *self._extremes(name, batch))
        rows, neurons = np.nonzero(active)
        return rows, neurons, np.zeros_like(rows)

    def _extremes(self, name: str, batch: ActivationBatch) -> tuple[Rows, Rows]:
        """Return what each row is scaled by, (N,) both."""
        if self._scale == "none":
            return np.zeros(len(batch)), np.ones(len(batch))
        if self._scale == "map":
            return batch.extremes(name)
        values = batch.view(name)
        return values.min(axis=1), values.max(axis=1)
