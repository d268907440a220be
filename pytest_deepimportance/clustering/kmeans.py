"""Exact one-dimensional k-means: the clusters of one neuron's reference activations.

An optimal clustering of numbers is contiguous once they are sorted, so dynamic programming over
the distinct values finds the global optimum without a seed. All k of a range come from one run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pytest_deepimportance.clustering.partition import Partition, best_partitions
from pytest_deepimportance.clustering.silhouette import mean_silhouette
from pytest_deepimportance.errors import IdcError, SettingsError

MAX_CLUSTERS = 256
"""Cluster ids are stored in one byte."""

EQUAL_SILHOUETTES = 1e-12
"""Silhouettes that differ by less are equal: the difference is rounding."""


@dataclass(frozen=True, eq=False)
class Clustering:
    """The clusters of one neuron.

    Attributes:
        centroids: Means of the clusters, ascending and never rounded, (k,) float64.
        k: Number of clusters.
        silhouette: Mean silhouette of the fitted values, None for k = 1.
        constant: Whether there was nothing to cluster: one distinct value, or fewer usable values
            than asked for.
        values: Number of values the clusters were fitted on.
        inertia: Sum of squared distances of those values to their centroid.
        sizes: Fitted values per cluster, (k,).
    """

    centroids: NDArray[np.float64]
    k: int
    silhouette: float | None
    constant: bool
    values: int
    inertia: float
    sizes: tuple[int, ...]

    @cached_property
    def boundaries(self) -> NDArray[np.float64]:
        """Largest value that still belongs to each cluster but the last, (k - 1,).

        These are the midpoints between neighbouring centroids.
        """
        lower, upper = self.centroids[:-1], self.centroids[1:]
        middle = lower + (upper - lower) / 2
        # Between two adjacent floats the midpoint rounds to one of them; it must not be the upper.
        return np.where(middle < upper, middle, lower)

    def assign(self, values: ArrayLike | Tensor) -> NDArray[np.uint8]:
        """Return the cluster of each value: the nearest centroid, the lower one of two equal.

        Args:
            values: Numbers of any shape and float type; compared in float64.

        Raises:
            IdcError: A value is NaN or infinite.
        """
        numbers = as_float64(values, "values to assign")
        return np.searchsorted(self.boundaries, numbers, side="left").astype(np.uint8)

    def near_boundary(
        self, values: ArrayLike | Tensor, relative: float = 1e-4, absolute: float = 0.0
    ) -> NDArray[np.bool_]:
        """Return which values lie so near a boundary that rounding may decide their cluster.

        Near is |value - boundary| <= max(relative x scale, absolute), where scale is the larger
        magnitude of the two centroids beside the boundary: a boundary at 0 then has a scale too.
        """
        numbers = as_float64(values, "values")
        if self.k == 1:
            return np.zeros(numbers.shape, dtype=bool)
        distance = np.abs(numbers[..., None] - self.boundaries)
        return np.asarray((distance <= self.tolerances(relative, absolute)).any(axis=-1))

    def tolerances(self, relative: float = 1e-4, absolute: float = 0.0) -> NDArray[np.float64]:
        """Return how far from each boundary a value is near it, (k - 1,)."""
        magnitude = np.abs(self.centroids)
        return np.maximum(relative * np.maximum(magnitude[:-1], magnitude[1:]), absolute)

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back exactly."""
        return {
            "centroids": [float(value) for value in self.centroids],
            "silhouette": self.silhouette,
            "constant": self.constant,
            "values": self.values,
            "inertia": self.inertia,
            "sizes": list(self.sizes),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Clustering:
        """Rebuild a clustering from `to_json` data."""
        centroids = np.array(data["centroids"], dtype=np.float64)
        return cls(
            centroids=centroids,
            k=len(centroids),
            silhouette=data["silhouette"],
            constant=bool(data["constant"]),
            values=int(data["values"]),
            inertia=float(data["inertia"]),
            sizes=tuple(int(size) for size in data["sizes"]),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clustering) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.centroids.tobytes(), self.sizes))


