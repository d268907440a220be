"""The sample project, run as its README says, against a slow twin of its numbers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pytest_deepimportance.reporting.json_report import load
from pytest_deepimportance.results import Report, SuiteResult
from tests.examples.sample_modules import FIXTURES, ROOT, imported
from tests.oracles.reference_sample_project import (
    ExpectedSpace,
    ExpectedSuite,
    expected_space,
    expected_suite,
)

NAMES = ["clean", "noisy", "shifted", "without_789"]


@dataclass(frozen=True)
class Run:
    code: int
    screen: str
    report: Report | None


def run(folder: Path, *options: str) -> Run:
    """Run pytest in `folder` with a JSON report."""
    target = folder / "idc.json"
    target.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--color=no", f"--idc-report=json:{target}", *options],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "COLUMNS": "80", "OMP_NUM_THREADS": "1", "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    reports = load(target) if target.exists() else ()
    return Run(done.returncode, done.stdout + done.stderr, reports[0] if reports else None)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh copy, so that caches and reports do not end up in the checkout."""
    home = tmp_path_factory.mktemp("repository")
    ignore = shutil.ignore_patterns("__pycache__", ".pytest_cache", "data")
    for name in ("sample_project", "fixtures"):
        shutil.copytree(ROOT / name, home / name, ignore=ignore)
    return home / "sample_project"


@pytest.fixture(scope="module")
def first_run(sample: Path) -> Run:
    """README's first command runs at the root of the repository."""
    return run(sample.parent, "sample_project")


@pytest.fixture(scope="module")
def app() -> Iterator[ModuleType]:
    with imported(ROOT / "sample_project", "app", "model", "data") as package:
        yield package


@dataclass(frozen=True)
class Twin:
    space: ExpectedSpace
    suites: dict[str, ExpectedSuite]
    inputs: dict[str, int]


@pytest.fixture(scope="module")
def twin(app: ModuleType) -> Twin:
    """The numbers that the report must show, computed without our package."""
    model = app.model.load_classifier(FIXTURES / "digits_lenet.safetensors")
    kept: list[torch.Tensor] = []
    model.relu4.register_forward_hook(lambda *call: kept.append(call[-1]))

    def hidden(images: torch.Tensor) -> torch.Tensor:
        kept.clear()
        with torch.no_grad():
            model(images)
        return kept[0]

    reference, labels = app.data.load_reference()
    space = expected_space(hidden(reference), model.fc3.weight.data, model.fc3.bias.data, labels)
    images, truth = app.data.load_test()
    moves = ((1, 0), (-1, 0), (0, 1), (0, -1))
    inputs = {
        "clean": images,
        "shifted": torch.cat(
            [app.data.shift(images[start::8], *move) for start, move in enumerate(moves)]
        ),
        "noisy": torch.cat(
            [app.data.add_noise(images[::4], sigma, seed=0) for sigma in (0.10, 0.15)]
        ),
        "without_789": images[truth < 7],
    }
    inputs["TOTAL"] = torch.cat([inputs["clean"], inputs["shifted"], inputs["noisy"]])
    return Twin(
        space,
        {name: expected_suite(space, hidden(rows), 10) for name, rows in inputs.items()},
        {name: len(rows) for name, rows in inputs.items()},
    )


def shares(suite: SuiteResult) -> list[float]:
    by_index = sorted(suite.classes, key=lambda row: row.index)
    assert [row.index for row in by_index] == list(range(10))
    return [row.share or 0.0 for row in by_index]


def test_the_first_command_passes_and_shows_every_suite(first_run: Run) -> None:
    assert first_run.code == 0, first_run.screen
    rows = [line.split()[0] for line in first_run.screen.splitlines() if "%" in line]
    table = [name for name in rows if name in (*NAMES, "TOTAL")]
    assert table[: len(NAMES) + 1] == [*NAMES, "TOTAL"]
    assert "without_789 leaves out (share): class 7" in first_run.screen
    assert "24 passed" in first_run.screen.splitlines()[-1]


