"""Sites of small nets, against lists written by hand."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sites import find_sites
from tests.models.nets import NETS, Dense, FunctionalLeNet, Residual, Reused, Tokens, made


@pytest.mark.parametrize("kind", NETS)
def test_sites_are_the_ones_written_by_hand(kind):
    model, x = made(kind)
    sites = find_sites(model, as_call(x))
    manual = model.manual(x)
    assert tuple(site.name for site in sites.sites) == kind.sites
    assert sites.default == kind.default
    assert [site.name for site in sites.sites if site.is_output] == [kind.sites[-1]]
    for site in sites.sites:
        assert site.units == manual[site.name].shape[site.channel_axis]
        assert site.rows_are_inputs
        assert site.row_axis == 0


def test_one_residual_add_is_crossed_and_named_after_the_activation():
    model, x = made(Residual)
    sites = find_sites(model, as_call(x))
    first, second = sites.find("relu#2"), sites.find("relu#4")
    assert first.feeders == ("conv1b",)
    assert set(second.feeders) == {"conv2b", "down"}
    assert sites.find("conv2b") is second
    assert sites.find("down") is second
    assert "shared" in second.flags
    assert "shared" not in first.flags
    assert sites.find("relu#1") is sites.find("conv1")
    assert "no activation" in sites.find("conv3").flags


def test_functional_activation_carries_its_arguments():
    model, x = made(FunctionalLeNet)
    site = find_sites(model, as_call(x)).find("fc2")
    assert (site.reading.via, site.reading.module) == ("module", "fc2")
    assert site.reading.function == "leaky_relu"
    assert dict(site.reading.arguments) == {"negative_slope": 0.3}
    assert site.graph_reading is not None
    assert site.graph_reading.via == "function"


def test_final_softmax_and_log_softmax_are_named():
    for kind, name in ((FunctionalLeNet, "log_softmax"), (Reused, "softmax"), (Dense, None)):
        model, x = made(kind)
        assert find_sites(model, as_call(x)).output_activation == name


def test_repeated_calls_and_second_names():
    model, x = made(Reused)
    sites = find_sites(model, as_call(x))
    assert sites.find("other").name == "inner"
    assert [sites.find(f"shared{n}").reading.call for n in ("", "#1", "#2")] == [0, 1, 2]
    assert "reused" in sites.find("shared#1").flags


def test_two_kinds_of_readers_are_flagged():
    model, x = made(Dense)
    site = find_sites(model, as_call(x)).find("split")
    assert "branches" in site.flags
    assert site.activation is not None


def test_whole_modules_count_as_one_step():
    model, x = made(Tokens)
    sites = find_sites(model, as_call(x))
    assert sites.find("fc1").activation == "swish"
    assert sites.find("fc1").channel_axis == -1
    assert sites.find("swish").name == "fc1"


class Heads(nn.Module):
    """Two heads as a tuple; the first is the model's output."""

    def __init__(self):
        super().__init__()
        self.body, self.score, self.box = nn.Linear(4, 6), nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, x):
        h = torch.relu(self.body(x))
        return {"boxes": self.box(h), "logits": self.score(h)}


def test_the_scores_are_the_output():
    sites = find_sites(Heads(), as_call(torch.randn(3, 4)))
    assert [site.name for site in sites.sites if site.is_output] == ["score"]
    assert sites.default == "body"


class TimeFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.out = nn.Linear(5, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.out(torch.relu(self.fc(x.transpose(0, 1))).mean(0))


def test_time_first_layout_is_understood():
    sites = find_sites(TimeFirst(), as_call(torch.randn(3, 7, 5)))
    assert sites.find("fc").row_axis == 1
    assert sites.find("fc").rows_are_inputs


class Regions(nn.Module):
    """Rows of the head are regions, 3 an image."""

    def __init__(self):
        super().__init__()
        self.body, self.head, self.out = nn.Linear(6, 6), nn.Linear(2, 4), nn.Linear(12, 2)

    def forward(self, x):
        h = torch.relu(self.body(x)).reshape(-1, 2)
        return self.out(torch.relu(self.head(h)).reshape(len(x), -1))


def test_rows_that_are_not_inputs_are_never_the_default():
    sites = find_sites(Regions(), as_call(torch.randn(4, 6)))
    assert not sites.find("head").rows_are_inputs
    assert sites.default == "body"
    assert [site.name for site in sites.candidates()] == ["body"]


class SideBranch(nn.Module):
    """The last hidden site in execution order does not lead to the output."""

    def __init__(self):
        super().__init__()
        self.body, self.side, self.out = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x):
        h = torch.relu(self.body(x))
        self.kept = torch.relu(self.side(h))
        return self.out(h)


