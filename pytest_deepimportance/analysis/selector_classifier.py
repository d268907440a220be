"""The classifier behind a selector: fitted by scikit-learn, kept as plain arrays."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.analysis.selector_rows import SelectorRows

KINDS = ("logistic", "mlp")
_HIDDEN = (256, 128, 64)
"""Of the research code's network."""
_NEVER = -1e30
"""Score of a method that won no row it was fitted on."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearMaps:
    """Standardise, then linear maps with ReLU between them, then argmax.

    Attributes:
        center, scale: Of the columns, (D + L,).
        weights: (in, out) of each map. biases: (out,) of each map.
    """

    center: Array
    scale: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    def choose(self, columns: Array) -> NDArray[np.int64]:
        """Return the number of the chosen method for each row of (N, D + L)."""
        values = (columns - self.center) / self.scale
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = (np.maximum(values, 0) if number else values) @ weight + bias
        chosen: NDArray[np.int64] = values.argmax(axis=1).astype(np.int64)
        return chosen

    def arrays(self) -> dict[str, Array]:
        """Return every array by name."""
        found = {"center": self.center, "scale": self.scale}
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            found |= {f"weight{number}": weight, f"bias{number}": bias}
        return found

    @classmethod
    def of(cls, arrays: dict[str, Array]) -> LinearMaps:
        """Rebuild from `arrays`.

        Raises:
            KeyError: One is missing.
        """
        numbers = range((len(arrays) - 2) // 2)
        return cls(
            arrays["center"],
            arrays["scale"],
            tuple(arrays[f"weight{number}"] for number in numbers),
            tuple(arrays[f"bias{number}"] for number in numbers),
        )


def learn(rows: SelectorRows, winner: int, kind: str, seed: int) -> tuple[LinearMaps, list[str]]:
    """Learn which method wins, and return what must be said of it.

    Where several methods win a row alike, the overall `winner` is taught, else the first of them.
    """
    columns, winning = rows.columns(), rows.winning()
    labels = np.where(winning[:, winner], winner, winning.argmax(axis=1))
    center, scale = columns.mean(axis=0), columns.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    present = np.unique(labels)
    if len(present) == 1:
        weight, bias = np.zeros((columns.shape[1], len(rows.methods))), np.zeros(len(rows.methods))
        bias[winner] = 1.0
        said = f"{rows.methods[winner]} wins every fitted row: there is nothing to select"
        return LinearMaps(center, scale, (weight,), (bias,)), [said]
    fitted, notes = _classifier((columns - center) / scale, labels, kind, seed)
    weights, biases = _maps(fitted, kind)
    weights[-1], biases[-1] = _spread(weights[-1], biases[-1], present, len(rows.methods))
    return LinearMaps(center, scale, tuple(weights), tuple(biases)), notes


def _classifier(
    columns: Array, labels: NDArray[np.int64], kind: str, seed: int
) -> tuple[Any, list[str]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    made: Any = LogisticRegression(max_iter=1000)
    if kind == "mlp":
        few = np.unique(labels, return_counts=True)[1].min() < 10  # too few to keep some apart
        made = MLPClassifier(_HIDDEN, random_state=seed, early_stopping=not few, max_iter=300)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made.fit(columns, labels)
    unfinished = any(issubclass(item.category, ConvergenceWarning) for item in caught)
    return made, ["the classifier did not converge"] if unfinished else []


def _maps(fitted: Any, kind: str) -> tuple[list[Array], list[Array]]:
    """Return weights (in, out) and biases of each linear map."""
    if kind == "mlp":
        return list(fitted.coefs_), list(fitted.intercepts_)
    return [fitted.coef_.T], [fitted.intercept_]


def _spread(
    weight: Array, bias: Array, present: NDArray[np.int64], methods: int
) -> tuple[Array, Array]:
    """Return the last map with one output for each method."""
    if len(present) == 2 and weight.shape[1] == 1:  # scikit-learn keeps one column for two classes
        weight, bias = np.hstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    wide, far = np.zeros((len(weight), methods)), np.full(methods, _NEVER)
    wide[:, present], far[present] = weight, bias
    return wide, far
