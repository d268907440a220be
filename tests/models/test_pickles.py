"""The promise on security: no file runs code unless --idc-allow-pickle was given."""

from __future__ import annotations

import argparse
import builtins
import io
import os
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models import pickles
from pytest_deepimportance.models.formats import PICKLE, TORCH
from pytest_deepimportance.models.loading import load
from pytest_deepimportance.models.pickles import (
    PickleRefused,
    globals_named,
    module_classes,
    only_weights,
    read,
)
from tests.models.projects import Project, same_weights

_FORCE, _FORCE_NOT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


class EvilState(nn.Module):
    """A module that hides the call in its attributes."""

    def __init__(self, evil: Evil) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.note = evil


def evils(mark: Path) -> list[Any]:
    return [
        Evil(os.system, f"touch {mark}"),
        Evil(exec, f"open({str(mark)!r}, 'w')"),
        Evil(builtins.open, str(mark), "w"),
        Evil(eval, f"open({str(mark)!r}, 'w')"),
    ]


def payloads(evil: Any, state: dict[str, Any]) -> dict[str, Any]:
    return {
        "alone": evil,
        "in a state_dict": {**state, "extra": evil},
        "in a checkpoint": {"epoch": evil, "state_dict": state},
        "under the model key": {"model": evil, "state_dict": state},
        "in a list": [state, evil],
        "in a module": nn.Sequential(nn.Linear(2, 2), EvilState(evil)),
    }


