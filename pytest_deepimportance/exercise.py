"""How a suite exercises the important neurons, and how its coverage grows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NeuronHits:
    """One important neuron: who falls into each of its clusters, in the order of the centroids.

    Attributes:
        layer, index: The neuron.
        reference_rows: Usable reference rows by cluster.
        inputs: Distinct inputs of the suite by cluster.
    """

    layer: str
    index: int
    reference_rows: tuple[int, ...]
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class GrowthPoint:
    """What the first inputs of a suite cover, tests in the order of their ids.

    Attributes:
        inputs: The first so many distinct inputs.
        covered: Combinations they cover.
        compared: Of these, what the random suites are compared with (`RandomSuite.covered`).
        expected, low, high: What as many random inputs cover: mean, 1st and 99th percentile; None
            where there are more inputs than the null data can answer for.
    """

    inputs: int
    covered: int
    compared: int
    expected: float | None = None
    low: int | None = None
    high: int | None = None