def test_report_equals_the_slow_twin(first_run: Run, twin: Twin) -> None:
    report = first_run.report
    assert report is not None
    space = report.profile.spaces[0]
    assert (space.m, space.total, space.reach) == (
        twin.space.m, twin.space.total, twin.space.reach,
    )  # fmt: skip
    chosen = twin.space.neurons[: space.m]
    assert [neuron.index for neuron in space.neurons][: space.m] == chosen
    for neuron, centroids in zip(space.neurons, twin.space.centroids, strict=False):
        assert neuron.centroids == pytest.approx(centroids, rel=1e-5, abs=1e-6)
    for name, expected in twin.suites.items():
        suite = report.suite(name)
        assert suite is not None, name
        row = suite.criteria["IDC"]
        assert suite.inputs == twin.inputs[name], name
        assert (row.covered, row.total) == (expected.covered, twin.space.total), name
        assert row.covered_reached == expected.covered_reached, name
        assert (row.exercised_rows, row.reference_rows) == (expected.exercised, 1300), name
        by_class = [cls.exercised_rows for cls in sorted(suite.classes, key=lambda c: c.index)]
        assert by_class == expected.exercised_by_class, name


def test_missing_digits_show_although_accuracy_is_high(first_run: Run) -> None:
    report = first_run.report
    assert report is not None
    clean, without = report.suite("clean"), report.suite("without_789")
    assert clean is not None
    assert without is not None
    assert without.accuracy is not None
    assert clean.accuracy is not None
    assert without.accuracy >= clean.accuracy >= 0.97
    found = shares(without)
    assert sorted(range(10), key=found.__getitem__)[:3] == [7, 9, 8]
    assert max(found[7:]) < 0.7 < 0.95 < min(found[:7])
    assert min(shares(clean)) > 0.9
    tested = {row.index: row.suite_inputs for row in without.classes}
    assert [tested[digit] for digit in (7, 8, 9)] == [0, 0, 0]


def test_gate_is_met_and_judges_the_gated_suites_only(first_run: Run) -> None:
    report = first_run.report
    assert report is not None
    assert [gate.status for gate in report.gates] == ["ok"]
    assert report.gates[0].suite == "TOTAL"
    assert "of the training images" in report.gates[0].reason
    assert report.total.inputs == 497 + 249 + 250


def test_unmarked_tests_are_not_measured(first_run: Run) -> None:
    report = first_run.report
    assert report is not None
    assert len(report.tests) == 19
    assert not any("test_preprocessing" in row.nodeid for row in report.tests)


def test_two_workers_report_the_same_numbers(first_run: Run, sample: Path) -> None:
    pytest.importorskip("xdist")
    parallel = run(sample, "-n", "2")
    assert parallel.code == 0, parallel.screen
    assert parallel.report is not None
    assert first_run.report is not None
    for name in (*NAMES, "TOTAL"):
        serial, spread = first_run.report.suite(name), parallel.report.suite(name)
        assert serial is not None
        assert spread is not None
        assert spread.criteria == serial.criteria
        assert spread.classes == serial.classes
        assert (spread.inputs, spread.correct, spread.labelled) == (
            serial.inputs, serial.correct, serial.labelled,
        )  # fmt: skip


def test_reference_by_fixture_gives_the_same_report(first_run: Run, sample: Path) -> None:
    """The profile is then built inside the first marked test, before its prediction fixture."""
    shutil.copytree(sample.parent, sample.parent / "by_fixture")
    folder = sample.parent / "by_fixture" / "sample_project"
    ini = folder / "pytest.ini"
    ini.write_text(ini.read_text().replace("idc_reference = app.data:load_reference\n", ""))
    with (folder / "conftest.py").open("a") as conftest:
        conftest.write(
            "\nfrom app.data import load_reference\n"
            "idc_reference = pytest.fixture(scope='session')(lambda: load_reference())\n"
        )
    found = run(folder, "tests/test_clean.py")
    assert found.code == 0, found.screen
    assert found.report is not None
    assert first_run.report is not None
    first, second = first_run.report.suite("clean"), found.report.suite("clean")
    assert first is not None
    assert second is not None
    assert second.criteria == first.criteria
    assert second.accuracy == first.accuracy


def test_a_threshold_that_is_not_met_fails_the_run(sample: Path) -> None:
    strict = run(sample, "--idc-fail-under", "clean/IDC=0.99", "tests/test_clean.py")
    assert strict.code == 1
    assert strict.report is not None
    assert "failed" in [gate.status for gate in strict.report.gates]
    assert "1 failed" in strict.screen.splitlines()[-1]


def test_suite_also_runs_without_the_measurement(sample: Path) -> None:
    plain = run(sample, "--no-idc")
    assert plain.code == 0, plain.screen
    assert "Importance" not in plain.screen
