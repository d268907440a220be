"""A neuron of a recurrent layer is one of its output features, the mean over real steps."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.padding import padding_mask
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.recording.neurons import reduce_to_neurons
from pytest_deepimportance.recording.reader import SiteReader
from tests.attribution.lrp.recurrent_nets import Classifier, Form

LENGTHS = torch.tensor([3, 6, 2, 6])


def made(form):
    torch.manual_seed(0)
    model = Classifier(form).eval()
    call = as_call({"x": torch.randint(20, (4, 6)), "lengths": LENGTHS})
    return model, call


def recorded(model, call, sites):
    found = {}

    def on_site(site, tensor):
        found[site.name] = reduce_to_neurons(tensor, site, "mean", padding_mask(call))

    reader = SiteReader(model, sites.sites, on_site)
    reader.attach()
    reader.begin()
    with torch.no_grad():
        model(*call.args, **call.kwargs)
    reader.end()
    reader.detach()
    return found


def by_hand(model, call):
    """Mean of the layer's outputs over the real steps, one sequence at a time."""
    rows = []
    for row, length in enumerate(LENGTHS.tolist()):
        fed = length if model.form.packed else call.kwargs["x"].shape[1]
        x = model.embed(call.kwargs["x"][row : row + 1, :fed])
        out = model.rnn(x if model.form.batch_first else x.transpose(0, 1))[0]
        out = out if model.form.batch_first else out.transpose(0, 1)
        rows.append(out[0, :length].mean(0))
    return torch.stack(rows).detach()


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_neurons_are_means_over_real_steps(kind):
    for packed, last, first, both in itertools.product((False, True), repeat=4):
        form = Form(kind, packed=packed, last=last, batch_first=first, bidirectional=both)
        model, call = made(form)
        sites = find_sites(model, call)
        site = sites.find("rnn")
        assert (site.type, site.units) == (kind.__name__, 10 if both else 5)
        assert site.rows_are_inputs
        assert sites.default == "fc"
        found = recorded(model, call, sites)["rnn"].values
        torch.testing.assert_close(found, by_hand(model, call))


def test_two_rows_of_two_steps_are_told_apart():
    model, _ = made(Form(batch_first=False))
    call = as_call({"x": torch.randint(20, (2, 2)), "lengths": torch.tensor([2, 2])})
    assert find_sites(model, call).find("rnn").row_axis == 1


class Straight(nn.Module):
    """Nothing lies between the recurrent layer's last states and the output layer."""

    def __init__(self):
        super().__init__()
        self.embed, self.lstm = nn.Embedding(9, 6), nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.lstm(self.embed(x))[1][0][-1])


def test_last_states_make_the_layer_the_last_hidden_one():
    call = as_call(torch.randint(9, (3, 7)))
    sites = find_sites(Straight().eval(), call)
    assert sites.default == "lstm"
    assert SiteMap.from_json(sites.to_json()) == sites


def test_an_activation_behind_the_layer_is_read():
    class Activated(Straight):
        def forward(self, x):
            return self.head(torch.relu(self.lstm(self.embed(x))[0]).mean(1))

    torch.manual_seed(0)
    model, call = Activated().eval(), as_call(torch.randint(9, (3, 7)))
    sites = find_sites(model, call)
    site = sites.find("lstm")
    assert site.activation == "relu"
    found = recorded(model, call, sites)["lstm"].values
    expected = torch.relu(model.lstm(model.embed(call.args[0]))[0]).mean(1).detach()
    torch.testing.assert_close(found, expected)