def write_all(folder: Path, content: Any) -> list[Path]:
    files = [folder / name for name in ("zip.pth", "legacy.pth", "p2.pth", "p4.pkl", "tar.pt")]
    torch.save(content, files[0])
    torch.save(content, files[1], _use_new_zipfile_serialization=False)
    files[2].write_bytes(pickle.dumps(content, protocol=2))
    files[3].write_bytes(pickle.dumps(content, protocol=4))
    with tarfile.open(files[4], "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(content, protocol=2)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return files


def attempt(*arguments: Any, **keywords: Any) -> Exception | None:
    try:
        load(*arguments, **keywords)
    except ModelLoadError as error:
        return error
    return None


@pytest.mark.parametrize("environment", [{}, {_FORCE_NOT: "1"}, {_FORCE: "1", _FORCE_NOT: "1"}])
def test_malicious_pickles_never_run(
    project: Project, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    mark, state = tmp_path / "owned", project.network().state_dict()
    factories = [None, project.spec("Classifier"), project.spec("build")]
    tried = 0
    # Every form of the payload with one function; every function in one form.
    contents = list(payloads(evils(mark)[0], state).values()) + evils(mark)[1:]
    for content in contents:
        for file in write_all(tmp_path, content):
            for factory in factories:
                error = attempt(str(file), factory=factory, root=tmp_path)
                assert isinstance(error, PickleRefused), (file, error)
            error = attempt(project.spec("build"), weights=str(file), root=tmp_path)
            assert isinstance(error, PickleRefused), (file, error)
            tried += 1
    assert not mark.exists()
    assert tried == len(contents) * 5


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth", "p4.pkl"])
def test_the_same_files_do_run_with_permission(tmp_path: Path, name: str):
    # Without this the test above could pass because the payload is harmless.
    mark = tmp_path / "owned"
    write_all(tmp_path, Evil(os.system, f"touch {mark}"))
    attempt(str(tmp_path / name), allow_pickle=True)
    assert mark.exists()


def test_permission_is_not_used_where_it_is_not_needed(project: Project, tmp_path: Path):
    torch.save(project.network().state_dict(), tmp_path / "w.pth")
    loaded = load("w.pth", factory=project.spec("build"), allow_pickle=True, root=tmp_path)
    assert not any("unpickled" in note for note in loaded.notes)


def test_every_call_to_torch_load_says_weights_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    calls = []
    real = torch.load

    def spy(*arguments: Any, **keywords: Any) -> Any:
        calls.append(
            (keywords.get("weights_only"), os.environ.get(_FORCE), os.environ.get(_FORCE_NOT))
        )
        return real(*arguments, **keywords)

    monkeypatch.setattr(torch, "load", spy)
    monkeypatch.setenv(_FORCE_NOT, "1")
    torch.save({"w": torch.zeros(2)}, tmp_path / "w.pth")
    read(tmp_path / "w.pth", TORCH, allow_pickle=True)
    assert calls == [(True, "1", None)]
    assert os.environ[_FORCE_NOT] == "1"
    assert _FORCE not in os.environ


def test_only_weights_restores_the_environment_after_an_exception(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(_FORCE, "0")
    monkeypatch.setenv(_FORCE_NOT, "1")
    with pytest.raises(ZeroDivisionError), only_weights():
        _ = 1 // (os.environ[_FORCE] != "1")
    assert (os.environ[_FORCE], os.environ[_FORCE_NOT]) == ("0", "1")


def test_refusal_names_the_global_and_both_ways_on(project: Project, tmp_path: Path):
    torch.save(project.network(), tmp_path / "whole.pth")
    error = attempt("whole.pth", root=tmp_path)
    assert isinstance(error, PickleRefused)
    assert f"it is a pickle that wants {project.package}.model.Classifier" in str(error)
    assert f"--idc-factory {project.spec('Classifier')}" in str(error)
    assert "--idc-allow-pickle" in str(error)


def test_refusal_of_code_says_not_to_trust_it(tmp_path: Path):
    for evil, name in zip(evils(tmp_path / "x"), ("posix.system", "builtins.exec"), strict=False):
        torch.save(evil, tmp_path / "a.pth")
        error = attempt(str(tmp_path / "a.pth"))
        assert f"wants {name}" in str(error)
        assert "Do not trust this file" in str(error)


def test_checkpoints_with_more_than_weights(project: Project, tmp_path: Path):
    state = project.network().state_dict()
    torch.save({"args": argparse.Namespace(lr=0.1), "model": state}, tmp_path / "c.pth")
    loaded = load("c.pth", factory=project.spec("build"), root=tmp_path)
    assert same_weights(loaded.module, project.network())
    torch.save({"best": np.float64(0.9), "state_dict": state}, tmp_path / "c.pth")
    error = attempt("c.pth", factory=project.spec("build"), root=tmp_path)
    assert "wants numpy" in str(error)
    assert "torch.save(checkpoint['state_dict'], 'weights.pt')" in str(error)
    assert "--idc-factory" not in str(error)
    assert "--idc-allow-pickle" in str(error)


def test_bare_pickle_is_refused_whatever_it_holds(tmp_path: Path):
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(nn.Linear(2, 2)))
    error = attempt(str(file))
    assert "wants torch.nn.modules.linear.Linear" in str(error)
    loaded = load(str(file), allow_pickle=True)
    assert loaded.notes[0].startswith("model.pkl was unpickled, as --idc-allow-pickle permits")


def test_whole_module_loads_with_its_factory_named(project: Project, tmp_path: Path):
    network = project.network()
    torch.save(network, tmp_path / "m.pth")
    for factory in ("Classifier", "build"):
        loaded = load("m.pth", factory=project.spec(factory), root=tmp_path)
        assert same_weights(loaded.module, network)
        assert type(loaded.module) is type(network)
        assert loaded.notes == ("m.pth is a whole pickled module.",)


def test_whole_module_in_the_older_format_needs_permission(project: Project, tmp_path: Path):
    network = project.network()
    torch.save(network, tmp_path / "m.pth", _use_new_zipfile_serialization=False)
    for factory in (None, project.spec("Classifier")):
        error = attempt("m.pth", factory=factory, root=tmp_path)
        assert "In this older form of file only plain weights" in str(error)
        assert "--idc-allow-pickle" in str(error)
    assert same_weights(load("m.pth", allow_pickle=True, root=tmp_path).module, network)


def test_whole_module_loads_with_permission(project: Project, tmp_path: Path):
    network = project.network()
    torch.save(network, tmp_path / "m.pth")
    loaded = load("m.pth", allow_pickle=True, root=tmp_path)
    assert same_weights(loaded.module, network)
    assert (
        "m.pth was unpickled, as --idc-allow-pickle permits: it could have run any code."
        in loaded.notes
    )


def test_modules_of_torch_alone_need_no_factory(tmp_path: Path):
    models = [
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()),
        nn.TransformerEncoderLayer(4, 2, 8),
        nn.TransformerEncoderLayer(4, 2, 8, activation="gelu"),
        nn.LSTM(2, 3, num_layers=2),
        nn.DataParallel(nn.Linear(2, 2)),
    ]
    for model in models:
        torch.save(model, tmp_path / "m.pth")
        loaded = load(str(tmp_path / "m.pth"))
        inner = model.module if isinstance(model, nn.DataParallel) else model
        assert same_weights(loaded.module, inner)


def test_classes_of_other_files_are_found_by_building_the_factory(project: Project, tmp_path: Path):
    project.write("parts.py", "from torch import nn\nclass Head(nn.Linear):\n    pass\n")
    project.write(
        "net.py",
        f"""
        from torch import nn
        import {project.package}.parts as parts
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = parts.Head(2, 2)
        """,
    )
    made = load(project.spec("Net", "net"), root=tmp_path).module
    torch.save(made, tmp_path / "m.pth")
    assert same_weights(
        load("m.pth", factory=project.spec("Net", "net"), root=tmp_path).module, made
    )


def test_class_that_moved_is_taken_from_the_factory(project: Project, tmp_path: Path):
    network = project.network()
    kinds = {
        type(module) for module in network.modules() if type(module).__module__.startswith("shop")
    }
    homes = {kind: kind.__module__ for kind in kinds}
    import __main__

    try:
        for kind in kinds:
            kind.__module__ = "__main__"
            setattr(__main__, kind.__name__, kind)
        torch.save(network, tmp_path / "m.pth")
    finally:
        for kind, home in homes.items():
            kind.__module__ = home
            delattr(__main__, kind.__name__)
    loaded = load("m.pth", factory=project.spec("Classifier"), root=tmp_path)
    assert same_weights(loaded.module, network)
    assert any("__main__.Classifier" in note and "was taken to be" in note for note in loaded.notes)
    assert "path/to/file.py:" in str(attempt("m.pth", root=tmp_path))


def test_aliases_are_given_up_where_torch_does_not_know_them(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    torch.save(project.network(), tmp_path / "m.pth")
    real, seen = torch.serialization.safe_globals, []

    def old(allowed: list[Any]) -> Any:
        seen.append(any(isinstance(item, tuple) for item in allowed))
        if seen[-1]:
            raise AttributeError("'tuple' object has no attribute '__module__'")
        return real(allowed)

    monkeypatch.setattr(torch.serialization, "safe_globals", old)
    project.write("again.py", (tmp_path / project.package / "model.py").read_text())
    assert isinstance(
        attempt("m.pth", factory=project.spec("Classifier", "again"), root=tmp_path), PickleRefused
    )
    assert seen[:2] == [True, False]


def test_torchscript_that_only_torch_sees_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Two zip readers may list different records of one crafted file.
    torch.save({"w": torch.zeros(2)}, tmp_path / "w.pth")
    monkeypatch.setattr(
        torch._C.PyTorchFileReader, "get_all_records", lambda self: ["data.pkl", "constants.pkl"]
    )
    assert "is a TorchScript model" in str(attempt(str(tmp_path / "w.pth")))


def test_permission_finds_classes_below_the_root(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    network = project.network()
    torch.save(network, tmp_path / "m.pth")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(tmp_path)])
    for name in [name for name in sys.modules if name.startswith(project.package)]:
        monkeypatch.delitem(sys.modules, name)
    loaded = load("m.pth", allow_pickle=True, root=tmp_path)
    assert same_weights(loaded.module, network)


def test_safe_globals_of_the_user_survive(tmp_path: Path):
    torch.save(nn.Linear(2, 2), tmp_path / "m.pth")
    torch.serialization.add_safe_globals([nn.Linear])
    try:
        load(str(tmp_path / "m.pth"))
        left = torch.serialization.get_safe_globals()
        assert nn.Linear in left
        assert nn.Conv2d not in left
    finally:
        torch.serialization.clear_safe_globals()


def test_graph_modules_are_not_allowed(tmp_path: Path):
    # They rebuild themselves by executing source text from the file.
    torch.save(torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2))), tmp_path / "m.pth")
    assert torch.fx.GraphModule not in module_classes()
    assert isinstance(attempt(str(tmp_path / "m.pth")), PickleRefused)


