"""Top-k neuron coverage (Ma et al.: DeepGauge, ASE 2018).

TKNC = |union over the tests x and the layers i of top_k(x, i)| / |N|, with top_k(x, i) the k
neurons of layer i with the largest values for x.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.oracles.reference_layers import Layers, neuron_values, neurons_of


def top_k(row: Sequence[float], k: int, positive_only: bool = False) -> list[int]:
    """The k largest, largest first; of equal ones the lowest index first."""
    ranked = sorted(range(len(row)), key=lambda u: (-row[u], u))[:k]
    return [u for u in ranked if row[u] > 0 or not positive_only]


def tknc(tests: Layers, k: int, positive_only: bool = False) -> tuple[int, int]:
    covered = set()
    for name, outputs in tests.items():
        for row in neuron_values(outputs).tolist():
            covered |= {(name, u) for u in top_k(row, k, positive_only)}
    return len(covered), neurons_of(tests)
