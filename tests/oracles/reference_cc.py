"""Cluster-based coverage (Odena, Olsson, Andersen, Goodfellow: TensorFuzz, ICML 2019).

An input is new when its activation vector is farther than a threshold from every vector kept so
far, and is then kept itself; the coverage is the number of vectors kept. The text speaks of the
Euclidean distance, the authors' code (and NeuraL-Coverage) compare its square.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.oracles.reference_layers import Layers, Values, neuron_values


def cc(tests: Layers, thresholds: Mapping[str, float], squared: bool = False) -> int:
    """Sum over the layers that have a threshold, each by itself, inputs in row order."""
    kept = 0
    for name, threshold in thresholds.items():
        centres: list[Values] = []
        for row in neuron_values(tests[name]):
            squares = [((row - centre) ** 2).sum() for centre in centres]
            if all((s if squared else s**0.5) > threshold for s in squares):
                centres.append(row)
        kept += len(centres)
    return kept
