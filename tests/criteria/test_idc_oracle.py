"""The paper's LeNets on MNIST: combinations of the test set, given the expected clusters."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.clustering.kmeans import Clustering
from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.statistics.combination_counts import CombinationCounts

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("IDC_SHARED", ROOT.parent / "shared")) / "oracles" / "idc"
LABELS = (
    Path(os.environ.get("IDC_DATA", ROOT.parent / "data"))
    / "mnist/MNIST/raw/t10k-labels-idx1-ubyte"
)
VARIANTS = ["zeros_kept", "zeros_dropped", "zeros_kept_k2", "zeros_dropped_k2"]


@pytest.fixture(scope="module")
def oracle():
    if not FOLDER.exists():
        pytest.skip(f"no oracle data in {FOLDER}")
    expected = json.loads((FOLDER / "expected_idc.json").read_text())
    with np.load(FOLDER / "expected_idc.npz") as arrays:
        return expected, dict(arrays)


def batch_of(values, labels=None):
    tensor = torch.from_numpy(values)
    rows = len(values)
    unknown = np.full(rows, -1, dtype=np.int64)
    return ActivationBatch(
        {"layer": LayerValues(tensor, tensor.amin(1), tensor.amax(1))},
        np.arange(rows, dtype=np.uint64),
        unknown,
        unknown if labels is None else labels.astype(np.int64),
    )


def space_of(centroids, columns, class_index=None):
    clusterings = []
    for row in centroids:
        values = row[~np.isnan(row)]
        clusterings.append(Clustering(values, len(values), None, False, 0, 0.0, (0,) * len(values)))
    return CombinationSpace(
        "space", "layer", "layer", class_index, tuple(("layer", int(c)) for c in columns),
        (0.0,) * len(columns), tuple(clusterings), 6, "as asked",
    )  # fmt: skip


def covered(space, batch):
    empty = CombinationCounts.empty(len(space.neurons))
    idc = ImportanceDrivenCoverage((space,), {"space": empty})
    for start in range(0, len(batch), 3000):
        idc.update(batch.select(np.arange(start, min(start + 3000, len(batch)))))
    return {m: (idc.rows_at(m)[0].covered, idc.rows_at(m)[0].total) for m in (6, 8, 10, 12)}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("net", ["lenet1", "lenet5"])
def test_combinations_and_covered_of_all_classes(oracle, net, variant):
    expected, arrays = oracle
    space = space_of(arrays[f"{net}_all_{variant}_centroids"], range(12))
    batch = batch_of(arrays[f"{net}_test_activations_top12"])
    assert np.array_equal(space.encode(batch), arrays[f"{net}_{variant}_test_combos"])
    result = expected[net]["scopes"]["all"]["variants"][variant]["result"]
    assert covered(space, batch) == {
        m: (result[str(m)]["covered"], result[str(m)]["INCC"]) for m in (6, 8, 10, 12)
    }


@pytest.mark.parametrize("variant", VARIANTS[:2])
@pytest.mark.parametrize("net", ["lenet1", "lenet5"])
def test_inputs_near_a_boundary(oracle, net, variant):
    """The oracle counts absolute distances; our relative ones take the same function."""
    expected, arrays = oracle
    space = space_of(arrays[f"{net}_all_{variant}_centroids"], range(12))
    values = space.values(batch_of(arrays[f"{net}_test_activations_top12"]))
    near = [
        clustering.near_boundary(values[:, i], 0.0, absolute=1e-4)
        for i, clustering in enumerate(space.clusterings)
    ]
    found = int(np.any(near, axis=0).sum())
    all_classes = expected[net]["scopes"]["all"]["variants"][variant]
    assert found == all_classes["test_inputs_within_1e4_of_a_boundary"]


@pytest.mark.parametrize("class_index", range(10))
def test_each_class_of_lenet1(oracle, class_index):
    """LeNet-1's layer has twelve channels, so the twelve of any class are all at hand."""
    if not LABELS.exists():
        pytest.skip(f"no MNIST labels at {LABELS}")
    expected, arrays = oracle
    labels = np.frombuffer(LABELS.read_bytes(), dtype=np.uint8, offset=8)
    column = {int(neuron): i for i, neuron in enumerate(arrays["lenet1_all_top"])}
    top = arrays[f"lenet1_{class_index}_top"]
    space = space_of(
        arrays[f"lenet1_{class_index}_zeros_kept_centroids"],
        [column[int(neuron)] for neuron in top],
        class_index,
    )
    result = expected["lenet1"]["scopes"][str(class_index)]["variants"]["zeros_kept"]["result"]
    batch = batch_of(arrays["lenet1_test_activations_top12"], labels)
    assert covered(space, batch) == {
        m: (result[str(m)]["covered"], result[str(m)]["INCC"]) for m in (6, 8, 10, 12)
    }
