"""LSC: surprise coverage by likelihood (Kim, Feldt, Yoo, ICSE 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.surprise import Classes, Floats, SurpriseCoverage
from pytest_deepimportance.criteria.surprise_buckets import Buckets
from pytest_deepimportance.statistics.density import ClassDensities
from pytest_deepimportance.statistics.traces import Traces


@register
class LikelihoodSurpriseCoverage(SurpriseCoverage):
    """Buckets of the negative log density of inputs among the reference rows of their class.

    An input whose class has no density (too few rows, or a singular covariance) counts as
    non-finite; the row's detail `no_density` names these classes.

    Args:
        traces: The reference's activations of the layer, classes by `surprise_labels`.
        variance_threshold: Neurons with a smaller variance in any class are left out.
    """

    name = "LSC"
    needs = ("surprise_layer", "traces")
    options = (
        "surprise_labels",
        "variance_threshold",
        "lsc_upper",
        "lsc_buckets",
        "surprise_values",
    )

    def __init__(
        self,
        *,
        surprise_layer: str,
        traces: Traces,
        surprise_labels: str,
        variance_threshold: float,
        lsc_upper: float,
        lsc_buckets: int,
        surprise_values: bool,
    ) -> None:
        super().__init__(
            Buckets(float(lsc_upper), lsc_buckets),
            surprise_layer,
            surprise_labels,
            surprise_values,
        )
        self.traces = traces
        self.densities: ClassDensities = traces.memo.setdefault(
            ("densities", variance_threshold), ClassDensities(traces, variance_threshold)
        )

    @property
    def width(self) -> int:
        """Neurons of the layer in the reference (d)."""
        return self.traces.width

    def comparable(self, classes: Classes) -> NDArray[np.bool_]:
        """Return for each class (N,) whether the reference has rows of it, (N,)."""
        return np.isin(classes, list(self.traces.class_rows))

    def surprise(self, values: NDArray[np.floating], classes: Classes) -> Floats:
        """Return the LSA of rows (N, d) in nats, (N,)."""
        return self.densities.minus_log_density(values, classes)

    def reference_details(self) -> dict[str, Any]:
        """Return what the row says of the reference."""
        return {
            "reference_rows": len(self.traces),
            "sampled": list(self.traces.dropped),
            "ridge": self.densities.ridged,
            "no_density": self.densities.missing,
            "dropped_columns": self.densities.dropped,
        }
