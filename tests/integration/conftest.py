"""A small project written into pytester's folder: a model that learned blobs, and its data."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from torch.nn.modules import module as torch_module

NET = '''
import torch
from torch import nn


class Net(nn.Module):
    """Three classes of points in the plane; weights by formula, so nothing is trained."""

    def __init__(self, shift=0.0):
        super().__init__()
        self.fc1 = nn.Linear(2, 12)
        self.fc2 = nn.Linear(12, 8)
        self.fc3 = nn.Linear(8, 3)
        generator = torch.Generator().manual_seed(6)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.7 + shift)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


def points(count, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, generator=generator) * 2
    with torch.no_grad():
        y = Net().forward(x).argmax(dim=1)  # no call of the module: nothing to record
    return x, y


def reference():
    return points(600, seed=1)


def suite_points():
    return points(60, seed=2)
'''


class Project:
    """A user's project in a temporary folder."""

    def __init__(self, pytester: pytest.Pytester, python: Path) -> None:
        self.pytester = pytester
        self.python = str(python)
        self.path = pytester.path
        self._began, self._versions = int(time.time()), 0
        self.write("net.py", NET)
        self.ini()

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        # Bytecode is told apart by the second and the size of its source: each version has its own.
        self._versions += 1
        os.utime(path, (self._began + self._versions,) * 2)
        return path

    def ini(self, *lines: str, model: str = "net:Net", reference: str = "net:reference") -> None:
        own = [f"idc_model = {model}"] if model else []
        own += [f"idc_reference = {reference}"] if reference else []
        body = "\n".join(["[pytest]", "pythonpath = .", "addopts = -p no:randomly", *own, *lines])
        (self.path / "pytest.ini").write_text(body + "\n")

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run in this process (fast); the report goes to idc.json."""
        with self._warm():
            return self.pytester.runpytest_inprocess("--idc-report=json:idc.json", *arguments)

    def run_apart(self, *arguments: str) -> pytest.RunResult:
        """Run in a process of its own."""
        with self._warm():
            return self.pytester.runpytest_subprocess("--idc-report=json:idc.json", *arguments)

    @contextmanager
    def _warm(self) -> Iterator[None]:
        """Workers and processes that start meanwhile find the libraries imported."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "executable", self.python)
            yield

    def reports(self) -> list[dict[str, Any]]:
        data = json.loads((self.path / "idc.json").read_text())
        reports: list[dict[str, Any]] = data["reports"]
        return reports

    def report(self) -> dict[str, Any]:
        (only,) = self.reports()
        return only


@pytest.fixture
def project(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, warm: Path
) -> Iterator[Project]:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("CI", "BUILD_NUMBER"):  # there pytest cuts no line of its summary to the width
        monkeypatch.delenv(name, raising=False)
    yield Project(pytester, warm / "python")
    assert not torch_module._global_forward_pre_hooks  # what a session put on is gone with it
