"""Ordinary unit tests: unmarked, so nothing here is measured."""

import pytest
import torch
from app.data import add_noise, shift, split
from app.model import DigitsLeNet


def test_shift_moves_one_pixel():
    image = torch.zeros(1, 1, 8, 8)
    image[..., 3, 4] = 1
    assert shift(image, right=1, down=-1)[0, 0, 2, 5] == 1
    assert shift(image, right=1, down=-1).sum() == 1


def test_shift_refuses_more_than_one_pixel():
    with pytest.raises(ValueError, match="one pixel"):
        shift(torch.zeros(1, 1, 8, 8), right=2)


def test_noise_is_repeatable_and_stays_in_range():
    image = torch.full((4, 1, 8, 8), 0.5)
    noisy = add_noise(image, 0.4, seed=1)
    assert torch.equal(noisy, add_noise(image, 0.4, seed=1))
    assert noisy.min() >= 0
    assert noisy.max() <= 1


def test_reference_and_golden_do_not_overlap():
    reference, test = split()
    assert len(reference) == 1300
    assert not set(reference) & set(test)


def test_output_has_one_score_per_digit():
    assert DigitsLeNet().eval()(torch.rand(3, 1, 8, 8)).shape == (3, 10)
