"""What cannot be measured is listed with its reason."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import LayerError
from pytest_deepimportance.models.sites import find_sites


def reasons(model, x):
    sites = find_sites(model.eval(), as_call(x))
    return sites, {item.name: (item.type, item.reason) for item in sites.unmeasured}


class Functional(nn.Module):
    """Layers on plain parameters, and a head that shares a weight."""

    def __init__(self):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(5, 4))
        self.fc = nn.Linear(5, 6)
        self.holder = nn.Linear(6, 3)
        self.hidden = [nn.Linear(6, 6)]  # not registered

    def forward(self, x):
        h = torch.relu(F.linear(x, self.w1))
        h = torch.relu(self.hidden[0](torch.relu(self.fc(h))))
        return h @ self.holder.weight.t() + self.holder.bias


def test_functional_layers():
    sites, found = reasons(Functional(), torch.randn(3, 4))
    assert [site.name for site in sites.sites] == ["fc"]
    assert sites.default == "fc"
    assert found["w1"][0] == "Parameter"
    assert "linear() in Functional.forward" in found["w1"][1]
    assert found["holder"][0] == "Linear"
    assert "never called" in found["holder"][1]
    assert "not parameters of the model" in found["linear"][1]
    with pytest.raises(LayerError, match="'w1' cannot be measured"):
        sites.find("w1")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        h = torch.tanh(self.embed(x))
        return self.head(self.attend(h, h, h, need_weights=False)[0][:, 0])


def test_attention_projections():
    sites, found = reasons(Attention(), torch.randn(3, 5, 6))
    assert [site.name for site in sites.sites] == ["embed", "head"]
    assert sites.default == "embed"
    assert list(found) == ["attend.out_proj"]
    assert "no hook fires" in found["attend.out_proj"][1]


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.embed, self.cell = nn.Embedding(9, 6), kind(6, 5)
        self.fc, self.head = nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, x):
        state = None
        for step in self.embed(x).unbind(1):
            state = self.cell(step, state)
        hidden = state[0] if isinstance(state, tuple) else state
        return self.head(torch.relu(self.fc(hidden)))


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_cells(kind):
    sites, found = reasons(Recurrent(kind), torch.randint(9, (3, 7)))
    assert [site.name for site in sites.sites] == ["fc", "head"]
    assert sites.default == "fc"
    assert found == {"cell": (kind.__name__, found["cell"][1])}
    assert "recurrent" in found["cell"][1]


class NeverCalled(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.out = nn.Linear(4, 4), nn.Linear(4, 2)
        self.aux = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.ReLU())
        self.table = nn.Embedding(3, 4)

    def forward(self, x):
        return self.out(torch.relu(self.fc(x)))


def test_layers_that_are_never_called():
    _, found = reasons(NeverCalled(), torch.randn(3, 4))
    assert list(found) == ["aux.0"]
    assert "never called" in found["aux.0"][1]


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.out = nn.Linear(4, 4), nn.Linear(4, 2)
        self.middle = torch.jit.trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.randn(2, 4))

    def forward(self, x):
        return self.out(self.middle(torch.relu(self.first(x))))


@pytest.mark.filterwarnings("ignore:.*jit.*")
def test_scripted_parts():
    sites, found = reasons(Scripted(), torch.randn(3, 4))
    assert [site.name for site in sites.sites] == ["first", "out"]
    assert sites.default == "first"
    assert list(found) == ["middle"]
    assert "TorchScript" in found["middle"][1]


class Custom(nn.Module):
    """A layer class of the user's own, called as a module."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x):
        return F.linear(x, F.normalize(self.weight, dim=1))


def test_a_layer_class_of_the_users_own():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), Custom())
    sites, found = reasons(model, torch.randn(3, 4))
    assert list(found) == ["2"]
    assert found["2"][0] == "Custom"
    assert sites.default == "0"