def test_permission_overruled_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(_FORCE, "1")
    torch.save(EvilState(Evil(print, "")), tmp_path / "m.pth")
    error = attempt(str(tmp_path / "m.pth"), allow_pickle=True)
    assert f"{_FORCE} is set and overrules --idc-allow-pickle" in str(error)


def test_class_that_cannot_be_found(project: Project, tmp_path: Path):
    torch.save(project.network(), tmp_path / "m.pth")
    data = (tmp_path / "m.pth").read_bytes()
    with (
        zipfile.ZipFile(tmp_path / "m.pth") as archive,
        zipfile.ZipFile(tmp_path / "n.pth", "w") as new,
    ):
        for entry in archive.namelist():
            content = archive.read(entry)
            new.writestr(
                entry,
                content.replace(project.package.encode(), b"gone" + project.package[4:].encode()),
            )
    assert data
    error = attempt(str(tmp_path / "n.pth"), allow_pickle=True)
    assert "its class cannot be found (No module named 'gone" in str(error)
    assert "pythonpath" in str(error)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_truncated_files(tmp_path: Path, legacy: bool, part: float):
    file = tmp_path / "w.pth"
    torch.save({"w": torch.zeros(5000)}, file, _use_new_zipfile_serialization=not legacy)
    os.truncate(file, int(file.stat().st_size * part))
    for allow in (False, True):
        error = attempt(str(file), allow_pickle=allow)
        assert isinstance(error, ModelLoadError)
        assert "truncated" in str(error)
        assert error.fix


def test_globals_are_listed_without_running_anything(tmp_path: Path):
    mark = tmp_path / "owned"
    for file in write_all(tmp_path, {"a": Evil(os.system, f"touch {mark}"), "b": nn.Linear(1, 1)}):
        if file.name != "tar.pt":
            names = globals_named(file)
            assert "posix.system" in names, file
            assert any("Linear" in name for name in names), file
    (tmp_path / "junk").write_bytes(b"\x80\x04junk")
    assert globals_named(tmp_path / "junk") == ()
    assert not mark.exists()


def test_read_does_not_try_a_bare_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pickles.torch, "load", None)
    (tmp_path / "p.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(PickleRefused):
        read(tmp_path / "p.pkl", PICKLE)
