"""The writing may sit one pixel off."""

import pytest
from app.data import shift

DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}


@pytest.mark.idc_suite(name="shifted", requirement=["ML-REQ-1", "ML-REQ-3"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_shift_by_one_pixel(direction, classifier, golden, idc):
    images, labels = golden
    every_eighth = slice(list(DIRECTIONS).index(direction), None, 8)
    moved, truth = shift(images[every_eighth], *DIRECTIONS[direction]), labels[every_eighth]
    logits = idc(moved, labels=truth)  # the model's output; the labels go along
    assert (logits.argmax(1) == truth).float().mean() >= 0.85
