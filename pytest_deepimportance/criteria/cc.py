"""Cluster-based coverage: activations that lie far from all that were seen before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from pytest_deepimportance.criteria.base import Criterion, register
from pytest_deepimportance.criteria.bits import check_width
from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.errors import LayerError, did_you_mean
from pytest_deepimportance.results import CriterionRow
from pytest_deepimportance.statistics.centres import Centres
from pytest_deepimportance.statistics.incidence import RowItems

if TYPE_CHECKING:
    from typing import Self  # Python 3.11; never imported when the code runs

_LAYERS_APART = 1 << 40
"""Between the numbers of the centres of one layer and the next."""

AUTO_FACTOR = 2.0
"""`auto` is so many times the median distance between nearest neighbours in the reference."""


@register
class ClusterCoverage(Criterion):
    """CC = number of centres, summed over layers; a count.

    Odena, Olsson, Andersen, Goodfellow: TensorFuzz, ICML 2019, section 3: a vector of activations
    is new when the nearest vector kept so far is further than a threshold; it is then kept. The
    first is kept too. The number depends on the order of the inputs: rows of a test in their order,
    tests in the order of their names.

    Args:
        layers: Neurons of each layer.
        distances: By layer, the median distance between nearest neighbours in the reference.
        cc_layers: Layers to count in; "all" for all.
        cc_threshold: Distance, or "auto": `AUTO_FACTOR` times the median distance of the layer.
        cc_squared: Compare the squared distance with the threshold.
        bounds_tolerance: Decides how close to the threshold a distance must be to be in doubt.

    Raises:
        LayerError: A layer of `cc_layers` does not exist.
    """

    name = "CC"
    unit = "count"
    needs = ("layers", "distances")
    options = ("cc_layers", "cc_threshold", "cc_squared", "bounds_tolerance")
    breaks = ("order-free", "shard-free")

    def __init__(
        self,
        layers: Mapping[str, int],
        distances: Mapping[str, float],
        cc_layers: tuple[str, ...] = ("all",),
        cc_threshold: float | Literal["auto"] = "auto",
        cc_squared: bool = False,
        bounds_tolerance: float = 1e-5,
    ) -> None:
        super().__init__()
        chosen = tuple(layers) if cc_layers == ("all",) else cc_layers
        for name in chosen:
            if name not in layers:
                raise LayerError(
                    f"cc_layers: there is no layer {name!r}",
                    fix=did_you_mean(name, layers) or f"Layers: {', '.join(layers)}.",
                )
        self.layers = {name: width for name, width in layers.items() if name in chosen}
        self._squared, self._relative = cc_squared, bounds_tolerance / 10
        self._auto = cc_threshold == "auto"
        self.thresholds = {
            name: _automatic(distances[name], cc_squared)
            if cc_threshold == "auto"
            else float(cc_threshold)
            for name in self.layers
        }
        self.reset()

    @torch.no_grad()
    def update(self, batch: ActivationBatch) -> None:
        """Take in the rows of one forward pass, in their order.

        Raises:
            LayerError: A layer has another number of neurons than in the reference.
        """
        for name, width in self.layers.items():
            if len(batch) and name in batch.layers:
                check_width(name, batch, width)
                self._centres[name].add(batch.array(name), batch.digests)

    def items(self, batch: ActivationBatch) -> RowItems:
        """Return for each row and layer the nearest of the centres known once the rows are in.

        Centres are taken in as they are met, so all rows together cover exactly CC; what fewer
        rows cover is the number of these centres that they lie at.
        """
        self.update(batch)
        names = [n for n in self.layers if n in batch.layers] if len(batch) else []
        nearest = [
            list(self.layers).index(name) * _LAYERS_APART
            + self._centres[name].nearest(batch.array(name))
            for name in names
        ]
        counts = np.full(len(batch), len(names), dtype=np.int64)
        return RowItems(counts, np.stack(nearest, axis=1).ravel() if names else counts[:0])

    def merge(self, other: Self) -> None:
        """Take in the centres of `other`, in their order."""
        for name, centres in self._centres.items():
            if len(other._centres[name]):
                centres.merge(other._centres[name])

    def reset(self) -> None:
        """Forget everything seen."""
        self._centres = {
            name: Centres(threshold, self._squared, self._relative)
            for name, threshold in self.thresholds.items()
        }

    def get_extra_state(self) -> dict[str, Any]:
        """Return the centres as builtins and bytes, by layer."""
        return {
            name: to_plain(
                {"rows": centres.rows, "near": np.array(sorted(centres.near), dtype=np.uint64)}
            )
            for name, centres in self._centres.items()
        }

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state by one that `get_extra_state` returned."""
        self.reset()
        for name, plain in state.items():
            kept = from_plain(plain)
            if len(kept["rows"]):
                self._centres[name].restore(kept["rows"], kept["near"])

    def compute(self) -> tuple[CriterionRow, ...]:
        """Return the row over all layers, then one per layer."""
        rows = [
            CriterionRow(
                self.name, self.unit, len(centres), layer=name,
                details={"threshold": self.thresholds[name], "near_boundary": len(centres.near)},
            )
            for name, centres in self._centres.items()
        ]  # fmt: skip
        details = {
            "threshold": "auto" if self._auto else next(iter(self.thresholds.values()), None),
            "squared": self._squared,
            "near_boundary": sum(row.details["near_boundary"] for row in rows),
        }
        covered = sum(row.covered for row in rows)
        return (CriterionRow(self.name, self.unit, covered, details=details), *rows)


def _automatic(distance: float, squared: bool) -> float:
    return (AUTO_FACTOR * distance) ** 2 if squared else AUTO_FACTOR * distance
