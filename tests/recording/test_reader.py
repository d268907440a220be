"""Reading sites during passes: values, counters, threads, copies, and leaving no trace."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import pickletools
import threading
import weakref
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import LayerError
from pytest_deepimportance.models.sitemap import Reading
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.recording.reader import SiteReader
from tests.models.nets import NETS, FunctionalLeNet, FunctionalResidual, Mlp, Residual, Reused, made


def read(model, x, sites, **options):
    """Return what each site holds in one pass, copied, by name."""
    found = {}

    def on_site(site, tensor):
        assert site.name not in found
        found[site.name] = tensor.detach().clone()

    reader = SiteReader(model, sites, on_site, **options)
    reader.attach()
    reader.begin()
    try:
        model(x)
    finally:
        reader.end()
        reader.detach()
    return found


def without_hooks(model):
    return all(
        not module._forward_hooks and not module._forward_pre_hooks for module in model.modules()
    )


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("kind", NETS)
def test_values_equal_a_manual_forward_exactly(kind, in_graph):
    model, x = made(kind)
    sites = find_sites(model, as_call(x)).sites
    with torch.no_grad():
        found, manual = read(model, x, sites, in_graph=in_graph), model.manual(x)
        assert set(found) == set(manual)
        for name, value in manual.items():
            assert torch.equal(found[name], value), name
    assert without_hooks(model)


def test_each_way_to_find_a_site_gives_the_same_values():
    model, x = made(FunctionalLeNet)
    sites = find_sites(model, as_call(x)).sites
    by_hook = [site for site in sites if site.graph_reading is not None]
    by_mode = [replace(site, reading=site.graph_reading) for site in by_hook]
    assert len(by_hook) >= 3
    with torch.no_grad():
        one, two = read(model, x, by_hook), read(model, x, by_mode)
        for name in one:
            assert torch.equal(one[name], two[name])
            assert torch.equal(one[name], model.manual(x)[name])


def test_a_site_is_read_the_same_alone_and_together():
    model, x = made(Residual)
    sites = find_sites(model, as_call(x)).sites
    together = read(model, x, sites)
    for site in sites:
        assert torch.equal(read(model, x, [site])[site.name], together[site.name])


def test_tap_pre_reads_the_layers_own_output():
    model, x = made(FunctionalLeNet)
    sites = find_sites(model, as_call(x))
    found = read(model, x, sites.sites, tap="pre")
    assert torch.equal(found["conv1"], F.conv2d(x, model.conv1.weight, model.conv1.bias))
    assert found["fc1"].min() < 0


def test_tap_pre_after_a_residual_add_is_the_sum():
    model, x = made(Residual)
    sites = find_sites(model, as_call(x))
    pre, post = (
        read(model, x, [sites.find("relu#4")], tap=tap)["relu#4"] for tap in ("pre", "post")
    )
    assert pre.min() < 0
    assert torch.equal(torch.relu(pre), post)


def test_in_graph_hands_over_the_very_tensor():
    model, x = made(FunctionalResidual)
    sites = find_sites(model, as_call(x)).sites
    kept = {}
    reader = SiteReader(model, sites, lambda s, t: kept.update({s.name: t}), in_graph=True)
    reader.attach()
    reader.begin()
    out = model(x)
    reader.end()
    reader.detach()
    gradients = torch.autograd.grad(out.sum(), list(kept.values()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("kind", [Mlp, FunctionalResidual, FunctionalLeNet])
def test_in_graph_replaces_the_tensor_in_the_pass(kind):
    model, x = made(kind)
    sites = find_sites(model, as_call(x))
    site = sites.find(sites.default)
    reader = SiteReader(model, [site], lambda s, t: torch.zeros_like(t), in_graph=True)
    reader.attach()
    reader.begin()
    with torch.no_grad():
        out = model(x)
        reader.end()
        reader.detach()
        assert torch.equal(out[0], out[1])
        assert not torch.equal(model(x)[0], model(x)[1])


def test_in_place_activation_is_replaced_too():
    model, x = made(FunctionalLeNet)
    site = find_sites(model, as_call(x)).find("fc1")  # F.relu_(x), its result ignored
    reader = SiteReader(model, [site], lambda s, t: torch.zeros_like(t), in_graph=True)
    reader.attach()
    reader.begin()
    with torch.no_grad():
        out = model(x)
    reader.end()
    assert torch.equal(out[0], out[1])


def test_nothing_happens_outside_a_pass_but_counting():
    model, x = made(Mlp)
    seen, strays = [], []
    sites = find_sites(model, as_call(x)).sites
    reader = SiteReader(
        model, sites, lambda s, t: seen.append(s.name), on_stray=lambda s: strays.append(s.name)
    )
    model(x)
    assert reader.stray_calls == 0
    reader.attach()
    model.head(torch.randn(2, 4))
    assert (seen, strays, reader.stray_calls) == ([], ["head"], 1)
    reader.begin()
    model(x)
    reader.end()
    assert seen == [site.name for site in sites]
    assert reader.stray_calls == 1


def test_attach_twice_and_detach_twice():
    model, x = made(Mlp)
    seen = []
    sites = find_sites(model, as_call(x)).sites
    reader = SiteReader(model, sites, lambda s, t: seen.append(s.name))
    reader.attach()
    reader.attach()
    reader.begin()
    model(x)
    reader.end()
    assert len(seen) == len(sites)
    reader.detach()
    reader.detach()
    assert without_hooks(model)
    reader.attach()
    reader.begin()
    model(x)
    reader.end()
    assert len(seen) == 2 * len(sites)


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.fails = False

    def forward(self, x):
        h = F.relu(self.a(x) + x)
        if self.fails:
            raise ValueError("in the middle")
        return self.c(F.relu(self.b(h) + h))


def test_after_an_exception_the_next_pass_is_whole():
    torch.manual_seed(0)
    model, x = Failing(), torch.randn(3, 4)
    sites = find_sites(model, as_call(x)).sites
    names = [site.name for site in sites]
    assert names == ["relu", "relu#1", "c"]
    seen = []
    reader = SiteReader(model, sites, lambda s, t: seen.append(s.name))
    reader.attach()
    model.fails = True
    reader.begin()
    with pytest.raises(ValueError, match="in the middle"):
        model(x)
    reader.end()
    assert torch.overrides._get_current_function_mode_stack() == []
    model.fails = False
    for _ in range(2):
        seen.clear()
        reader.begin()
        model(x)
        reader.end()
        assert seen == names


class Passing(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def test_end_takes_its_mode_from_under_others():
    model, x = made(FunctionalResidual)
    reader = SiteReader(model, find_sites(model, as_call(x)).sites, lambda s, t: None)
    outer, inner = Passing(), Passing()
    with outer:
        reader.begin()
        inner.__enter__()
        reader.end()
        assert torch.overrides._get_current_function_mode_stack() == [outer, inner]
        inner.__exit__(None, None, None)


def test_threads_do_not_mix():
    model, _ = made(FunctionalResidual)
    inputs = [torch.full((2, 4), float(i)) for i in range(4)]
    sites = find_sites(model, as_call(inputs[0])).sites
    local, results = threading.local(), {}
    gate = threading.Barrier(len(inputs))
    reader = SiteReader(model, sites, lambda s, t: local.found.update({s.name: t.detach().clone()}))
    reader.attach()

    def run(i):
        for _ in range(10):
            local.found = {}
            gate.wait()
            reader.begin()
            with torch.no_grad():
                model(inputs[i])
            reader.end()
        results[i] = local.found

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reader.detach()
    with torch.no_grad():
        for i, x in enumerate(inputs):
            for name, value in model.manual(x).items():
                torch.testing.assert_close(results[i][name], value, rtol=1e-6, atol=1e-6)


def test_copies_and_pickles_of_the_model_are_inert():
    model, x = made(FunctionalResidual)
    seen = []
    reader = SiteReader(model, find_sites(model, as_call(x)).sites, lambda s, t: seen.append(s))
    reader.attach()
    expected = model(x)
    strays = reader.stray_calls
    copied = copy.deepcopy(model)
    loaded = pickle.loads(pickle.dumps(model))
    file = io.BytesIO()
    torch.save(model, file)
    assert not [
        text
        for _, text, _ in pickletools.genops(pickle.dumps(model))
        if isinstance(text, str) and "pytest_deepimportance" in text
    ]
    reader.begin()
    assert torch.equal(copied(x), expected)
    assert torch.equal(loaded(x), expected)
    assert seen == [] or all(site.reading.via == "function" for site in seen)
    reader.end()
    assert reader.stray_calls == strays


def test_nothing_keeps_the_model_alive():
    model, x = made(Residual)
    reader = SiteReader(model, find_sites(model, as_call(x)).sites, lambda s, t: None)
    reader.attach()
    reader.begin()
    model(x)
    reader.end()
    alive = weakref.ref(model)
    gc.collect()
    gc.disable()
    try:
        reader.detach()
        del model
        assert alive() is None
    finally:
        gc.enable()
    reader.attach()
    reader.detach()


class Branching(nn.Module):
    """One activation for all, and layers that are sometimes skipped."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 2)
        self.skip = nn.Linear(5, 2)
        self.act = nn.ReLU()
        self.short = False

    def forward(self, x):
        h = self.act(self.a(x))
        return self.skip(h) if self.short else self.c(self.act(self.b(h)))


