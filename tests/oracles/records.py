"""shared/oracles: what three public implementations and the papers give for fixed activations.

Every function skips the calling test where the shared folder is absent.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np

from tests.oracles import paper

Arrays = dict[str, np.ndarray[Any, Any]]
Case = tuple[Arrays, Arrays, Arrays]

NEURAL_COVERAGE = "NeuraL-Coverage"
DNN_TIP = "dnn-tip"
DEEPIMPORTANCE = "DeepImportance"
INDEPENDENT = "independent numpy"


@cache
def _all() -> list[dict[str, Any]]:
    text = paper.shared("oracles", "expected.json").read_text(encoding="utf-8")
    result: list[dict[str, Any]] = json.loads(text)["records"]
    return result


def records(criterion: str, source: str = "") -> list[dict[str, Any]]:
    """Records of one criterion ("NC", "KMNC"...), if asked of one of the sources above only."""
    return [r for r in _all() if r["criterion"] == criterion and r["source"].startswith(source)]


@cache
def case(name: str) -> Case:
    """Return (training layers, test layers, labels and predictions) of one case.

    The layers are float32 and in network order; the third has train_labels, test_labels,
    train_pred and test_pred.
    """
    with np.load(paper.shared("oracles", f"{name}.npz"), allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    layers = arrays.pop("layers").tolist()
    train = {layer: arrays.pop(f"train__{layer}") for layer in layers}
    test = {layer: arrays.pop(f"test__{layer}") for layer in layers}
    return train, test, arrays


@cache
def surprise(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return one vector of surprise adequacies, by a record's `array` or "CASE|LSA|paper"."""
    with np.load(paper.shared("oracles", "expected_surprise.npz"), allow_pickle=False) as file:
        result: np.ndarray[Any, np.dtype[np.float64]] = file[name]
        return result
