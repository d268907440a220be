"""Images of what was recorded: kept only when asked for, and only of inputs that count."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.digests import row_digests
from tests.recording.nets import recording


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2)).eval()


@pytest.mark.parametrize("images", [True, False])
def test_images_are_kept_only_when_asked_for(images: bool) -> None:
    x = torch.randn(3, 1, 8, 8)
    model = net()
    with recording(model, example=x, images=images) as (_, block):
        model(x[:2])
        model(x[2:].clone().requires_grad_()).sum().backward()
    digests = row_digests(as_call(x))
    wanted = set(digests[:2].tolist()) if images else set()
    assert set(block.thumbnails(digests)) == wanted
    assert set(block.thumbnails(digests[:1])) == wanted & set(digests[:1].tolist())


def test_a_picture_is_of_the_input_as_it_was_given() -> None:
    x = torch.rand(1, 1, 8, 8)
    model = net()
    with recording(model, example=x, images=True) as (_, block):
        digests = row_digests(as_call(x))
        model(x)
        before = block.thumbnails(digests)
        x.zero_()
    assert block.thumbnails(digests) == before
