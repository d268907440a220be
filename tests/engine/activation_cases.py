"""Activations of three layers for a reference and a suite, and how to measure them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import pytest_deepimportance as idc
from pytest_deepimportance.results import CriterionRow, Report

WIDTHS = {"fc1": 6, "fc2": 5, "out": 3}


def activations(rows: int, seed: int, spread: float = 1.0) -> tuple[dict[str, Any], Any]:
    """Activations by layer, (N, U) float32 each, of rows of three classes; and the classes."""
    generator = np.random.default_rng(seed)
    classes = np.arange(rows) % 3
    layers = {}
    for name, width in WIDTHS.items():
        centres = np.random.default_rng(width).normal(size=(3, width))
        values = centres[classes] + spread * generator.normal(size=(rows, width))
        layers[name] = values.astype(np.float32)
    return layers, classes


(REFERENCE, _learned), (SUITE, _tested) = activations(200, 1), activations(40, 2, spread=1.5)
CLASSES = (_learned, _tested)
SCORES = {name: np.random.default_rng(9).permutation(width) * 1.0 for name, width in WIDTHS.items()}


def measure(reference: Any = None, inputs: Any = None, **changes: Any) -> Report:
    """Measure the suite against the reference, with some arguments changed."""
    given: dict[str, Any] = {
        "reference_predictions": CLASSES[0],
        "input_predictions": CLASSES[1],
        "importance": SCORES,
    }
    return idc.measure_activations(
        REFERENCE if reference is None else reference,
        SUITE if inputs is None else inputs,
        **(given | changes),
    )


def numbers(rows: Mapping[str, CriterionRow], *names: str) -> dict[str, tuple[Any, ...]]:
    """What was counted, by row."""
    return {
        key: (row.covered, row.total, row.reach, row.exercised_rows)
        for key, row in rows.items()
        if not names or row.criterion in names
    }
