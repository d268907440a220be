"""Slow twin of the sample project's report, from the paper's definition and plain loops.

The measured layer feeds one linear output layer, so LRP-0 of the predicted logit has the closed
form R_j = a_j * w_cj (paper, section 3.2; summed over the correctly classified reference inputs).
Clusters: optimal 1-D k-means by the textbook dynamic programme, k by scikit-learn's silhouette.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import silhouette_score


@dataclass(frozen=True)
class ExpectedSpace:
    neurons: list[int]
    centroids: list[list[float]]
    m: int
    total: int
    reference: list[tuple[int, ...]]
    reference_labels: list[int]

    @property
    def reach(self) -> int:
        return len(set(self.reference))

    def combinations(self, hidden: np.ndarray) -> list[tuple[int, ...]]:
        return [
            tuple(
                nearest(row[neuron], centroids)
                for neuron, centroids in zip(self.neurons[: self.m], self.centroids, strict=False)
            )
            for row in hidden
        ]


@dataclass(frozen=True)
class ExpectedSuite:
    covered: int
    covered_reached: int
    exercised: int
    exercised_by_class: list[int]


def nearest(value: float, centroids: list[float]) -> int:
    """Index of the nearest centroid, a tie to the lower."""
    distances = [abs(value - centroid) for centroid in centroids]
    return distances.index(min(distances))


def best_clusters(values: np.ndarray, k: int) -> tuple[list[float], np.ndarray]:
    """Optimal 1-D k-means: cost[j][i] = least cost of the first i sorted values in j clusters."""
    order = np.argsort(values, kind="stable")
    data = values[order] - values.mean()
    sums = np.concatenate([[0.0], np.cumsum(data)])
    squares = np.concatenate([[0.0], np.cumsum(data**2)])
    n = len(data)
    cost = np.full((k + 1, n + 1), np.inf)
    cut = np.zeros((k + 1, n + 1), dtype=int)
    cost[0, 0] = 0
    for j in range(1, k + 1):
        for i in range(j, n + 1):
            start = np.arange(j - 1, i)
            length = i - start
            inside = squares[i] - squares[start] - (sums[i] - sums[start]) ** 2 / length
            candidates = cost[j - 1, start] + inside
            cut[j, i] = start[int(candidates.argmin())]
            cost[j, i] = candidates.min()
    labels = np.empty(n, dtype=int)
    end = n
    for j in range(k, 0, -1):
        labels[order[cut[j, end] : end]] = j - 1
        end = cut[j, end]
    return [float(values[labels == j].mean()) for j in range(k)], labels


def fit_neuron(values: np.ndarray) -> list[float]:
    """Centroids for the k in {2, 3, 4} of the best silhouette, equal ones: the smaller k."""
    best: tuple[float, list[float]] | None = None
    for k in (2, 3, 4):
        centroids, labels = best_clusters(values, k)
        score = float(silhouette_score(values[:, None], labels))
        if best is None or score > best[0]:
            best = (score, centroids)
    assert best is not None
    return best[1]


def expected_space(
    hidden: torch.Tensor, output_weights: torch.Tensor, output_bias: torch.Tensor,
    labels: torch.Tensor,
) -> ExpectedSpace:  # fmt: skip
    """Important neurons, clusters and m (6, lowered until total <= R / 10) of the reference."""
    activations = hidden.double().numpy()
    scores = activations @ output_weights.double().numpy().T + output_bias.double().numpy()
    predicted = scores.argmax(axis=1)
    correct = predicted == labels.numpy()
    relevance = (activations * output_weights.double().numpy()[predicted])[correct].sum(axis=0)
    neurons = [int(index) for index in np.argsort(-relevance, kind="stable")[:6]]
    centroids = [fit_neuron(activations[correct, neuron]) for neuron in neurons]
    m = 6
    while m > 1 and 10 * np.prod([len(c) for c in centroids[:m]]) > len(labels):
        m -= 1
    total = int(np.prod([len(c) for c in centroids[:m]]))
    space = ExpectedSpace(neurons, centroids, m, total, [], labels.tolist())
    space.reference.extend(space.combinations(activations))
    return space


def expected_suite(space: ExpectedSpace, hidden: torch.Tensor, classes: int) -> ExpectedSuite:
    """What a suite with these hidden activations covers."""
    seen = set(space.combinations(hidden.double().numpy()))
    hit = [
        label
        for combination, label in zip(space.reference, space.reference_labels, strict=True)
        if combination in seen
    ]
    by_class = Counter(hit)
    return ExpectedSuite(
        covered=len(seen),
        covered_reached=len(seen & set(space.reference)),
        exercised=len(hit),
        exercised_by_class=[by_class[label] for label in range(classes)],
    )
