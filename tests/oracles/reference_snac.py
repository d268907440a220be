"""Strong neuron activation coverage (Ma et al.: DeepGauge, ASE 2018).

SNAC = (neurons that some test drives above the upper bound of NBC) / |N|.
"""

from __future__ import annotations

from tests.oracles.reference_layers import Layers, neurons_of
from tests.oracles.reference_nbc import corners


def snac(
    train: Layers, tests: Layers, sigma: float = 0.0, inclusive: bool = False
) -> tuple[int, int]:
    _, upper = corners(train, tests, sigma, inclusive)
    return upper, neurons_of(train)
