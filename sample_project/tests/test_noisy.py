"""Scans are noisy."""

import pytest
import torch
from app.data import add_noise


@pytest.mark.idc_suite(name="noisy", requirement="ML-REQ-2")
@pytest.mark.parametrize(("sigma", "least"), [(0.10, 0.93), (0.15, 0.90)])
def test_noise(sigma, least, classifier, golden, idc):
    images, labels = (part[::4] for part in golden)
    with torch.no_grad():
        logits = classifier(add_noise(images, sigma, seed=0))
    idc.labels(labels)
    assert (logits.argmax(1) == labels).float().mean() >= least
