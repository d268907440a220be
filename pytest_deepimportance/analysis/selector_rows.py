"""Rows that a selector learns from: features, gains of the methods, and what was held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.selector_results import MethodScores

_ALIKE = 1e-9
"""Gains this close, relative to the largest, are equal."""


@dataclass(frozen=True)
class SelectorRows:
    """N rows of D features and the gains of A methods.

    Attributes:
        features: (N, D) float64. gains: (N, A) float64.
        layer: (N,) index into `layers`, zeros where there is none.
        inputs: (N,) number of the input each row belongs to: rows of one input stay together.
        classes: (N,) predicted class of the input, None where not known.
    """

    features: NDArray[np.float64]
    gains: NDArray[np.float64]
    methods: tuple[str, ...]
    layer: NDArray[np.int64]
    layers: tuple[str, ...]
    inputs: NDArray[np.int64]
    classes: NDArray[np.int64] | None = None

    @classmethod
    def checked(
        cls,
        features: ArrayLike,
        gains: ArrayLike,
        methods: Sequence[str],
        layers: Sequence[str] | None = None,
        inputs: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> SelectorRows:
        """Check shapes and values.

        Raises:
            AttributionError: They do not fit together, or are not finite.
        """
        x, g = np.asarray(features, dtype=np.float64), np.asarray(gains, dtype=np.float64)
        names = tuple(methods)
        if x.ndim != 2 or g.ndim != 2 or len(x) != len(g) or g.shape[1] != len(names):
            raise _unfit(f"features {x.shape}, gains {g.shape} and {len(names)} methods")
        if len(set(names)) != len(names) or len(names) < 2:
            raise _unfit(f"methods {', '.join(names) or 'none'}: two different ones at least")
        for what, values in (("features", x), ("gains", g)):
            if not np.isfinite(values).all():
                raise _unfit(f"{int((~np.isfinite(values)).sum())} {what} are not finite")
        known = tuple(dict.fromkeys(layers or ()))
        index = [known.index(name) for name in layers] if layers is not None else [0] * len(x)
        groups: NDArray[Any] = np.arange(len(x)) if inputs is None else np.asarray(inputs)
        if len(index) != len(x) or groups.shape != (len(x),):
            raise _unfit(f"{len(index)} layers and {groups.shape} inputs for {len(x)} rows")
        numbers = np.unique(groups, return_inverse=True)[1].reshape(-1)
        own = None if classes is None else np.asarray(classes, dtype=np.int64)
        if own is not None and own.shape != (len(x),):
            raise _unfit(f"classes {own.shape} for {len(x)} rows")
        return cls(x, g, names, np.asarray(index, dtype=np.int64), known, numbers, own)

    def winning(self) -> NDArray[np.bool_]:
        """Return which methods win each row, (N, A): the largest gain, if it is above 0."""
        best = self.gains.max(axis=1, keepdims=True)
        winning: NDArray[np.bool_] = (self.gains >= best * (1 - _ALIKE)) & (best > 0)
        return winning

    def select(self, rows: NDArray[np.bool_]) -> SelectorRows:
        """Return some of the rows."""
        return SelectorRows(
            self.features[rows], self.gains[rows], self.methods, self.layer[rows], self.layers,
            self.inputs[rows], None if self.classes is None else self.classes[rows],
        )  # fmt: skip

    def kinds(self) -> NDArray[np.int64] | None:
        """Return what class and layer a row is of, as one number (N,)."""
        return None if self.classes is None else self.classes * len(self.layers or "x") + self.layer

    def held_out(self, part: float, seed: int) -> NDArray[np.bool_]:
        """Return which rows are held out, (N,): those of a seeded part of the inputs."""
        present = np.unique(self.inputs)
        held = np.random.default_rng(seed).permutation(present)[: round(part * len(present))]
        rows: NDArray[np.bool_] = np.isin(self.inputs, held)
        return rows

    def columns(self) -> NDArray[np.float64]:
        """Return what a classifier reads: features, then the layer one-hot, (N, D + L)."""
        return with_layers(self.features, self.layer, len(self.layers))

    def table(self) -> tuple[MethodScores, ...]:
        """Return mean and variance of each method's gain and its wins: all rows, then by layer."""
        groups = [("", np.ones(len(self.gains), dtype=bool))]
        if len(self.layers) > 1:
            groups += [(name, self.layer == number) for number, name in enumerate(self.layers)]
        winning = self.winning()
        return tuple(
            MethodScores(
                method=method,
                layer=name,
                rows=int(rows.sum()),
                mean=float(self.gains[rows, at].mean()),
                variance=float(self.gains[rows, at].var(ddof=1)) if rows.sum() > 1 else 0.0,
                wins=int(winning[rows, at].sum()),
            )
            for name, rows in groups
            for at, method in enumerate(self.methods)
        )


def with_layers(
    features: NDArray[np.float64], layer: NDArray[np.int64], layers: int
) -> NDArray[np.float64]:
    """Return features with the layer one-hot beside them; a single layer needs none."""
    return features if layers < 2 else np.hstack([features, np.eye(layers)[layer]])


def _unfit(what: str) -> AttributionError:
    return AttributionError(
        f"a selector cannot be fitted on {what}",
        "It learns from features (N, D) which of A methods has the largest gain (N, A).",
        "Give finite arrays with one row for each input (and layer), and the methods' names.",
    )
