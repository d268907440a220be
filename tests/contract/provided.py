"""What criteria need from the reference, made from a small synthetic one, and rows to feed them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.clustering.kmeans import cluster_activations
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.statistics.bounds import Bounds
from pytest_deepimportance.statistics.combination_counts import CombinationCounts
from pytest_deepimportance.statistics.moments import Moments
from tests.criteria.surprise_builders import provided_of

LAYERS = {"conv": 5, "fc": 7}
CLASSES = 3
VARIANTS = ("layer", "all", "global", "classes")


def activations(rows: int, seed: int, wild: float = 1.0) -> ActivationBatch:
    """Rows of three classes, rounded so that some combinations repeat; a fifth is unlabelled.

    Every fourth row is multiplied by `wild`, to leave the reference's range.
    """
    generator = np.random.default_rng(seed)
    predictions = generator.integers(0, CLASSES, rows)
    layers = {}
    for name, width in LAYERS.items():
        centres = np.random.default_rng(len(name)).normal(size=(CLASSES, width))
        values = centres[predictions] + generator.normal(size=(rows, width))
        values[::4] *= wild
        tensor = torch.from_numpy(np.maximum(np.round(values, 1), 0).astype(np.float32))
        layers[name] = LayerValues(tensor, tensor.amin(1), tensor.amax(1))
    labels = np.where(generator.random(rows) < 0.2, -1, predictions)
    digests = generator.integers(0, 2**63, rows).astype(np.uint64)
    return ActivationBatch(layers, digests, predictions, labels)


REFERENCE = activations(400, seed=1)


def space(name: str, layers: list[str], class_index: int | None = None) -> CombinationSpace:
    rows = REFERENCE
    if class_index is not None:
        rows = rows.select(rows.predictions == class_index)
    neurons = [(layer, index) for layer in layers for index in range(LAYERS[layer])]
    neurons = [neurons[i] for i in np.random.default_rng(2).permutation(len(neurons))]
    clusterings = tuple(
        cluster_activations(rows.layers[layer].values[:, index]) for layer, index in neurons
    )
    return CombinationSpace(
        name=name,
        scope="layer" if len(layers) == 1 else "global",
        layer=layers[0] if len(layers) == 1 else None,
        class_index=class_index,
        neurons=tuple(neurons),
        scores=tuple(float(len(neurons) - i) for i in range(len(neurons))),
        clusterings=clusterings,
        m=3,
        m_from="as asked",
    )


def counts(of: CombinationSpace) -> CombinationCounts:
    rows = REFERENCE
    if of.class_index is not None:
        rows = rows.select(rows.predictions == of.class_index)
    fitted = np.arange(len(rows)) % 4 != 0
    return CombinationCounts.from_rows(
        of.encode(rows), rows.predictions, fitted, np.arange(len(rows))
    )


def provided(variant: str) -> dict[str, Any]:
    """Everything that any criterion may name in `needs`, for one choice of spaces."""
    spaces = {
        "layer": lambda: [space("fc", ["fc"])],
        "all": lambda: [space("conv", ["conv"]), space("fc", ["fc"])],
        "global": lambda: [space("global", ["conv", "fc"])],
        "classes": lambda: [space(f"fc:{c}", ["fc"], c) for c in range(CLASSES)],
    }[variant]()
    bounds, moments = Bounds(), Moments()
    for layer in LAYERS:
        bounds.update(layer, REFERENCE.array(layer))
        moments.update(layer, REFERENCE.array(layer))
    return {
        "spaces": tuple(spaces),
        "combination_counts": {one.name: counts(one) for one in spaces},
        "null_counts": {},
        "layers": LAYERS,
        "bounds": bounds,
        "moments": moments,
        "distances": dict.fromkeys(LAYERS, 0.7),
        **provided_of(REFERENCE.array("fc"), REFERENCE.predictions, layer="fc"),
    }
