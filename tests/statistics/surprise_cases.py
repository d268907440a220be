"""Small references and inputs for the three surprise adequacies."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pytest_deepimportance.statistics.class_moments import ClassMoments
from pytest_deepimportance.statistics.traces import Traces


def rows_of(generator, count, width, classes=3, dtype=np.float32, smallest=0.0):
    """Values after ReLU (`smallest`: another floor) with a mean per class, and the classes."""
    labels = generator.integers(0, classes, count)
    means = np.random.default_rng(width).normal(size=(classes, width))
    values = means[labels] + generator.normal(size=(count, width))
    return np.maximum(values, smallest).astype(dtype), labels


def traces_of(values, classes, limit=10_000):
    traces = Traces(limit)
    traces.update(values, np.asarray(classes, np.int64), np.arange(len(values), dtype=np.uint64))
    return traces


def moments_of(values, classes):
    moments = ClassMoments()
    moments.update(values, np.asarray(classes, np.int64))
    return moments


def same_in_any_batch(measure, values, classes):
    """Whether each row's number is the same to the last bit alone, reordered, and in parts."""
    whole = measure(values, classes)
    order = np.random.default_rng(0).permutation(len(values))
    cuts = [*range(0, len(values), 7), len(values)]
    parts = [measure(values[a:b], classes[a:b]) for a, b in pairwise(cuts)]
    found = {
        "reordered": measure(np.asfortranarray(values[order]), classes[order]) == whole[order],
        "in parts": np.concatenate(parts) == whole,
        "alone": [measure(values[i : i + 1], classes[i : i + 1])[0] == whole[i] for i in order],
    }
    missing = {"reordered": np.isnan(whole[order]), "in parts": np.isnan(whole)}
    missing["alone"] = missing["reordered"]
    return all((np.asarray(equal) | missing[name]).all() for name, equal in found.items())
