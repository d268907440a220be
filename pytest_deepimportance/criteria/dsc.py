"""DSC: surprise coverage by distance (Kim, Feldt, Yoo, ICSE 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.surprise import Classes, Floats, SurpriseCoverage
from pytest_deepimportance.criteria.surprise_buckets import Buckets
from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.distance_ratio import DistanceRatios
from pytest_deepimportance.statistics.traces import Traces


@register
class DistanceSurpriseCoverage(SurpriseCoverage):
    """Buckets of the distance to an input's class, relative to that class's distance to others.

    Args:
        traces: The reference's activations of the layer, classes by `surprise_labels`.

    Raises:
        SettingsError: `surprise_labels` is "none".
    """

    name = "DSC"
    needs = ("surprise_layer", "traces")
    options = ("surprise_labels", "dsc_upper", "dsc_buckets", "surprise_values")

    def __init__(
        self,
        *,
        surprise_layer: str,
        traces: Traces,
        surprise_labels: str,
        dsc_upper: float,
        dsc_buckets: int,
        surprise_values: bool,
    ) -> None:
        if surprise_labels == "none":
            raise SettingsError(
                "DSC cannot be measured with surprise_labels = none",
                "It divides the distance to an input's own class by the distance to other classes.",
                "Set surprise_labels to predicted or true, or leave DSC out of the criteria.",
            )
        super().__init__(
            Buckets(float(dsc_upper), dsc_buckets),
            surprise_layer,
            surprise_labels,
            surprise_values,
        )
        self.traces = traces
        self.ratios: DistanceRatios = traces.memo.setdefault(
            "distance ratios", DistanceRatios(traces)
        )

    @classmethod
    def excluded_by(cls, settings: Settings) -> str:
        """Leave it out where all of the reference is one class."""
        if settings.surprise_labels != "none":
            return ""
        return "DSC left out: it compares classes, and idc_surprise_labels = none knows none"

    @property
    def width(self) -> int:
        """Neurons of the layer in the reference (d)."""
        return self.traces.width

    def comparable(self, classes: Classes) -> NDArray[np.bool_]:
        """Return for each class (N,) whether the reference has rows of it and of another, (N,)."""
        return self.ratios.comparable(classes)

    def surprise(self, values: NDArray[np.floating], classes: Classes) -> Floats:
        """Return the DSA of rows (N, d), a ratio, (N,)."""
        return self.ratios.ratios(values, classes)

    def reference_details(self) -> dict[str, Any]:
        """Return what the row says of the reference."""
        return {
            "reference_rows": len(self.traces),
            "sampled": list(self.traces.dropped),
            "ridge": [],
            "dropped_columns": [],
        }