def cluster_activations(
    values: ArrayLike | Tensor,
    k: int | Literal["auto"] = "auto",
    *,
    k_range: Sequence[int] = (2, 3, 4),
    min_values: int = 10,
    zeros: str = "keep",
) -> Clustering:
    """Cluster one neuron's activations exactly (DeepImportance, ICSE 2020, section on clusters).

    Args:
        values: Activations, (N,), any float type; computed in float64.
        k: Number of clusters, or "auto": the k of `k_range` with the largest mean silhouette;
            of equal ones the smaller. Never more clusters than distinct values.
        k_range: The candidates for "auto".
        min_values: With fewer usable values there is one cluster, marked constant.
        zeros: "drop" leaves exact zeros out of the fit (a zero is still assigned afterwards).

    Raises:
        IdcError: A value is NaN or infinite.
        SettingsError: k, k_range or zeros cannot be used.
    """
    candidates = _checked_candidates(k, k_range)
    if zeros not in ("keep", "drop"):
        raise SettingsError(f"zeros is {zeros!r}", fix="Use zeros='keep' or zeros='drop'.")
    numbers = as_float64(values, "activations to cluster").ravel()
    if zeros == "drop":
        numbers = numbers[numbers != 0]
    distinct, counts = np.unique(numbers, return_counts=True)
    if len(distinct) < 2 or len(numbers) < min_values:
        return _single(numbers)
    usable = [c for c in candidates if c <= len(distinct)] or [len(distinct)]
    partitions = best_partitions(distinct, counts, usable)
    chosen, silhouette = _by_silhouette(distinct, counts, partitions)
    return Clustering(
        centroids=chosen.centroids,
        k=len(chosen.centroids),
        silhouette=silhouette,
        constant=False,
        values=len(numbers),
        inertia=chosen.inertia,
        sizes=chosen.sizes,
    )


def as_float64(values: ArrayLike | Tensor, what: str) -> NDArray[np.float64]:
    """Return `values` as a float64 array, refusing NaN and infinity.

    Raises:
        IdcError: A value is not finite; the message counts them.
    """
    if isinstance(values, Tensor):
        # First to the CPU: some devices have no float64; then up: bfloat16 has no numpy type.
        values = values.detach().cpu().double().numpy()
    numbers = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(numbers)
    if not finite.all():
        nan, inf = int(np.isnan(numbers).sum()), int(np.isinf(numbers).sum())
        raise IdcError(
            f"{what}: {nan} NaN and {inf} infinite of {numbers.size} values",
            "Such a value belongs to no cluster, so the result would be wrong.",
            "Leave these rows out, or find the layer that produces them.",
        )
    return numbers


def _checked_candidates(k: int | Literal["auto"], k_range: Sequence[int]) -> list[int]:
    wanted = sorted(set(k_range)) if k == "auto" else [k]
    smallest = 2 if k == "auto" else 1
    name = "k_range" if k == "auto" else "k"
    if not wanted or not all(smallest <= c <= MAX_CLUSTERS for c in wanted):
        raise SettingsError(
            f"{name} is {k_range if k == 'auto' else k!r}",
            f"Every number of clusters must lie in {smallest}..{MAX_CLUSTERS}.",
            "The default is k='auto' with k_range=(2, 3, 4).",
        )
    return wanted


def _single(numbers: NDArray[np.float64]) -> Clustering:
    centre = float(numbers.mean()) if len(numbers) else 0.0
    inertia = float(((numbers - centre) ** 2).sum())
    return Clustering(np.array([centre]), 1, None, True, len(numbers), inertia, (len(numbers),))


def _by_silhouette(
    distinct: NDArray[np.float64], counts: NDArray[np.int64], partitions: Sequence[Partition]
) -> tuple[Partition, float | None]:
    """Return the partition with the largest mean silhouette; of equal ones the smaller k."""
    if len(partitions[0].cuts) == 0:
        return partitions[0], None
    scores = [mean_silhouette(distinct, partition.cuts, counts) for partition in partitions]
    chosen = next(i for i, score in enumerate(scores) if score >= max(scores) - EQUAL_SILHOUETTES)
    return partitions[chosen], scores[chosen]
