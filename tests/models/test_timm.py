"""Networks of timm by name, offline."""

from __future__ import annotations

import sys

import pytest
import torch

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.loading import load
from pytest_deepimportance.models.sites import find_sites

timm = pytest.importorskip("timm", reason="needs pip install timm")
NAME = "timm:test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def refusal(*arguments, **keywords):
    with pytest.raises(ModelLoadError) as caught:
        load(*arguments, **keywords)
    assert caught.value.fix
    return str(caught.value)


def cached(hub, state):
    """Put weights into the hub's cache, as a download would."""
    from safetensors.torch import save_file

    top = hub / "models--timm--test_resnet.r160_in1k"
    (top / "snapshots" / "abc").mkdir(parents=True)
    (top / "refs").mkdir()
    (top / "refs" / "main").write_text("abc")
    save_file(state, top / "snapshots" / "abc" / "model.safetensors")


def test_random_weights_are_said_and_layers_found():
    loaded = load("timm:test_resnet", weights="none")
    assert not loaded.module.training
    assert "random weights" in loaded.notes[0]
    sites = find_sites(loaded.module, as_call(torch.randn(2, 3, 64, 64)))
    assert sites.default is not None


def test_weights_must_be_named():
    text = refusal("timm:resnet18")
    assert "the model timm:resnet18 needs --idc-weights" in text
    assert "timm's trained weights, from the local cache" in text


def test_trained_weights_come_from_the_cache_only(hub):
    assert "are not in the local cache" in refusal(NAME, weights="DEFAULT")
    state = timm.create_model("test_resnet").state_dict()
    cached(hub, state)
    loaded = load(NAME, weights="DEFAULT")
    assert loaded.notes == (f"{NAME} has the weights DEFAULT of timm.",)
    for name, tensor in state.items():
        assert torch.equal(tensor, loaded.module.state_dict()[name])


def test_damaged_weights_are_named(hub):
    cached(hub, {"nonsense": torch.zeros(1)})
    assert "cannot be loaded" in refusal(NAME, weights="DEFAULT")


def test_weights_from_a_file_and_as_a_factory(tmp_path):
    state = timm.create_model("test_resnet").state_dict()
    torch.save(state, tmp_path / "w.pth")
    for loaded in (
        load("timm:test_resnet", weights="w.pth", root=tmp_path),
        load("w.pth", factory="timm:test_resnet", root=tmp_path),
    ):
        found = loaded.module.state_dict()
        assert all(torch.equal(tensor, found[name]) for name, tensor in state.items())


def test_unknown_names():
    assert "Did you mean resnet18" in refusal("timm:resnet_18", weights="none")
    assert "timm has no weights 'a1_in2k' of resnet18" in refusal(
        "timm:resnet18.a1_in2k", weights="none"
    )
    assert "no model" in refusal("timm:hf-hub:someone/else", weights="none")


def test_the_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    assert "pip install 'pytest-deepimportance[timm]'" in refusal("timm:resnet18", weights="none")
