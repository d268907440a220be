from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.factories import Factory, open_factory, unwrapped
from tests.models.projects import Project


def refusal(target: Any) -> str:
    with pytest.raises(ModelLoadError) as caught:
        Factory("app.model:make", target).build()
    assert caught.value.fix
    return str(caught.value)


class Sized(nn.Module):
    def __init__(self, size: int, *, depth: int, bias: bool = True, **rest: Any) -> None:
        super().__init__()


def test_class_function_and_module_are_factories():
    module = nn.ReLU()
    assert isinstance(Factory("a:b", nn.ReLU).build(), nn.ReLU)
    assert Factory("a:b", lambda: module).build() is module
    assert Factory("a:b", module).build() is module


def test_it_is_called_once():
    calls = []
    factory = Factory("a:b", lambda: calls.append(1) or nn.ReLU())
    assert factory.build() is factory.build()
    assert calls == [1]


def test_needed_arguments_are_named():
    text = refusal(Sized)
    assert "the factory app.model:make needs arguments: size, depth" in text
    assert "def build(): return make(size=..., depth=...)" in text


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (lambda: None, "returned None"),
        (lambda: nn.ReLU, "returned the class ReLU"),
        (lambda: (nn.ReLU(), 3), "Let it return the module alone, which is element 0."),
        (lambda: {"w": torch.zeros(1)}, "A state_dict holds weights only"),
        (lambda: 3, "returned an object of type int"),
        ("text", "is an object of type str"),
    ],
    ids=["none", "class", "tuple", "state", "int", "text"],
)
def test_what_is_no_module_is_refused(target: Any, expected: str):
    text = refusal(target)
    assert "not a torch.nn.Module" in text
    assert expected in text


def test_exceptions_show_the_line_of_the_user(project: Project, tmp_path: Path):
    file = project.write(
        "broken.py", "def build():\n    return 1 / 0\n\ndef leave():\n    raise SystemExit(3)\n"
    )
    with pytest.raises(ModelLoadError) as caught:
        open_factory(project.spec("build", "broken"), tmp_path).build()
    assert "raised ZeroDivisionError: division by zero" in str(caught.value)
    assert f"at {file}:2: return 1 / 0" in str(caught.value)
    with pytest.raises(ModelLoadError, match="raised SystemExit: 3"):
        open_factory(project.spec("leave", "broken"), tmp_path).build()


def test_classes_of_a_class_come_from_its_file_without_building(project: Project, tmp_path: Path):
    factory = open_factory(project.spec("Classifier"), tmp_path)
    assert {kind.__name__ for kind in factory.classes()} == {"Classifier", "Block"}
    factory.target = Sized
    assert Sized in factory.classes()


def test_classes_of_a_function_come_from_what_it_builds(project: Project, tmp_path: Path):
    factory = open_factory(project.spec("build"), tmp_path)
    assert {kind.__name__ for kind in factory.classes()} >= {"Classifier", "Block", "Linear"}


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        lambda m: torch.compile(m, backend="eager"),
        lambda m: nn.DataParallel(torch.compile(m, backend="eager")),
    ],
    ids=["parallel", "compiled", "both"],
)
def test_wrappers_come_off_and_it_is_said(wrap: Callable[[nn.Module], nn.Module]):
    inner = nn.Linear(2, 2)
    found, notes = unwrapped(wrap(inner), "app:build")
    assert found is inner
    assert notes
    assert all(note.startswith("The network was taken out of its ") for note in notes)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_scripted_modules_are_refused():
    with pytest.raises(ModelLoadError, match="app:build is a TorchScript model"):
        unwrapped(torch.jit.script(nn.Linear(2, 2)), "app:build")


def test_torchvision_names_are_factories_too(tmp_path: Path):
    pytest.importorskip("torchvision")
    made = open_factory("torchvision:squeezenet1_0", tmp_path).build()
    assert type(made).__name__ == "SqueezeNet"
