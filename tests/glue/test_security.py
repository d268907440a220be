"""A pickle with a malicious __reduce__, given as the model in every way there is."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    @pytest.mark.idc_suite
    def test_it(idc):
        idc(suite_points()[0])
"""
ALIAS = "\ndef build():\n    return Net()\n"


class Malice:
    """Creates a file where it is unpickled; this does no harm, but another could."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return open, (str(self.witness), "w")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, warm: Path) -> Project:
    monkeypatch.setenv("COLUMNS", "80")
    made = Project(pytester, warm / "python")
    made.write("test_it.py", TEST)
    (made.path / "net.py").write_text((made.path / "net.py").read_text() + ALIAS)
    return made


def evil(project: Project, kind: str) -> tuple[Path, Path]:
    witness, path = project.path / "executed", project.path / f"evil-{kind}.pth"
    content: Any = {
        "whole": Malice(witness),
        "state": {"fc1.weight": torch.ones(12, 2), "extra": Malice(witness)},
        "wrapped": {"state_dict": {"fc1.weight": Malice(witness)}, "epoch": 3},
    }.get(kind, Malice(witness))
    if kind == "plain":
        path.write_bytes(pickle.dumps(content))
    elif kind == "legacy":
        torch.save(content, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(content, path)
    return path, witness


FACTORIES = (None, "net:Net", "net:build")
KINDS = ("whole", "state", "wrapped", "legacy", "plain")


@pytest.mark.parametrize("kind", KINDS)
def test_it_never_runs_unasked(project: Project, kind: str) -> None:
    path, witness = evil(project, kind)
    project.ini(model="", reference="net:reference")
    for factory, as_weights, missing in itertools.product(FACTORIES, (False, True), (False, True)):
        arguments = [f"--idc-weights={path}"] if as_weights else [f"--idc-model={path}"]
        if as_weights:
            arguments.append(f"--idc-model={factory or 'net:Net'}")
        elif factory:
            arguments.append(f"--idc-factory={factory}")
        if missing:
            arguments.append("--idc-missing=skip")
        result = project.pytester.runpytest_inprocess(*arguments)
        assert not witness.exists(), arguments
        assert result.ret == pytest.ExitCode.USAGE_ERROR, arguments
        assert "allow" in result.stderr.str() + result.stdout.str(), arguments


@pytest.mark.parametrize("kind", ["whole", "plain"])
def test_other_ways_in_do_not_run_it_either(
    project: Project, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, witness = evil(project, kind)
    monkeypatch.chdir(project.path)
    for arguments in (
        ("--idc-model=net:Net", f"--idc-profile={path}"),
        ("--idc-model=net:Net", f"--idc-reference={path}"),
    ):
        result = project.pytester.runpytest_inprocess(*arguments)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
    for command in (
        ["layers", str(path)],
        ["layers", str(path), "--factory", "net.py:Net"],
        ["profile", "show", str(path)],
        ["profile", "check", str(path), "net.py:Net"],
        ["profile", "build", str(path), "--factory", "net.py:Net", "--reference",
         "net.py:reference", "-o", "a.idc"],
    ):  # fmt: skip
        assert main(command) == 2
    assert not witness.exists()


def test_it_runs_when_it_is_allowed_to_and_then_only(project: Project) -> None:
    path, witness = evil(project, "whole")
    project.ini(model="", reference="net:reference")
    project.pytester.runpytest_inprocess(f"--idc-model={path}", "--co", "--idc-allow-pickle")
    assert not witness.exists()
    result = project.pytester.runpytest_inprocess(f"--idc-model={path}", "--idc-allow-pickle")
    assert witness.exists()
    assert result.ret != 0  # a file object is no model, and that is said
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