def test_a_site_that_is_not_visited_is_left_alone():
    model, x = Branching(), torch.randn(3, 4)
    sites = find_sites(model, as_call(x)).sites
    assert [site.name for site in sites] == ["a", "b", "c"]
    model.short = True
    assert list(read(model, x, sites)) == ["a"]


def test_a_tensor_of_another_width_is_passed_over():
    model, x = Branching(), torch.randn(3, 4)
    site = find_sites(model, as_call(x)).find("b")
    wrong = replace(site, reading=Reading("module", "act", 0))
    reader = SiteReader(model, [wrong], lambda s, t: pytest.fail("not this one"))
    reader.attach()
    reader.begin()
    model(x)
    reader.end()
    assert reader.mismatched == 1


def test_repeated_calls_are_told_apart_in_each_pass():
    model, x = made(Reused)
    site = find_sites(model, as_call(x)).find("shared#1")
    with torch.no_grad():
        for _ in range(2):
            assert torch.equal(read(model, x, [site])["shared#1"], model.manual(x)["shared#1"])


class Counting(nn.Module):
    """Function calls of children and of training statistics must not shift the numbers."""

    def __init__(self):
        super().__init__()
        self.fc, self.bn, self.child = nn.Linear(4, 4), nn.BatchNorm1d(4), Child()
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        x = self.child(x)
        return self.out(F.relu(self.bn(self.fc(x)) + x))


