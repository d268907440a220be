"""Spaces, batches and criteria made by hand."""

from __future__ import annotations

import numpy as np
import torch

from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.clustering.kmeans import Clustering
from pytest_deepimportance.criteria.idc import ImportanceDrivenCoverage
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.statistics.combination_counts import CombinationCounts


def with_centroids(*centroids):
    values = np.array(centroids, dtype=np.float64)
    return Clustering(values, len(values), None, len(values) == 1, 10, 0.0, (1,) * len(values))


def space_of(clusterings, m=None, name="fc", layer="fc", class_index=None, class_name=""):
    return CombinationSpace(
        name=name, scope="layer", layer=layer, class_index=class_index,
        neurons=tuple((layer, i) for i in range(len(clusterings))),
        scores=tuple(float(-i) for i in range(len(clusterings))),
        clusterings=tuple(clusterings), m=m or len(clusterings), m_from="as asked",
        class_name=class_name,
    )  # fmt: skip


def batch_of(rows, labels=None, digests=None, layer="fc"):
    tensor = torch.tensor(rows, dtype=torch.float32)
    labels = np.full(len(rows), -1) if labels is None else np.array(labels)
    digests = np.arange(len(rows)) if digests is None else np.array(digests, dtype=np.uint64)
    values = LayerValues(tensor, tensor.amin(1), tensor.amax(1))
    return ActivationBatch({layer: values}, digests.astype(np.uint64), labels, labels)


def idc_of(space, reference, classes=None, fitted=None):
    classes = np.full(len(reference), -1) if classes is None else np.array(classes)
    fitted = np.ones(len(reference), dtype=bool) if fitted is None else np.array(fitted)
    codes = space.encode(batch_of(reference))
    counts = CombinationCounts.from_rows(codes, classes, fitted, np.arange(len(reference)))
    return ImportanceDrivenCoverage((space,), {space.name: counts})
