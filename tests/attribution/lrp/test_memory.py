"""The micro-batch follows the budget, and the model is left alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_deepimportance.attribution.lrp.memory import micro_batch
from pytest_deepimportance.data.batches import as_call
from tests.attribution.nets import LeNet, Residual, noise


def test_rows_follow_the_budget() -> None:
    net, call = LeNet(), as_call(noise(5, 1, 28, 28, dtype=torch.float32))
    # conv1 alone keeps 6 x 24 x 24 numbers of four bytes for each row.
    assert micro_batch(net, call, 6 * 24 * 24 * 4) == 1
    small, large = (micro_batch(net, call, size) for size in (1 << 20, 1 << 22))
    assert 1 < small < large < (1 << 22) // (6 * 24 * 24 * 4)
    assert large == pytest.approx(4 * small, abs=4)
    assert micro_batch(net, call, 1) == 1
    assert micro_batch(net, call, 1 << 40) == 1024


def test_weights_do_not_count() -> None:
    net = nn.Sequential(nn.Linear(4, 20_000), nn.ReLU(), nn.Linear(20_000, 3))
    call = as_call(noise(1, 4, dtype=torch.float32))
    assert micro_batch(net, call, 8 << 20) > 8


def test_the_model_is_left_alone() -> None:
    net = Residual()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert micro_batch(net, as_call(noise(1, 2, 8, 8, dtype=torch.float32)), 1 << 30) > 1
    assert net.training
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_rules_that_split_contributions_take_fewer_rows() -> None:
    net, call = LeNet(), as_call(noise(5, 1, 28, 28, dtype=torch.float32))
    plain, z, gamma, mixed = (
        micro_batch(net, call, 1 << 22, rule) for rule in ("epsilon", "z", "gamma", "epsilon-plus")
    )
    assert plain == z > gamma == mixed > 1
