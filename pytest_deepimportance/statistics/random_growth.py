"""What random inputs cover of any criterion, by their number: the yardstick beside a suite.

The mean over all subsets of N of the R null inputs is exact: an item that n of them cover stays
uncovered with the hypergeometric probability C(R - n, N) / C(R, N), whatever else they cover. Where
no input covers two items the spread is exact as well (`expectation`); elsewhere it is that of
seeded random orders of the inputs, each of which gives one subset of every size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.statistics.expectation import (
    Expectation,
    for_other_inputs,
    mean_covered,
    random_suite,
)
from pytest_deepimportance.statistics.incidence import Incidence

Indices = NDArray[np.int64]

_POINT = NormalDist().inv_cdf(0.99)
_SIZES = 32
"""Numbers of inputs at which the spread is kept; between them it is interpolated."""


@dataclass(frozen=True)
class RandomGrowth:
    """Coverage of one criterion by random inputs.

    Attributes:
        rows: R, the null inputs.
        sizes, number: How many null inputs cover an item, and of how many items that is true.
        orders: Seeded orders behind the spread; 0 where it is exact.
        steps: Numbers of inputs at which the spread is known, (S,).
        deviations: The standard deviation there, (S,).
        options: The criterion's settings, which the items depend on.
    """

    rows: int
    sizes: Indices
    number: Indices
    orders: int = 0
    steps: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    deviations: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(
        cls, table: Incidence, orders: int, seed: int, options: tuple[tuple[str, Any], ...] = ()
    ) -> RandomGrowth:
        """Return the growth over the inputs of a table.

        Args:
            orders: Random orders to draw, at least 2, where the spread has no closed form.
        """
        sizes, number = np.unique(table.item_counts, return_counts=True)
        if table.exclusive:
            return cls(len(table), sizes, number, options=options)
        steps = _steps(len(table))
        generator = np.random.default_rng(seed)
        curves = np.stack(
            [table.growth(generator.permutation(len(table)))[steps - 1] for _ in range(orders)]
        )
        spread = curves.std(axis=0, ddof=1)
        return cls(len(table), sizes, number, orders, steps, spread, options)

    def expectation(self, inputs: int) -> Expectation:
        """Return what `inputs` random distinct null inputs cover.

        Not comparable when there are more inputs than null inputs.
        """
        return for_other_inputs(self.of_subsets(inputs), inputs, self.rows)

    def of_subsets(self, inputs: int) -> Expectation:
        """Return what subsets of the null inputs themselves cover; see `for_other_inputs`."""
        if not self.orders:
            counts = np.repeat(self.sizes, self.number)
            return random_suite(counts, inputs, self.rows - int(counts.sum()))
        reach = int(self.number.sum())
        if inputs > self.rows:
            note = f"not comparable: {inputs:,} inputs, but only {self.rows:,} to draw from"
            return Expectation(float(reach), 0.0, reach, reach, False, note)
        mean = mean_covered(self.sizes, self.number, self.rows, inputs)
        spread = float(np.interp(inputs, self.steps, self.deviations)) if inputs else 0.0
        low, high = (
            min(max(math.ceil(mean + z * spread - 0.5), 0), reach) for z in (-_POINT, _POINT)
        )
        return Expectation(mean, spread, low, high)

    @cached_property
    def method(self) -> str:
        """How the spread is known."""
        return f"{self.orders} seeded orders" if self.orders else "closed form"

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain data and arrays that `from_arrays` reads back."""
        plain = {"rows": self.rows, "orders": self.orders, "options": dict(self.options)}
        names = ("sizes", "number", "steps", "deviations")
        return plain, {name: getattr(self, name) for name in names}

    @classmethod
    def from_arrays(cls, plain: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> RandomGrowth:
        """Rebuild from `to_arrays` data."""
        options = tuple((name, _frozen(value)) for name, value in plain["options"].items())
        return cls(rows=plain["rows"], orders=plain["orders"], options=options, **arrays)


def _steps(rows: int) -> Indices:
    """Return some numbers from 1 to `rows`, each larger by about the same factor."""
    return np.unique(np.rint(np.geomspace(1, rows, _SIZES)).astype(np.int64))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