class Child(nn.Module):
    def __init__(self):
        super().__init__()
        self.times = 1

    def forward(self, x):
        for _ in range(self.times):
            x = F.relu(x + 1)
        return x


def test_function_calls_are_numbered_within_their_own_module():
    torch.manual_seed(0)
    model, x = Counting().eval(), torch.randn(3, 4)
    sites = find_sites(model, as_call(x))
    site = sites.find("fc")
    assert site.reading.via == "function"
    model.child.times = 3
    with torch.no_grad():
        x3 = model.child(x)
        expected = F.relu(model.bn(model.fc(x3)) + x3)
        assert torch.equal(read(model, x, [site])[site.name], expected)
        assert torch.equal(read(model, x, [site], tap="pre")[site.name].relu(), expected)
    model.train()
    assert list(read(model, x, [site], tap="pre")) == [site.name]


def test_a_model_of_another_structure_is_refused():
    model, x = made(Mlp)
    sites = find_sites(model, as_call(x)).sites
    with pytest.raises(LayerError, match=r"no module 'body\.act1'"):
        SiteReader(nn.Linear(3, 2), sites, lambda s, t: None)


def test_a_root_that_is_the_layer_itself():
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    sites = find_sites(model, as_call(x)).sites
    with torch.no_grad():
        assert torch.equal(read(model, x, sites)["Linear"], model(x))


def test_inference_mode():
    model, x = made(FunctionalLeNet)
    sites = find_sites(model, as_call(x)).sites
    with torch.inference_mode():
        found = read(model, x, sites)
    with torch.no_grad():
        assert torch.equal(found["fc2"], model.manual(x)["fc2"])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_encoder_layers_with_padding():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(40, 2)).eval()
    x = torch.randn(3, 5, 8)
    sites = find_sites(model, as_call(x))
    site = sites.find("0.layers.1.linear1")
    assert site.units == 16
    assert any(item.name == "0.layers.0.self_attn.out_proj" for item in sites.unmeasured)
    with torch.no_grad():
        assert read(model, x, [site])[site.name].shape == (3, 5, 16)
        encoder = model[0]
        padding = torch.tensor([[False] * 3 + [True] * 2] * 3)
        inside = [replace(site, reading=replace(site.reading, module="layers.1.linear1"))]
        seen = []
        reader = SiteReader(encoder, inside, lambda s, t: seen.append(t.is_nested))
        reader.attach()
        reader.begin()
        encoder(x, src_key_padding_mask=padding)
        reader.end()
    assert seen == [True]


def test_exported_programs_are_read_too():
    model, x = made(FunctionalResidual)
    rows = torch.export.Dim("rows")
    program = torch.export.unflatten(torch.export.export(model, (x,), dynamic_shapes=({0: rows},)))
    sites = find_sites(program, as_call(x)).sites
    with torch.no_grad():
        found, manual = read(program, x, sites), model.manual(x)
    assert len(sites) == len(manual) == 5
    for site, name in zip(sites, manual, strict=True):
        assert torch.equal(found[site.name], manual[name])
