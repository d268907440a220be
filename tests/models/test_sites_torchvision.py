"""Site maps of real architectures, with random weights."""

from __future__ import annotations

import pytest
import torch

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.recording.reader import SiteReader

models = pytest.importorskip("torchvision.models")

EXPECTED = {
    # name: (sites, default, neurons of the default, output layer, functions read by a mode)
    "resnet18": (18, "layer4.1.relu#1", 512, "fc", 0),
    "vgg11": (11, "classifier.3", 4096, "classifier.6", 0),
    "mobilenet_v2": (53, "features.18.0", 1280, "classifier.1", 0),
    "mobilenet_v3_small": (54, "classifier.0", 1024, "classifier.3", 0),
    "densenet121": (121, "features.denseblock4.denselayer16.conv2", 32, "classifier", 0),
    "squeezenet1_1": (26, "features.12.expand3x3", 256, "classifier.1", 0),
    "convnext_tiny": (59, "features.7.2.block.5", 768, "classifier.2", 0),
    "efficientnet_b0": (82, "features.8.0", 1280, "classifier.1", 0),
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(name):
    """Return the architecture with small equal weights (drawing random ones takes seconds)."""
    with torch.device("meta"):
        model = getattr(models, name)(weights=None).eval()
    model = model.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            tensor.fill_(0.01 if tensor.is_floating_point() else 0)
    return model, torch.randn(2, 3, 64, 64)


@pytest.mark.parametrize("name", EXPECTED)
def test_sites_default_and_output(name):
    model, x = build(name)
    sites = find_sites(model, as_call(x))
    count, default, units, output, by_mode = EXPECTED[name]
    assert len(sites.sites) == count
    assert sites.default == default
    assert sites.find(None).units == units
    assert [site.name for site in sites.sites if site.is_output] == [output]
    assert len([s for s in sites.sites if s.reading.via == "function"]) == by_mode
    assert all(site.rows_are_inputs for site in sites.sites)
    names = [site.name for site in sites.sites]
    assert len(set(names)) == len(names)
    layers = {n for n, m in model.named_modules() if type(m).__name__ in ("Conv2d", "Linear")}
    listed = {feeder for site in sites.sites for feeder in site.feeders}
    assert layers == listed | {item.name for item in sites.unmeasured}


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "convnext_tiny"])
def test_hooked_sites_hold_the_values_of_their_feeders(name):
    model, x = build(name)
    sites = find_sites(model, as_call(x)).sites
    seen = {}
    reader = SiteReader(model, sites, lambda s, t: seen.update({s.name: t.shape}))
    reader.attach()
    reader.begin()
    with torch.no_grad():
        bare, _ = model(x), reader.end()
    reader.detach()
    with torch.no_grad():
        assert torch.equal(bare, model(x))
    assert list(seen) == [site.name for site in sites]
    for site in sites:
        assert seen[site.name][site.channel_axis] == site.units


def test_resnet_default_is_what_the_pooling_reads():
    model, x = build("resnet18")
    sites = find_sites(model, as_call(x))
    taken, pooled = {}, {}
    model.avgpool.register_forward_pre_hook(lambda m, args: pooled.update(x=args[0].clone()))
    reader = SiteReader(model, [sites.find(None)], lambda s, t: taken.update(x=t.clone()))
    reader.attach()
    reader.begin()
    with torch.no_grad():
        model(x)
    reader.end()
    assert torch.equal(taken["x"], pooled["x"])


def test_swin_transformer():
    model = models.SwinTransformer([2, 2], 8, [1, 1], [2, 2], [2, 2], num_classes=5).eval()
    sites = find_sites(model, as_call(torch.randn(2, 3, 16, 16)))
    assert sites.default == "features.3.0.mlp.3"
    assert sites.find("features.1.0.mlp.0").activation == "features.1.0.mlp.1"
    assert [site.name for site in sites.sites if site.is_output] == ["head"]
    assert {item.name.rpartition(".")[2] for item in sites.unmeasured} == {"qkv", "proj"}
    assert len(sites.unmeasured) == 4


def test_vision_transformer():
    model = models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5).eval()
    sites = find_sites(model, as_call(torch.randn(2, 3, 32, 32)))
    prefix = "encoder.layers.encoder_layer_"
    assert [site.name for site in sites.sites] == [
        "conv_proj", f"{prefix}0.mlp.0", f"{prefix}0.mlp.3", f"{prefix}1.mlp.0",
        f"{prefix}1.mlp.3", "heads.head",
    ]  # fmt: skip
    assert sites.default == f"{prefix}1.mlp.3"
    assert sites.find(f"{prefix}0.mlp.0").channel_axis == -1
    assert [item.name for item in sites.unmeasured] == [
        f"{prefix}{i}.self_attention.out_proj" for i in (0, 1)
    ]
