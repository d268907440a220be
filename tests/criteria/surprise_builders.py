"""Surprise criteria, references and batches made by hand."""

from __future__ import annotations

import numpy as np
import torch

from pytest_deepimportance.criteria import base
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.mahalanobis import MahalanobisDistances, calibrated_upper
from tests.statistics.surprise_cases import moments_of, rows_of, traces_of

NAMES = ("LSC", "DSC", "MDSC")


def provided_of(values, classes, limit=10_000, layer="fc"):
    """All that the three criteria need, from reference rows (R, d) and their classes."""
    moments = moments_of(values, classes)
    own = {
        inverse: MahalanobisDistances(moments, inverse).distances(values, np.asarray(classes))
        for inverse in ("ridge", "pinv")
    }
    return {
        "surprise_layer": layer,
        "traces": traces_of(values, classes, limit),
        "class_moments": moments,
        "mdsc_calibration": {name: calibrated_upper(found) for name, found in own.items()},
    }


def make(name, provided, **options):
    return base.create(name, provided, Settings(**options))


def batch_of(values, predictions, labels=None, digests=None, layer="fc"):
    tensor = values if isinstance(values, torch.Tensor) else torch.from_numpy(np.array(values))
    predictions = np.asarray(predictions, dtype=np.int64)
    labels = np.full(len(tensor), -1) if labels is None else np.asarray(labels)
    digests = np.arange(len(tensor)) if digests is None else np.asarray(digests)
    return ActivationBatch(
        {layer: LayerValues(tensor)}, digests.astype(np.uint64), predictions, labels
    )


def measured(name, provided, batch, **options):
    criterion = make(name, provided, **options)
    criterion.update(batch)
    (row,) = criterion.compute()
    return row


def example(rows=60, width=4, seed=0):
    """A reference of three classes, and a batch of inputs of four."""
    generator = np.random.default_rng(seed)
    values, classes = rows_of(generator, 300, width, smallest=-9)
    inputs, labels = rows_of(generator, rows, width, classes=4, smallest=-9)
    return provided_of(values, classes), batch_of(inputs, labels, labels)
