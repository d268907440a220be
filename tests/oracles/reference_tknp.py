"""Top-k neuron patterns (Ma et al.: DeepGauge, ASE 2018).

TKNP = |{(top_k(x, 1), ..., top_k(x, l)) : x a test}|: each entry is the set of the k neurons of
one layer with the largest values.
"""

from __future__ import annotations

from tests.oracles.reference_layers import Layers, neuron_values
from tests.oracles.reference_tknc import top_k


def tknp(tests: Layers, k: int, ordered: bool = False) -> int:
    """`ordered` (NeuraL-Coverage, DeepImportance): the order within the top k counts too."""
    collect = tuple if ordered else frozenset
    layers = [neuron_values(outputs).tolist() for outputs in tests.values()]
    return len(
        {tuple(collect(top_k(row, k)) for row in rows) for rows in zip(*layers, strict=True)}
    )
