"""Accounts by row against plain sums."""

from __future__ import annotations

import pytest
import torch

from pytest_deepimportance.attribution.lrp.ledger import Ledger, conservation
from tests.attribution.nets import noise

CPU = torch.device("cpu")
TARGET = torch.tensor([2.0, -1.0, 4.0], dtype=torch.float64)


def column(ledger: Ledger, row: int) -> list[float]:
    return ledger.table(TARGET)[row].tolist()


def test_rows_are_told_apart() -> None:
    gradient, value, channels = noise(3, 4, 2, 2), noise(3, 4, 2, 2, seed=2), noise(4, seed=3)
    ledger = Ledger(3, CPU)
    ledger.dot("input", gradient, value, 2.0)
    ledger.constant("bias", gradient, 0.5)
    ledger.channels("shift", gradient, channels, 1, less="stabiliser")
    table = ledger.table(TARGET)
    expected = torch.stack(
        [
            TARGET,
            2 * (gradient * value).sum((1, 2, 3)),
            0.5 * gradient.sum((1, 2, 3)),
            (gradient * channels.view(1, 4, 1, 1)).sum((1, 2, 3)),
            -(gradient * channels.view(1, 4, 1, 1)).sum((1, 2, 3)),
            torch.zeros(3, dtype=torch.float64),
        ]
    )
    torch.testing.assert_close(table, expected)


def test_channels_last_and_tokens_as_rows() -> None:
    gradient, channels = noise(3, 5, 4), noise(4, seed=3)
    first, second = Ledger(3, CPU), Ledger(3, CPU)
    first.channels("bias", gradient, channels, -1)
    second.channels("bias", gradient.reshape(15, 4), channels, -1)
    torch.testing.assert_close(first.table(TARGET), second.table(TARGET))


def test_what_has_no_rows_counts_for_the_batch() -> None:
    ledger = Ledger(3, CPU)
    ledger.dot("input", noise(5), noise(5, seed=2))
    ledger.constant("bias", noise(4, 3), 2.0)
    account = conservation(ledger.table(TARGET), torch.ones(3, dtype=torch.bool))
    assert account.input == pytest.approx(float(noise(5) @ noise(5, seed=2)))
    assert account.bias == pytest.approx(2 * float(noise(4, 3).sum()))
    assert account.residual_abs == pytest.approx(abs(5 - account.input - account.bias))


def test_conservation_sums_usable_rows() -> None:
    ledger = Ledger(3, CPU)
    ledger.dot("input", torch.tensor([[1.0], [float("nan")], [3.0]]), torch.ones(3, 1))
    account = conservation(ledger.table(TARGET), torch.tensor([True, False, True]))
    assert (account.target, account.target_abs, account.input, account.rows) == (6, 6, 4, 2)
    assert account.residual_abs == 2
    spoiled = conservation(ledger.table(TARGET), torch.tensor([False, True, False]))
    assert spoiled.balance == 1
    assert conservation(ledger.table(TARGET), torch.zeros(3, dtype=torch.bool)).rows == 0
