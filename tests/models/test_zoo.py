from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.loading import load
from tests.models.projects import same_weights

models = pytest.importorskip("torchvision.models")
NAME = "torchvision:squeezenet1_1"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def refusal(*arguments: str, **keywords: object) -> str:
    with pytest.raises(ModelLoadError) as caught:
        load(*arguments, **keywords)
    assert caught.value.fix
    return str(caught.value)


def test_weights_must_be_named():
    text = refusal(NAME)
    assert f"the model {NAME} needs --idc-weights" in text
    for choice in ("FILE", "DEFAULT", "none"):
        assert f"--idc-weights {choice} " in text


def test_random_weights_are_said():
    loaded = load(NAME, weights="none")
    assert type(loaded.module).__name__ == "SqueezeNet"
    assert loaded.module.training is False
    assert loaded.notes == (
        f"{NAME} has random weights (--idc-weights none): it has learned nothing.",
    )


def test_unknown_names_propose_the_nearest():
    text = refusal("torchvision:resnet_18", weights="none")
    assert "torchvision has no model 'resnet_18'" in text
    assert "Did you mean resnet18" in text


def test_default_comes_from_the_cache_only(hub: Path):
    text = refusal(NAME, weights="DEFAULT")
    url = models.SqueezeNet1_1_Weights.DEFAULT.url
    assert f"are not in the local cache ({hub / url.rpartition('/')[2]})" in text
    assert "--idc-download" in text


def test_default_from_the_cache_is_used_and_said(hub: Path):
    trained = models.squeezenet1_1()
    torch.save(
        trained.state_dict(), hub / models.SqueezeNet1_1_Weights.DEFAULT.url.rpartition("/")[2]
    )
    loaded = load(NAME, weights="DEFAULT")
    assert same_weights(loaded.module, trained)
    assert loaded.notes == (f"{NAME} has the weights DEFAULT of torchvision.",)


def test_default_is_never_unpickled_and_damage_is_explained(hub: Path):
    file = hub / models.SqueezeNet1_1_Weights.DEFAULT.url.rpartition("/")[2]
    torch.save({"features": print}, file)
    text = refusal(NAME, weights="DEFAULT")
    assert "cannot be loaded: UnpicklingError" in text
    assert f"remove the damaged file {file}" in text


def test_download_is_passed_on_only_when_allowed(hub: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []

    def offline(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    refusal(NAME, weights="DEFAULT")
    assert asked == []
    text = refusal(NAME, weights="DEFAULT", download=True)
    assert len(asked) == 1
    assert "cannot be loaded: OSError: no network" in text


def test_own_weights_from_a_file(tmp_path: Path):
    trained = models.squeezenet1_1()
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "w.pth")
    loaded = load(NAME, weights="w.pth", root=tmp_path)
    assert same_weights(loaded.module, trained)
    assert loaded.notes[0] == "The weights come from w.pth."


def test_own_weights_with_another_number_of_classes(tmp_path: Path):
    torch.save(models.squeezenet1_1(num_classes=10).state_dict(), tmp_path / "w.pth")
    text = refusal(NAME, weights="w.pth", root=tmp_path)
    assert "classifier.1.weight is (10, 512, 1, 1) in the file and (1000, 512, 1, 1)" in text


def test_detection_networks_download_no_backbone(hub: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.hub, "download_url_to_file", None)
    loaded = load("torchvision:ssdlite320_mobilenet_v3_large", weights="none")
    assert type(loaded.module).__name__ == "SSD"


def test_building_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load("torchvision:googlenet", weights="none")


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "torchvision", None)
    assert "pip install 'pytest-deepimportance[vision]'" in refusal(NAME, weights="none")
