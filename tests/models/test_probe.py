"""The probe leaves no trace, says what is wrong, and guesses inputs."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import LayerError
from pytest_deepimportance.models.probe import guess_call
from pytest_deepimportance.models.sites import find_sites
from tests.models.nets import Residual, made


class Restless(nn.Module):
    """Draws random numbers, counts in a buffer, changes its input."""

    def __init__(self):
        super().__init__()
        self.fc, self.bn, self.out = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        x.add_(random.random() + float(np.random.rand()))
        h = torch.relu(self.bn(self.fc(x)) + torch.randn(5))
        return self.out(h)


def test_nothing_is_left_behind():
    model, x = Restless().train(), torch.randn(3, 4)
    model.bn.eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    before = x.clone()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    expected = (torch.rand(3), random.random(), np.random.rand())
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    find_sites(model, as_call(x))
    found = (torch.rand(3), random.random(), np.random.rand())
    assert torch.equal(found[0], expected[0])
    assert found[1:] == expected[1:]
    assert torch.equal(x, before)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


class Raising(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(x) @ torch.zeros(3, 3)


def test_a_forward_that_raises_is_explained():
    model = Raising().train()
    with pytest.raises(LayerError) as caught:
        find_sites(model, as_call(torch.randn(3, 4)))
    assert "forward raised RuntimeError" in str(caught.value)
    assert "a tensor (3, 4) float32" in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert caught.value.fix
    assert model.training
    assert torch.overrides._get_current_function_mode_stack() == []
    assert not model.fc._forward_hooks


def test_a_single_row_is_repeated():
    model, x = made(Residual, rows=1)
    sites = find_sites(model, as_call(x))
    assert all(site.rows_are_inputs for site in sites.sites)


class OneAtATime(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.out = nn.Linear(4, 5), nn.Linear(5, 2)

    def forward(self, x):
        assert len(x) == 1
        return self.out(torch.relu(self.fc(x)))


class FixedBatch(OneAtATime):
    def forward(self, x):
        return self.out(torch.relu(self.fc(x.view(3, 4))))


def test_models_of_a_fixed_batch_size():
    assert find_sites(OneAtATime(), as_call(torch.randn(1, 4))).default == "fc"
    assert find_sites(FixedBatch(), as_call(torch.randn(3, 4))).default == "fc"


def test_lazy_layers_need_one_forward_pass_first():
    with pytest.raises(LayerError, match=r"lazy parameter 0\.weight"):
        find_sites(nn.Sequential(nn.LazyLinear(3)), as_call(torch.randn(2, 4)))


def test_keyword_inputs():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.fc, self.out = nn.Embedding(9, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, input_ids, attention_mask):
            h = self.fc(self.embed(input_ids)) * attention_mask[..., None]
            return {"logits": self.out(torch.relu(h).mean(1))}

    batch = {"input_ids": torch.randint(9, (3, 5)), "attention_mask": torch.ones(3, 5)}
    sites = find_sites(Named(), as_call(batch))
    assert sites.find("fc").channel_axis == -1
    assert sites.default == "fc"


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 2)), (2, 9)),
        (
            nn.Sequential(nn.Conv2d(3, 4, 5), nn.Flatten(), nn.Linear(4 * 28 * 28, 2)),
            (2, 3, 32, 32),
        ),
        (nn.Sequential(nn.Conv1d(2, 3, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten()), (2, 2, 16)),
        (nn.Sequential(nn.Conv3d(1, 3, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten()), (2, 1, 8, 8, 8)),
        (nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2)), (2, 16)),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 2)), (2, 784)),
    ],
)
def test_inputs_are_guessed_from_the_first_layer(model, shape):
    state = torch.get_rng_state()
    call = guess_call(model)
    assert call is not None
    assert call.rows == 2
    assert tuple(call.args[0].shape) == shape
    assert torch.equal(torch.get_rng_state(), state)
    find_sites(model, call)


def test_nothing_is_guessed_when_nothing_fits():
    assert guess_call(nn.Sequential(nn.ReLU())) is None
    assert guess_call(nn.Sequential(nn.Linear(7, 2), nn.Linear(3, 2))) is None


def test_image_models_that_need_rows_of_pixels():
    class Pixels(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, 2)

        def forward(self, x):
            return self.fc(x.view(len(x), 1, 8, 8).mean(1).flatten(1))

    call = guess_call(Pixels())
    assert call is not None
    assert call.args[0].numel() == 128
