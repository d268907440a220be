"""Recurrent layers: unrolled like torch, balanced, and equal to the slow twin."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.attribution.lrp.running import undisturbed
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.lrp.recurrent_nets import Classifier, Form
from tests.oracles import reference_recurrent

SWITCHES = ("packed", "last", "batch_first", "given", "bidirectional")
KINDS = [
    Form(nn.LSTM),
    Form(nn.LSTM, num_layers=2, proj_size=3),
    Form(nn.LSTM, bias=False),
    Form(nn.GRU, num_layers=2),
    Form(nn.GRU, bias=False),
    Form(nn.RNN, num_layers=2),
    Form(nn.RNN, nonlinearity="relu"),
]


def batch(rows=4):
    noise = torch.Generator().manual_seed(3)
    tokens = torch.randint(20, (rows, 6), generator=noise)
    return as_call({"x": tokens, "lengths": torch.tensor([3, 6, 2, 6][:rows])})


def built(form, dtype=torch.float64):
    torch.manual_seed(0)
    return Classifier(form).to(dtype).eval()


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("base", KINDS, ids=repr)
def test_every_form_is_torchs_and_balances(base):
    for values in itertools.product((False, True), repeat=len(SWITCHES)):
        form = replace(base, **dict(zip(SWITCHES, values, strict=True)))
        model, call = built(form), batch()
        lrp = LrpAttribution(model, find_sites(model, call), ["rnn", "fc"], check_forward=False)
        with undisturbed(model):
            bare, under = lrp.bare_scores(call), lrp.forward(call, conserve=True).scores
        assert (bare - under).abs().max() <= 1e-6 * bare.abs().max(), form
        found = lrp.attribute(call)
        assert found.conservation.balance < 1e-3, form
        assert lrp.notes == (), form
        assert found.relevance["rnn"].abs().sum() > 0, form


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_single_precision_is_torchs(kind):
    model, call = built(Form(kind, num_layers=2, bidirectional=True), torch.float32), batch()
    lrp = LrpAttribution(model, find_sites(model, call), ["fc"], check_forward=False)
    with undisturbed(model):
        bare, under = lrp.bare_scores(call), lrp.forward(call, conserve=True).scores
    assert (bare - under).abs().max() <= 1e-5 * bare.abs().max()


class FromFloats(nn.Module):
    """A linear layer whose relevance can be read by step, a recurrent layer, a head."""

    def __init__(self, kind):
        super().__init__()
        self.embed, self.rnn = nn.Linear(4, 3), kind(3, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, 2)

    def forward(self, x):
        return self.head(self.rnn(self.embed(x))[0][:, -1])


HIDDEN = 4


@pytest.mark.parametrize(("kind", "twin"), [(nn.LSTM, "lstm"), (nn.GRU, "gru")])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_relevance_of_each_step_equals_the_slow_twin(kind, twin, epsilon):
    torch.manual_seed(2)
    model = FromFloats(kind).double().eval()
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    call = as_call(x)
    lrp = LrpAttribution(
        model, find_sites(model, call), ["embed"], rule="epsilon", epsilon=epsilon, reduce="none"
    )
    found = lrp.attribute(call)
    weights = [parameter.detach().numpy() for parameter in model.rnn.parameters()]
    head = model.head.weight.detach().numpy()
    bias = model.head.bias.detach().numpy()
    steps = model.embed(x).detach().numpy()
    for row in range(len(x)):
        index = int(found.activations.predictions[row])

        def start(h, index=index):
            z = float(head[index] @ np.array(h) + bias[index])
            divisor = z + (epsilon if z >= 0 else -epsilon)
            return [float(w * a * z / divisor) for w, a in zip(head[index], h, strict=True)]

        expected = getattr(reference_recurrent, twin)(steps[row], weights, start, epsilon)
        got = found.relevance["embed"][row].reshape(5, 3).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


class Cells(nn.Module):
    """A loop of the user's over a cell."""

    def __init__(self, kind):
        super().__init__()
        self.embed, self.cell = nn.Embedding(20, 6), kind(6, 5)
        self.fc, self.head = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x):
        state = None
        for step in self.embed(x).unbind(1):
            state = self.cell(step, state)
        hidden = state[0] if isinstance(state, tuple) else state
        return self.head(torch.relu(self.fc(hidden)))


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cells(kind):
    torch.manual_seed(1)
    model = Cells(kind).double().eval()
    call = as_call(torch.randint(20, (4, 6)))
    lrp = LrpAttribution(model, find_sites(model, call), ["fc"])
    assert lrp.attribute(call).conservation.balance < 1e-3
    assert lrp.notes == ()


@pytest.mark.parametrize("form", [Form(), Form(last=True), Form(last=True, packed=True)], ids=repr)
def test_accounts_kept_or_not_give_the_same_relevance(form):
    model, call = built(form), batch()
    sites = find_sites(model, call)
    every, never = (
        LrpAttribution(model, sites, ["rnn"], conserve_every=number).attribute(call)
        for number in (1, 0)
    )
    torch.testing.assert_close(every.relevance["rnn"], never.relevance["rnn"])


def test_last_states_alone_give_the_layer_its_relevance():
    """Without biases, all of the relevance that the next layer gets comes from the last states."""
    model, call = built(Form(last=True, packed=True, bidirectional=True)), batch()
    for bias in (model.fc.bias, model.head.bias):
        nn.init.zeros_(bias)
    found = LrpAttribution(model, find_sites(model, call), ["rnn", "fc"], rule="z").attribute(call)
    torch.testing.assert_close(found.relevance["rnn"].sum(1), found.relevance["fc"].sum(1))


def test_the_users_layer_is_as_before():
    model, call = built(Form(num_layers=2)), batch()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    identities = [id(weight) for weight in model.rnn._flat_weights]
    LrpAttribution(model, find_sites(model, call), ["rnn"]).attribute(call)
    assert [id(weight) for weight in model.rnn._flat_weights] == identities
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_training_goes_on_after_an_attribution():
    model, call = built(Form()), batch()
    LrpAttribution(model, find_sites(model, call), ["rnn"]).attribute(call)
    model(*call.args, **call.kwargs).sum().backward()
    assert model.rnn.weight_hh_l0.grad.abs().sum() > 0
