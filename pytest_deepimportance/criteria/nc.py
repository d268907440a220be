"""Neuron coverage: neurons that some input activates beyond a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.bits import BitCriterion, Pairs
from pytest_deepimportance.criteria.neuron_blocks import largest_values, smallest_values
from pytest_deepimportance.criteria.row_scales import Rows, RowScale
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.errors import SettingsError

Flags = NDArray[np.bool_]

_FEW = 0.25
"""Part of a layer's neurons: for fewer it is worth while to look at them once more."""


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
        blocks = self.blocks(present)
        highest = largest_values(batch, blocks, len(self.seen))
        highest[self.bitmap("sure")[:, 0] != 0] = -np.inf  # nothing is left to find
        lowest = smallest_values(batch, blocks, len(self.seen))
        marks = np.zeros((3, len(self.seen), 1), dtype=bool)
        for name in present:
            span = self.spans[name]
            if not np.isneginf(highest[span]).all():
                scale = RowScale.of(batch, name, self._scale, float(lowest[span].min()))
                self._find(batch.view(name), scale, highest[span], marks[:, span, 0])
        self.mark(slice(None), *marks)

    def _find(self, values: Rows, scale: RowScale, highest: Rows, marks: Flags) -> None:
        """Mark the neurons of a layer.

        Args:
            values: (N, U).
            highest: The largest value of each that is not sure yet, else minus infinity, (U,).
            marks: Seen, sure and possible, (3, U).
        """
        magnitude, limits = scale.magnitude, scale.limits(self._threshold)
        slack = 8 * float(np.finfo(values.dtype).eps) * (1 + self._threshold) * magnitude
        room = self._tolerance / 2 * magnitude
        margin = max(slack, room)
        columns = np.flatnonzero(highest >= limits.min() - margin)  # no other neurons can change
        if scale.low is None and len(columns):
            if len(columns) < _FEW * values.shape[1]:
                columns = columns[_excess(values[:, columns], limits) >= -margin - slack]
            if len(columns):
                scale.low = values.min(axis=1)
                limits = scale.limits(self._threshold)
                columns = columns[highest[columns] >= limits.min() - margin]
        if not len(columns):
            return
        values = values if len(columns) == values.shape[1] else values[:, columns]
        excess = _excess(values, limits)
        active = excess > 0
        # Where rounding could decide, the definition itself does.
        unsure = np.flatnonzero(np.abs(excess) <= slack)
        if len(unsure):
            assert scale.low is not None
            active[unsure] = self._exactly(values[:, unsure], scale.low, scale.high).any(axis=0)
        marks[0, columns] = active
        marks[1, columns] = active & (excess > room) if room else active
        marks[2, columns] = active | (excess > -room) if room else active

    def _exactly(self, values: NDArray[np.floating], low: Rows, high: Rows) -> NDArray[np.bool_]:
        """Return which values (N, U) are active, as the definition says it, (N, U)."""
        low, high = low.astype(np.float64)[:, None], high.astype(np.float64)[:, None]
        scaled_rows = high > low
        return (values - low) / np.where(scaled_rows, high - low, np.inf) > self._threshold

    def _pairs(self, name: str, batch: ActivationBatch) -> Pairs:
        values = batch.view(name)
        scale = RowScale.of(batch, name, self._scale, -np.inf)
        assert scale.low is not None
        rows, neurons = np.nonzero(self._exactly(values, scale.low, scale.high))
        return rows, neurons, np.zeros_like(rows)


def _excess(values: Rows, limits: NDArray[np.float64]) -> Rows:
    """Return by how much each neuron goes beyond the limit of a row, at most, (U,)."""
    beyond: Rows = (values - limits.astype(values.dtype)[:, None]).max(axis=0)
    return beyond
