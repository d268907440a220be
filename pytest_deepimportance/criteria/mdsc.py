"""MDSC: surprise coverage by Mahalanobis distance (Kim, Ju, Feldt, Yoo, FSE 2020).

The paper defines the distance; dividing it into buckets follows Kim, Feldt, Yoo, ICSE 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.criteria.base import register
from pytest_deepimportance.criteria.surprise import Classes, Floats, SurpriseCoverage
from pytest_deepimportance.criteria.surprise_buckets import Buckets
from pytest_deepimportance.statistics.class_moments import ClassMoments
from pytest_deepimportance.statistics.mahalanobis import MahalanobisDistances


@register
class MahalanobisSurpriseCoverage(SurpriseCoverage):
    """Buckets of the Mahalanobis distance of inputs to the reference rows of their class.

    Args:
        class_moments: Of the reference's activations, classes by `surprise_labels`.
        mdsc_calibration: Upper end by inverse ("ridge", "pinv"), used where `mdsc_upper` is "auto".
        mdsc_inverse: "ridge" or "pinv", see `statistics.mahalanobis`.
    """

    name = "MDSC"
    needs = ("surprise_layer", "class_moments", "mdsc_calibration")
    options = ("surprise_labels", "mdsc_inverse", "mdsc_upper", "mdsc_buckets", "surprise_values")

    def __init__(
        self,
        *,
        surprise_layer: str,
        class_moments: ClassMoments,
        mdsc_calibration: Mapping[str, float],
        surprise_labels: str,
        mdsc_inverse: str,
        mdsc_upper: float | str,
        mdsc_buckets: int,
        surprise_values: bool,
    ) -> None:
        auto = mdsc_upper == "auto"
        upper = float(mdsc_calibration[mdsc_inverse] if auto else mdsc_upper)
        super().__init__(
            Buckets(upper, mdsc_buckets, "auto" if auto else "as asked"),
            surprise_layer,
            surprise_labels,
            surprise_values,
        )
        self.moments, self.inverse = class_moments, mdsc_inverse
        self.distances: MahalanobisDistances = class_moments.memo.setdefault(
            ("distances", mdsc_inverse), MahalanobisDistances(class_moments, mdsc_inverse)
        )

    @property
    def width(self) -> int:
        """Neurons of the layer in the reference (d)."""
        return self.moments.width

    def comparable(self, classes: Classes) -> NDArray[np.bool_]:
        """Return for each class (N,) whether the reference has rows of it, (N,)."""
        return np.isin(classes, self.moments.classes)

    def surprise(self, values: NDArray[np.floating], classes: Classes) -> Floats:
        """Return the MDSA of rows (N, d), in standard deviations, (N,)."""
        return self.distances.distances(values, classes)

    def reference_details(self) -> dict[str, Any]:
        """Return what the row says of the reference."""
        return {
            "inverse": self.inverse,
            "reference_rows": self.moments.rows,
            "sampled": [],
            "ridge": [],
            "dropped_columns": [],
        }
