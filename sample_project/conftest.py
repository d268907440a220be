"""What the tests share: the network as the service loads it, and its predictions.

Nothing here knows about coverage: this is how the suite looked before the plugin came.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from app.data import load_test
from app.model import DigitsLeNet, load_classifier

WEIGHTS = Path(__file__).resolve().parent.parent / "fixtures" / "digits_lenet.safetensors"


@dataclass(frozen=True)
class Predictions:
    """Logits (N, 10) and true labels (N,) of the same images."""

    logits: torch.Tensor
    labels: torch.Tensor

    def accuracy(self, digit: int | None = None) -> float:
        rows = slice(None) if digit is None else self.labels == digit
        hits = self.logits[rows].argmax(1) == self.labels[rows]
        return float(hits.float().mean())


@pytest.fixture(scope="session")
def classifier() -> DigitsLeNet:
    """The trained network."""
    return load_classifier(WEIGHTS)


@pytest.fixture(scope="session")
def golden() -> tuple[torch.Tensor, torch.Tensor]:
    """The 497 test images and their labels."""
    return load_test()


@pytest.fixture(scope="module")
def clean(classifier: DigitsLeNet, golden: tuple[torch.Tensor, torch.Tensor]) -> Predictions:
    """Predictions for the test images as they are, computed once for a module."""
    images, labels = golden
    with torch.no_grad():
        return Predictions(classifier(images), labels)
