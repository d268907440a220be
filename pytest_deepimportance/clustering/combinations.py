"""Combinations: one cluster for each important neuron (the INCC of the DeepImportance paper)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.clustering.kmeans import Clustering, as_float64
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.errors import LayerError, SettingsError

LARGEST_INTEGER_KEY = 2**62
"""Up to this many combinations a key is an int64; beyond, the packed bytes of the codes."""

DEFAULT_M = 6
"""IDC_6 of the paper: what m=auto starts from."""

ROWS_PER_COMBINATION = 10
"""m=auto wants at least this many reference rows per combination on average."""

NEAR = 1e-4
"""Inputs this near a boundary, relative to the centroids beside it, are counted and shown."""


@dataclass(frozen=True)
class CombinationSpace:
    """The important neurons of a layer (or of all) with their clusters.

    More neurons than m may be held: combinations are nested prefixes, so every smaller m is free.

    Attributes:
        name: Unique in a profile.
        scope: "layer" (all neurons from `layer`) or "global".
        layer: Layer name, None for scope "global".
        class_index: The only true class whose rows belong here, None for all rows.
        neurons: (layer, index) by importance, the most important first, (M,).
        scores: Their relevance, (M,).
        clusterings: Their clusters, (M,).
        m: How many of them count unless another m is asked for.
        m_from: A sentence that says where m comes from.
        class_name: Name of the class, empty when it has none.
    """

    name: str
    scope: Literal["layer", "global"]
    layer: str | None
    class_index: int | None
    neurons: tuple[tuple[str, int], ...]
    scores: tuple[float, ...]
    clusterings: tuple[Clustering, ...]
    m: int
    m_from: str
    class_name: str = ""

    @cached_property
    def ks(self) -> tuple[int, ...]:
        """Number of clusters of each neuron, (M,)."""
        return tuple(clustering.k for clustering in self.clusterings)

    def total(self, m: int | None = None) -> int:
        """Return the exact number of combinations of the first `m` neurons."""
        return math.prod(self.ks[: self.m if m is None else m])

    def own_rows(self, batch: ActivationBatch) -> NDArray[np.bool_]:
        """Return which rows belong here: those of the space's true class, or all, (N,)."""
        if self.class_index is None:
            return np.ones(len(batch), dtype=bool)
        return np.asarray(batch.labels == self.class_index)

    def visited(self, batch: ActivationBatch) -> bool:
        """Return whether the pass behind `batch` reached every layer that is needed here."""
        return all(layer in batch.layers for layer, _ in self.neurons)

    def values(self, batch: ActivationBatch) -> NDArray[np.float64]:
        """Return the important neurons' activations, (N, M).

        Raises:
            LayerError: The batch lacks a layer or one of its neurons.
            IdcError: A needed value is NaN or infinite.
        """
        result = np.empty((len(batch), len(self.neurons)))
        for layer, positions, index in self._columns:
            if layer not in batch.layers:
                raise LayerError(
                    f"space {self.name!r} needs layer {layer!r}, which this pass did not reach",
                    fix=f"Layers of this pass: {', '.join(batch.layers) or 'none'}.",
                )
            width = batch.width(layer)
            if int(index.max()) >= width:
                raise LayerError(
                    f"space {self.name!r} needs neuron {int(index.max())} of layer {layer!r}, "
                    f"which has {width} neurons here",
                    "The profile was built for another model.",
                    "Build the profile again.",
                )
            chosen = batch.chosen(layer, index)
            result[:, positions] = as_float64(chosen, f"activations of layer {layer!r}")
        return result

    def encode(self, batch: ActivationBatch) -> NDArray[np.uint8]:
        """Return the cluster of each important neuron for each row, (N, M); kept with the batch.

        Raises:
            LayerError: The batch lacks a layer or one of its neurons.
            IdcError: A needed value is NaN or infinite.
        """
        kept = batch.memo.get(("codes", self.name))
        if kept is not None and kept[0] is self.clusterings:
            found: NDArray[np.uint8] = kept[1]
            return found
        return self.keep_codes(batch, self.codes(self.values(batch)))

    def keep_codes(self, batch: ActivationBatch, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Keep the codes of a batch for `encode`, and return them."""
        batch.memo["codes", self.name] = (self.clusterings, codes)
        return codes

    def codes(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return the clusters of `values`, (N, M): `Clustering.assign` for all columns at once."""
        result = np.zeros(values.shape, dtype=np.uint8)
        for boundary in self._boundaries:
            result += values > boundary
        return result

    def boundary_depth(self, values: NDArray[np.float64], relative: float = NEAR) -> NDArray[Any]:
        """Return the smallest m with which each row has a value near a boundary, 0 for none, (N,).

        Near is what `Clustering.near_boundary` says.
        """
        near = np.zeros(values.shape, dtype=bool)
        for boundary, scale in zip(self._boundaries, self._scales, strict=True):
            near |= np.abs(values - boundary) <= relative * scale
        return np.where(near.any(axis=1), near.argmax(axis=1) + 1, 0)

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back exactly."""
        data = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        data["neurons"] = [[layer, index] for layer, index in self.neurons]
        data["scores"] = list(self.scores)
        data["clusterings"] = [clustering.to_json() for clustering in self.clusterings]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CombinationSpace:
        """Rebuild a space from `to_json` data."""
        restored = dict(data)
        restored["neurons"] = tuple((layer, int(index)) for layer, index in data["neurons"])
        restored["scores"] = tuple(data["scores"])
        restored["clusterings"] = tuple(Clustering.from_json(c) for c in data["clusterings"])
        return cls(**restored)

    @cached_property
    def _columns(self) -> list[tuple[str, list[int], torch.Tensor]]:
        """For each layer: where its neurons stand in a combination, and which they are."""
        positions: dict[str, list[int]] = {}
        for position, (layer, _) in enumerate(self.neurons):
            positions.setdefault(layer, []).append(position)
        return [
            (layer, where, torch.tensor([self.neurons[position][1] for position in where]))
            for layer, where in positions.items()
        ]

    @cached_property
    def _boundaries(self) -> NDArray[np.float64]:
        """Row b holds boundary b of every neuron, infinite where a neuron has fewer."""
        return self._by_boundary([c.boundaries for c in self.clusterings], np.inf)

    @cached_property
    def _scales(self) -> NDArray[np.float64]:
        return self._by_boundary([c.tolerances(relative=1.0) for c in self.clusterings], 0.0)

    def _by_boundary(self, rows: Sequence[NDArray[np.float64]], fill: float) -> NDArray[np.float64]:
        result = np.full((max(self.ks, default=1) - 1, len(rows)), fill)
        for column, row in enumerate(rows):
            result[: len(row), column] = row
        return result


def combination_keys(codes: NDArray[np.uint8], ks: Sequence[int]) -> NDArray[Any]:
    """Return one sortable key per row: equal keys, equal combinations; order as the codes'.

    Args:
        codes: Cluster ids, (N, M).
        ks: Clusters per neuron, (M,).

    Returns:
        Mixed-radix int64 while there are at most 2**62 combinations, else packed bytes, (N,).
    """
    if math.prod(ks) > LARGEST_INTEGER_KEY:
        rows = np.ascontiguousarray(codes)
        return rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    radix = np.ones(len(ks), dtype=np.int64)
    radix[:-1] = np.cumprod(np.asarray(ks[:0:-1], dtype=np.int64))[::-1]
    return codes.astype(np.int64) @ radix


def unique_combinations(
    codes: NDArray[np.uint8], ks: Sequence[int]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct combinations in ascending order, the inverse, and the counts.

    Args:
        codes: Cluster ids, (N, M).
        ks: Clusters per neuron, (M,).

    Returns:
        Combinations (G, M), for each row its combination (N,), rows per combination (G,).
    """
    keys = combination_keys(codes, ks)
    _, first, inverse, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    return codes[first], inverse.reshape(-1), counts


def choose_m(
    ks: Sequence[int],
    reference_rows: int,
    ask: int | Literal["auto", "all"],
    *,
    width: int | None = None,
) -> tuple[int, str]:
    """Return how many important neurons count, and a sentence that says why.

    "auto" is 6 (the paper's IDC_6), lowered until the reference holds at least 10 rows per
    combination on average. It depends on the profile alone: a new test never changes it.

    Args:
        ks: Clusters of the important neurons at hand, the most important first.
        reference_rows: Usable reference rows.
        ask: The m asked for, "all", or "auto".
        width: Neurons of the layer, when it has more than `ks` covers.

    Raises:
        SettingsError: m is below 1, or beyond the neurons that were clustered in a wider layer.
    """
    at_hand = len(ks)
    if ask == "all":
        ask = at_hand if width is None else width
    if ask != "auto":
        if ask < 1:
            raise SettingsError(f"m is {ask}", fix="Use m=auto or a number from 1.")
        if ask > at_hand and width is not None and width > at_hand:
            raise SettingsError(
                f"m is {ask}, but the profile holds clusters for {at_hand} of {width} neurons",
                fix=f"Build the profile with m={ask}, or ask for at most {at_hand}.",
            )
        if ask > at_hand:
            return at_hand, f"lowered from {ask}: there are only {at_hand} neurons"
        return ask, "as asked"
    start = min(DEFAULT_M, at_hand)
    m = start
    while m > 1 and math.prod(ks[:m]) * ROWS_PER_COMBINATION > reference_rows:
        m -= 1
    return m, _why(m, start, math.prod(ks[:m]), math.prod(ks[:start]), reference_rows)


def _why(m: int, start: int, total: int, start_total: int, rows: int) -> str:
    if total * ROWS_PER_COMBINATION > rows:
        return f"auto: even one neuron has fewer than 10 of {rows:,} reference rows per cluster"
    if m < start:
        return (
            f"auto: lowered from {start}, whose {start_total:,} combinations would share "
            f"{rows:,} reference rows (fewer than 10 each)"
        )
    if m < DEFAULT_M:
        return f"auto: all {m} neurons there are"
    return f"auto: {rows:,} reference rows hold {rows / total:,.0f} per combination"