def test_default_leads_to_the_output():
    sites = find_sites(SideBranch(), as_call(torch.randn(2, 4)))
    assert [site.name for site in sites.sites] == ["body", "side", "out"]
    assert sites.default == "body"


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_every_convolution_is_a_layer(dimensions, transposed):
    kind = getattr(nn, f"Conv{'Transpose' if transposed else ''}{dimensions}d")
    model = nn.Sequential(kind(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
    x = torch.randn(2, 2, *[4] * dimensions)
    model(x)
    sites = find_sites(model, as_call(x))
    first = sites.find("0")
    assert (first.type, first.units, first.channel_axis) == (kind.__name__, 3, 1)
    assert first.activation == "1"
    assert sites.default == "0"


def test_embedding_is_no_site():
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 3), nn.ReLU(), nn.Flatten())
    model.append(nn.Linear(15, 2))
    sites = find_sites(model, as_call(torch.randint(9, (3, 5))))
    assert [site.name for site in sites.sites] == ["1", "4"]
    assert not sites.unmeasured


def test_a_lone_layer_is_an_output_without_hidden_layers():
    sites = find_sites(nn.Linear(3, 2), as_call(torch.randn(4, 3)))
    assert [(site.name, site.is_output) for site in sites.sites] == [("Linear", True)]
    assert sites.default is None
    assert sites.no_default == "the model has no hidden layer (only Linear)"
    assert not sites.notes


class GuessedShape(nn.Module):
    """Shapes and branches that depend on the data."""

    def __init__(self):
        super().__init__()
        self.fc, self.more, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        h = torch.relu(self.fc(x))
        if h.sum().item() > 1e9:
            h = torch.relu(self.more(h))
        kept = h[h.sum(1) > -1]
        assert kept.nonzero().shape[1] == 2
        return self.out(kept)


def test_data_dependent_operations_do_not_crash():
    sites = find_sites(GuessedShape(), as_call(torch.rand(4, 4)))
    assert [site.name for site in sites.sites] == ["fc", "out"]
    assert [item.name for item in sites.unmeasured] == ["more"]


class InPlaceViews(nn.Module):
    """Memory is changed through views and slices."""

    def __init__(self):
        super().__init__()
        self.fc, self.mid, self.out = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = self.fc(x)
        torch.relu_(h.view(-1))
        h = self.mid(h)
        h[:, :3].zero_()
        h.add_(1)
        return self.out(h)


def test_changes_through_views_are_followed():
    model = InPlaceViews()
    sites = find_sites(model, as_call(torch.randn(3, 4)))
    assert [site.name for site in sites.sites] == ["fc", "mid", "out"]
    assert sites.default == "mid"
    assert "no activation" in sites.find("mid").flags


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.from_numpy(2 * x.detach().numpy())

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class OutOfSight(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.out = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.out(Twice.apply(self.fc(x)))


def test_what_torch_does_not_show_still_connects():
    sites = find_sites(OutOfSight(), as_call(torch.randn(3, 4)))
    assert sites.default == "fc"
    assert any("out of torch's sight" in note for note in sites.notes)


def test_site_map_survives_json():
    import json

    from pytest_deepimportance.models.sitemap import SiteMap

    model, x = made(FunctionalLeNet)
    sites = find_sites(model, as_call(x))
    assert SiteMap.from_json(json.loads(json.dumps(sites.to_json()))) == sites


def test_a_dropout_that_passes_values_through_is_not_where_they_are_read():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    reading = find_sites(layer, as_call(torch.randn(3, 5, 8))).find("linear1").reading
    assert (reading.module, reading.function) == ("linear1", "relu")


class SwitchedOff(nn.Linear):
    def forward(self, x):
        return x


def test_a_layer_that_returns_its_input_is_no_site():
    model = nn.Sequential(SwitchedOff(4, 4), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    sites = find_sites(model, as_call(torch.randn(2, 4)))
    assert [site.name for site in sites.sites] == ["1", "3"]


def test_exported_programs_have_the_same_sites():
    model, x = made(Residual)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    eager, exported = (
        find_sites(net, as_call(x)) for net in (model, torch.export.unflatten(program))
    )
    assert [site.name for site in exported.sites] == [site.name for site in eager.sites]
    assert exported.default == eager.default
    for one, two in zip(eager.sites, exported.sites, strict=True):
        assert (one.type, one.units, one.reading) == (two.type, two.units, two.reading)
    assert not exported.unmeasured


def test_the_probe_keeps_nothing_alive():
    model, x = made(FunctionalLeNet)
    alive = weakref.ref(model)
    gc.collect()
    gc.disable()
    try:
        find_sites(model, as_call(x))
        del model
        assert alive() is None
    finally:
        gc.enable()
