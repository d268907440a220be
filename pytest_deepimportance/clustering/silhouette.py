"""The exact mean silhouette of clusters of numbers, in O(n log n)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


def mean_silhouette(
    values: NDArray[np.float64], cuts: ArrayLike, counts: ArrayLike | None = None
) -> float:
    """Return the mean silhouette (Rousseeuw 1987) of contiguous clusters of sorted numbers.

    For each value, a is its mean distance to the others of its cluster, b the smallest mean
    distance to another cluster, and its silhouette (b - a) / max(a, b); a value alone in its
    cluster scores 0, as in scikit-learn.

    All values of a cluster to the right are at least x, so the mean distance to it is its mean
    minus x; the means of contiguous clusters ascend, so b is always reached at a direct neighbour.

    Args:
        values: Sorted numbers, (n,); equal ones lie in the same cluster.
        cuts: Index of the first value of every cluster but the first, ascending, at least one.
        counts: How often each value occurs (default 1), (n,).
    """
    weights = np.ones(len(values)) if counts is None else np.asarray(counts, dtype=np.float64)
    # Distances do not change with the origin, but sums of large numbers would lose their digits.
    centred = values - np.average(values, weights=weights)
    inner = np.asarray(cuts, dtype=np.int64)
    bounds = np.concatenate([[0], inner, [len(values)]])
    sizes = np.add.reduceat(weights, bounds[:-1])
    means = np.add.reduceat(weights * centred, bounds[:-1]) / sizes
    total = 0.0
    for cluster, (low, high) in enumerate(pairwise(bounds.tolist())):
        if sizes[cluster] == 1:
            continue
        group, weight = centred[low:high], weights[low:high]
        within = _mean_distance_within(group - means[cluster], weight, sizes[cluster])
        nearest = np.full(len(group), np.inf)
        for neighbour in (cluster - 1, cluster + 1):
            if 0 <= neighbour < len(means):
                nearest = np.minimum(nearest, np.abs(means[neighbour] - group))
        # Clusters too close to be told apart have no distance: 0, as in scikit-learn.
        larger = np.maximum(within, nearest)
        share = np.divide(nearest - within, larger, out=np.zeros_like(larger), where=larger > 0)
        total += float((weight * share).sum())
    return total / float(weights.sum())


def _mean_distance_within(
    group: NDArray[np.float64], weight: NDArray[np.float64], size: float
) -> NDArray[np.float64]:
    """Mean distance of each sorted value to the others of its cluster, by prefix sums."""
    below_weight = np.cumsum(weight) - weight
    moments = weight * group
    below = np.cumsum(moments) - moments
    above = moments.sum() - below - moments
    above_weight = size - below_weight - weight
    distance: NDArray[np.float64] = group * below_weight - below + above - group * above_weight
    return np.asarray(np.maximum(distance, 0.0) / (size - 1))
