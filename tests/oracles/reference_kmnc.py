"""k-multisection neuron coverage (Ma et al.: DeepGauge, ASE 2018).

The training range [lo, hi] of each neuron is cut into k equal sections; KMNC is the number of
(neuron, section) pairs that some test falls into, of k |N|. Values out of range fall into none.
"""

from __future__ import annotations

from math import ceil, floor

from tests.oracles.reference_layers import Layers, neurons_of, train_and_test


def section(value: float, lo: float, hi: float, k: int, edges: str) -> int | None:
    """Number (from 0) of the section of `value`, None outside of all.

    "both": lo and hi belong to the first and the last section, and a constant neuron has one
    section that can be reached. "right" (NeuraL-Coverage): each section is (a, b]. "left"
    (dnn-tip): [a, b). In these two, the sections of a constant neuron are empty.
    """
    if not lo <= value <= hi:
        return None
    if lo == hi:
        return 0 if edges == "both" else None
    position = (value - lo) / (hi - lo) * k
    if edges == "right":
        return None if value == lo else ceil(position) - 1
    if edges == "left" and value == hi:
        return None
    return min(floor(position), k - 1)


def kmnc(train: Layers, tests: Layers, sections: int, edges: str = "both") -> tuple[int, int]:
    covered = 0
    for fitted, seen in train_and_test(train, tests):
        lo, hi = min(fitted), max(fitted)
        covered += len({section(v, lo, hi, sections, edges) for v in seen} - {None})
    return covered, sections * neurons_of(train)
