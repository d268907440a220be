from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from pytest_deepimportance.models.restore import depends_on_mode, evaluating


def mixed() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)), nn.ReLU()
    )
    model.train()
    model[1][1].eval()
    model[2].training = False
    return model


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_eval_inside_and_the_exact_modes_after():
    model = mixed()
    before = modes(model)
    with evaluating(model):
        assert not any(modes(model))
    assert modes(model) == before
    assert len(set(before)) == 2


def test_modes_come_back_after_an_exception_and_when_nested():
    model = mixed()
    before = modes(model)
    with pytest.raises(ValueError, match="inside"), evaluating(model), evaluating(model):
        raise ValueError("inside")
    assert modes(model) == before


def test_a_change_of_mode_inside_is_undone():
    model = mixed().eval()
    with evaluating(model):
        model.train()
    assert not any(modes(model))


def test_own_train_method_is_not_called():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def train(self, mode=True):
            self.calls += 1
            return super().train(mode)

    model = Frozen()
    with evaluating(model):
        assert model.training is False
    assert model.training is True
    assert model.calls == 0


class Quiet(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5, training=True)


class Asks(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5, training=self.training)


class AsksElsewhere(nn.Module):
    def forward(self, x):
        return self._noise(x)

    def _noise(self, x):
        return (lambda: x + 1 if self.training else x)()


class Inherits(Asks):
    pass


class OwnDropout(nn.Dropout):
    pass


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Linear(2, 2), False),
        (nn.Dropout(0.5), True),
        (nn.Dropout(0.0), False),
        (nn.Dropout2d(0.1), True),
        (nn.AlphaDropout(0.1), True),
        (OwnDropout(0.1), True),
        (OwnDropout(0.0), False),
        (nn.BatchNorm2d(2), True),
        (nn.BatchNorm2d(2, track_running_stats=False), False),
        (nn.InstanceNorm2d(2), False),
        (nn.InstanceNorm2d(2, track_running_stats=True), True),
        (nn.LayerNorm(2), False),
        (nn.GroupNorm(1, 2), False),
        (nn.RReLU(), True),
        (nn.RReLU(0.2, 0.2), False),
        (nn.MultiheadAttention(4, 2), False),
        (nn.MultiheadAttention(4, 2, dropout=0.1), True),
        (nn.LSTM(2, 2, num_layers=2, dropout=0.1), True),
        (nn.LSTM(2, 2), False),
        (nn.TransformerEncoderLayer(4, 2, dropout=0.0), False),
        (nn.TransformerEncoderLayer(4, 2, dropout=0.1), True),
        (Quiet(), False),
        (Asks(), True),
        (AsksElsewhere(), True),
        (Inherits(), True),
        (nn.Sequential(nn.ReLU(), nn.Sequential(nn.Dropout())), True),
    ],
    ids=lambda value: str(value).split("\n")[0],
)
def test_depends_on_mode(module: nn.Module, expected: bool):
    assert depends_on_mode(module) is expected


def test_depends_on_mode_agrees_with_the_outputs():
    x = torch.randn(64, 4)
    for module in (
        nn.Linear(4, 4),
        nn.Dropout(0.5),
        nn.BatchNorm1d(4),
        nn.RReLU(),
        nn.Dropout(0.0),
    ):
        with torch.no_grad():
            differs = not torch.equal(module.train()(x), module.eval()(x))
        assert depends_on_mode(module) is differs


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_scripted_modules_hide_it():
    assert depends_on_mode(nn.Sequential(torch.jit.script(nn.Linear(2, 2))))
