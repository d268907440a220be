from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.factories import Factory, open_factory
from pytest_deepimportance.models.files import FileLoader
from tests.models.projects import Project, same_weights


@pytest.fixture
def files(tmp_path: Path) -> FileLoader:
    return FileLoader(tmp_path, allow_pickle=False)


def test_paths_are_looked_up_here_and_below_the_root(
    files: FileLoader, tmp_path: Path, monkeypatch
):
    (tmp_path / "w.pt").touch()
    assert files.path("w.pt") == tmp_path / "w.pt"
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "w.pt").touch()
    monkeypatch.chdir(tmp_path / "here")
    assert files.path("w.pt") == Path("w.pt")
    assert files.path("/absent/w.pt") == Path("/absent/w.pt")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt", ".safetensors"])
def test_weights_of_every_suffix(project: Project, files: FileLoader, tmp_path: Path, suffix: str):
    network = project.network()
    path = tmp_path / f"w{suffix}"
    save_file(network.state_dict(), path) if suffix == ".safetensors" else torch.save(
        network.state_dict(), path
    )
    made, notes = files.load(path, project.spec("Classifier"))
    assert same_weights(made, network)
    assert notes == ()


def test_weights_without_factory_propose_the_class_that_fits(
    project: Project, files: FileLoader, tmp_path: Path
):
    torch.save(project.network().state_dict(), tmp_path / "w.pth")
    with pytest.raises(ModelLoadError) as caught:
        files.load(tmp_path / "w.pth", None)
    text = str(caught.value)
    assert "w.pth holds weights only (9 entries: block.conv.weight (4, 1, 3, 3), " in text
    assert "no factory is named" in text
    assert f"\n    idc_factory = {project.spec('Classifier')}" in text
    assert "Block" not in text


def test_misfit_proposes_the_class_that_fits(project: Project, files: FileLoader, tmp_path: Path):
    torch.save(project.network().state_dict(), tmp_path / "w.pth")
    with pytest.raises(ModelLoadError) as caught:
        files.load(tmp_path / "w.pth", project.spec("Block"))
    text = str(caught.value)
    assert f"w.pth does not fit {project.spec('Block')}" in text
    assert f"idc_factory = {project.spec('Classifier')}" in text


def test_fill_says_where_the_weights_come_from(project: Project, files: FileLoader, tmp_path: Path):
    network = project.network()
    torch.save({"model": network.state_dict()}, tmp_path / "w.pth")
    made, notes = files.fill(open_factory(project.spec("build"), tmp_path), tmp_path / "w.pth")
    assert same_weights(made, network)
    assert notes[0] == "The weights come from w.pth."
    assert "['model']" in notes[1]


def test_wrapped_factories_are_unwrapped_before_they_are_filled(files: FileLoader, tmp_path: Path):
    network = nn.Linear(2, 2)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    made, notes = files.fill(
        Factory("app:build", lambda: nn.DataParallel(nn.Linear(2, 2))), tmp_path / "w.pth"
    )
    assert same_weights(made, network)
    assert "The network was taken out of its DataParallel wrapper." in notes


def test_checkpoint_that_holds_a_whole_module(tmp_path: Path, files: FileLoader):
    network = nn.Sequential(nn.Linear(2, 2))
    torch.save({"epoch": 1, "model": network}, tmp_path / "c.pt")
    made, notes = files.load(tmp_path / "c.pt", None)
    assert same_weights(made, network)
    assert notes == (
        "c.pt is a whole pickled module.",
        "The module was taken from ['model'] of the checkpoint.",
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"epoch": 3, "loss": 0.1}, "no weights that could be found; its keys: 'epoch', 'loss'"),
        ([1, 2], "an object of type list"),
        (torch.zeros(3), "an object of type Tensor"),
    ],
    ids=["dict", "list", "tensor"],
)
def test_files_without_weights(files: FileLoader, tmp_path: Path, content: object, expected: str):
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ModelLoadError, match="holds no weights") as caught:
        files.load(tmp_path / "x.pt", None)
    assert expected in str(caught.value)


@pytest.mark.parametrize("cut", [4, 60])
def test_truncated_safetensors(files: FileLoader, tmp_path: Path, cut: int):
    path = tmp_path / "w.safetensors"
    save_file({"w": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelLoadError, match="cannot be read"):
        files.load(path, None)
