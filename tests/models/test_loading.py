from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

import pytest_deepimportance
from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.models.loading import load, load_model
from tests.models.projects import Project, same_weights

SHARED = (
    Path(os.environ.get("IDC_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "models"
)


def refusal(*arguments: str, **keywords: object) -> str:
    with pytest.raises(ModelLoadError) as caught:
        load(*arguments, **keywords)
    assert caught.value.fix
    return str(caught.value)


def test_load_model_is_public(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    network = project.network()
    torch.save(network.state_dict(), "w.pth")
    made = pytest_deepimportance.load_model("w.pth", project.spec("Classifier"))
    assert same_weights(made, network)
    assert pytest_deepimportance.load_model.__wrapped__ is load_model


def test_models_are_in_eval_mode(project: Project, tmp_path: Path):
    torch.save(project.network().train().state_dict(), tmp_path / "w.pth")
    torch.save(nn.Sequential(nn.Dropout()).train(), tmp_path / "m.pth")
    for spec, factory in (
        ("w.pth", project.spec("build")),
        ("m.pth", None),
        (project.spec("build"), None),
    ):
        module = load(spec, factory=factory, root=tmp_path).module
        assert not any(part.training for part in module.modules())


def test_device(project: Project, tmp_path: Path):
    loaded = load(project.spec("build"), device="meta", root=tmp_path)
    assert all(parameter.is_meta for parameter in loaded.module.parameters())
    assert "cannot be moved to the device nonsense" in refusal(
        project.spec("build"), device="nonsense", root=tmp_path
    )


@pytest.mark.parametrize(
    "form", ["{package}.model:build", "{package}/model.py:build", "{root}/{package}/model.py:build"]
)
def test_factories_by_name_and_by_file(project: Project, tmp_path: Path, form: str):
    spec = form.format(package=project.package, root=tmp_path)
    torch.save(project.network().state_dict(), tmp_path / "w.pth")
    assert type(load(spec, root=tmp_path).module).__name__ == "Classifier"
    loaded = load(spec, weights="w.pth", root=tmp_path)
    assert same_weights(loaded.module, project.network())
    assert loaded.spec == spec
    assert loaded.notes == ("The weights come from w.pth.",)


def test_a_module_object_is_used_as_it_is(project: Project, tmp_path: Path):
    # The tests import the same object; a copy would never be called by them.
    project.write("ready.py", "from torch import nn\nnet = nn.Sequential(nn.Linear(2, 2))\n")
    loaded = load(project.spec("net", "ready"), root=tmp_path)
    from pytest_deepimportance.data.importing import import_object

    assert loaded.module is import_object(project.spec("net", "ready"), "model", root=tmp_path)


def test_names_that_do_not_exist(project: Project, tmp_path: Path):
    text = refusal(project.spec("Clasifier"), root=tmp_path)
    assert f"model {project.spec('Clasifier')}" in text
    assert "Did you mean Classifier" in text
    text = refusal(f"{project.package}.modle:Classifier", root=tmp_path)
    assert f"Did you mean {project.package}.model" in text
    text = refusal(f"{project.package}.model", root=tmp_path)
    assert f"{project.package}.model names a module, not a model" in text
    assert f"{project.package}.model:NAME" in text


def test_factory_beside_a_factory_is_not_used_and_said(project: Project, tmp_path: Path):
    loaded = load(project.spec("build"), factory="absent:absent", root=tmp_path)
    assert loaded.notes == (
        f"The factory absent:absent was not used, since {project.spec('build')} builds the network itself.",
    )


def test_two_sources_of_weights_are_refused(project: Project, tmp_path: Path):
    torch.save(project.network().state_dict(), tmp_path / "w.pth")
    text = refusal("w.pth", weights="v.pth", factory=project.spec("build"), root=tmp_path)
    assert "is a file, and --idc-weights v.pth was given as well" in text


def test_default_weights_belong_to_torchvision(project: Project, tmp_path: Path):
    text = refusal(project.spec("build"), weights="DEFAULT", root=tmp_path)
    assert "--idc-weights DEFAULT does not go with the factory" in text


def test_exported_programs_are_no_weights(project: Project, tmp_path: Path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "p.pt2", "w") as archive:
        archive.writestr("p/archive_format", "pt2")
    text = refusal(project.spec("build"), weights="p.pt2", root=tmp_path)
    assert "is an exported program, not weights" in text
    assert f"--idc-model {tmp_path / 'p.pt2'}" in text


def test_notes_are_sentences(project: Project, tmp_path: Path):
    state = {
        f"module.{name}": value.half() for name, value in project.network().state_dict().items()
    }
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    notes = load("w.pth", factory=project.spec("build"), root=tmp_path).notes
    assert len(notes) == 3
    for note in notes:
        assert note[0].isupper()
        assert note.endswith(".")
        assert "\n" not in note


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared models are not here")
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_lenet5_of_the_paper(tmp_path: Path, suffix: str):
    (tmp_path / "lenet.py").write_text(
        "from collections import OrderedDict\n"
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(OrderedDict(\n"
        "        conv1=nn.Conv2d(1, 6, 5), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),\n"
        "        conv2=nn.Conv2d(6, 16, 5), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2),\n"
        "        flatten=nn.Flatten(), fc1=nn.Linear(256, 120), relu3=nn.ReLU(),\n"
        "        fc2=nn.Linear(120, 84), relu4=nn.ReLU(), fc3=nn.Linear(84, 10)))\n"
    )
    file = SHARED / f"deepimportance_lenet5_mnist{suffix}"
    loaded = load(str(file), factory="lenet.py:build", root=tmp_path)
    assert sum(p.numel() for p in loaded.module.parameters()) == 44_426
    other = load("lenet.py:build", weights=str(file), root=tmp_path)
    assert fingerprint(loaded.module) == fingerprint(other.module)
