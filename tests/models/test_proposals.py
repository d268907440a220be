from __future__ import annotations

import sys
from pathlib import Path

import pytest
from torch import nn

from pytest_deepimportance.models import proposals
from pytest_deepimportance.models.checkpoints import shapes_of
from pytest_deepimportance.models.proposals import (
    Proposal,
    advice,
    builder_functions,
    fitting,
    module_classes,
    propose,
)
from tests.models.projects import Project


def found(root: Path) -> dict[str, bool]:
    return dict(module_classes(root))


def test_classes_are_found_without_importing(tmp_path: Path):
    project = Project(tmp_path)
    project.write(
        "deep/base.py", "import torch\nclass Base(torch.nn.Module): pass\nclass Other: pass\n"
    )
    project.write(
        "late.py", "from .deep.base import Base\nclass Late(Base): pass\nraise SystemExit\n"
    )
    project.write("broken.py", "class Broken(nn.Module:\n")
    project.write("script.py", "from torch import nn\nclass Net(nn.Module): pass\ntrain()\n")
    project.write(
        "loop.py",
        "from torch import nn\nclass Loop(nn.Module): pass\nfor x in range(3): print(x)\n",
    )
    project.write(
        "main.py",
        "from torch import nn\nclass Main(nn.Module): pass\nif __name__ == '__main__': go()\n",
    )
    for folder in ("tests", ".hidden", "venv", "node_modules"):
        project.write(f"{folder}/model.py", "from torch import nn\nclass Hidden(nn.Module): pass\n")
    project.write("env2/pyvenv.cfg", "")
    project.write("env2/model.py", "from torch import nn\nclass Hidden(nn.Module): pass\n")
    project.write("test_net.py", "from torch import nn\nclass Hidden(nn.Module): pass\n")
    name = project.package
    assert found(tmp_path) == {
        f"{name}.model:Block": False,
        f"{name}.model:Classifier": False,
        f"{name}.deep.base:Base": False,
        f"{name}.late:Late": False,
        f"{name}.script:Net": True,
        f"{name}.loop:Loop": True,
        f"{name}.main:Main": False,
    }
    assert not any(module.startswith(name) for module in sys.modules)


def test_places_that_cannot_be_imported_by_name_are_given_as_files(tmp_path: Path):
    source = "from torch import nn\nclass Net(nn.Module): pass\n"
    (tmp_path / "src" / "app").mkdir(parents=True)
    (tmp_path / "src" / "app" / "__init__.py").touch()
    (tmp_path / "src" / "app" / "model.py").write_text(source)
    (tmp_path / "my-code").mkdir()
    (tmp_path / "my-code" / "model.py").write_text(source)
    (tmp_path / "net.py").write_text(source)
    assert set(found(tmp_path)) == {"src/app/model.py:Net", "my-code/model.py:Net", "net:Net"}


def test_packages_on_the_path_are_given_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "src" / "app").mkdir(parents=True)
    (tmp_path / "src" / "app" / "__init__.py").touch()
    (tmp_path / "src" / "app" / "model.py").write_text(
        "from torch import nn\nclass Net(nn.Module): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "src")
    assert set(found(tmp_path)) == {"app.model:Net"}


def test_ranking_from_real_constructions(tmp_path: Path):
    project = Project(tmp_path)
    project.write(
        "more.py",
        """
        import os, time
        import torch
        from torch import nn

        print("noise on standard output")

        class NeedsSize(nn.Module):
            def __init__(self, size): super().__init__()

        class Raises(nn.Module):
            def __init__(self): raise RuntimeError

        class Exits(nn.Module):
            def __init__(self): raise SystemExit

        class OtherSize(nn.Sequential):
            def __init__(self): super().__init__(nn.Linear(2, 9))

        class Numbers(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Linear(2, int(torch.tensor(3.0).item())))
        """.replace('print("noise on standard output")', 'noise = os.write(1, b"noise")'),
    )
    state = shapes_of(nn.Sequential(nn.Linear(2, 3)).state_dict())
    results = {one.spec.partition(":")[2]: one for one in propose([state], tmp_path)}
    assert results["Numbers"] == Proposal(project.spec("Numbers", "more"), 0)
    assert (results["OtherSize"].distance, results["OtherSize"].shapes_only) == (2, True)
    assert results["Block"].distance is not None
    assert results["Block"].distance > 2
    for name in ("NeedsSize", "Raises", "Exits"):
        assert results[name].distance is None
    assert next(iter(results)) == "Numbers"


def test_endless_files_end_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project = Project(tmp_path)
    project.write(
        "slow.py",
        "import time\nfrom torch import nn\nrest = time.sleep(60)\nclass Slow(nn.Module): pass\n",
    )
    monkeypatch.setattr(proposals, "_SECONDS", 0.5)
    results = propose([{"a": (1,)}], tmp_path)
    assert all(one.distance is None for one in results)


def test_functions_that_may_build_a_network(tmp_path: Path):
    (tmp_path / "nets.py").write_text(
        "def build(): ...\n"
        "def create_model(classes=10, *, bias=True): ...\n"
        "def lenet() -> nn.Sequential: ...\n"
        "def make_net(size): ...\n"
        "def get_model(*, size): ...\n"
        "def build_report(): ...\n"
        "def main() -> None: ...\n"
    )
    assert list(builder_functions(tmp_path)) == ["nets:build", "nets:create_model", "nets:lenet"]


@pytest.fixture
def ranked(monkeypatch: pytest.MonkeyPatch):
    def set_to(*results: Proposal) -> None:
        monkeypatch.setattr(proposals, "propose", lambda states, root: list(results))

    return set_to


def test_advice_gives_the_exact_line(ranked, tmp_path: Path):
    ranked(Proposal("app.model:Net", 0), Proposal("app.model:Old", 7))
    assert (
        advice([], tmp_path)
        == fitting([], tmp_path)
        == (
            "This class of the project fits: put the line into pytest's ini "
            "(or --idc-factory app.model:Net):\n    idc_factory = app.model:Net"
        )
    )
    ranked(Proposal("a:A", 0), Proposal("b:B", 0))
    assert advice([], tmp_path).endswith("\n    idc_factory = a:A\n    idc_factory = b:B")


def test_advice_when_nothing_fits(ranked, tmp_path: Path):
    ranked(Proposal("app:Net", 2, shapes_only=True))
    assert "The names fit app:Net, but not the shapes" in advice([], tmp_path)
    ranked(Proposal("app:Net", 2), Proposal("app:Sized", None))
    assert "Module classes that were not tried" in advice([], tmp_path)
    assert "app:Sized" in advice([], tmp_path)
    (tmp_path / "nets.py").write_text("def build_model(size=3): ...\n")
    assert "Functions that may build the network (not tried): nets:build_model" in advice(
        [], tmp_path
    )
    (tmp_path / "nets.py").unlink()
    ranked(Proposal("app:Net", 2))
    assert f"None of the 1 module classes in {tmp_path} fits." in advice([], tmp_path)
    ranked()
    text = advice([], tmp_path)
    assert f"No module class was found in {tmp_path}." in text
    assert "--idc-factory factory.py:build" in text
    assert fitting([], tmp_path) == ""


def test_an_empty_project_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(proposals.subprocess, "run", None)
    assert propose([{"a": (1,)}], tmp_path) == []
