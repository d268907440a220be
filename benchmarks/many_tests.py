"""What recording, contexts and the data file cost many small tests, as a ratio to --no-idc.

    python -m benchmarks.many_tests [--tests 10000] [--repeats 3] [--criteria IDC]
    python -m benchmarks.many_tests --sample

A project of N tests, each with one image through the fixture LeNet, is run in turn with --no-idc,
with recording, with the data file, and with contexts. Figures are processor time (a shared machine
makes others of wall time), the smallest of the repeats; what one test takes (start-up of Python and
torch, reading the profile) is taken off. With --sample the sample project's own 24 tests are run as
they are, start-up included: what a user waits for.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent

TEST = """
import pytest
import torch
from app.data import load_test
from app.model import load_classifier

IMAGES = load_test()[0]


@pytest.fixture(scope="session")
def classifier():
    return load_classifier("../fixtures/digits_lenet.safetensors")


@pytest.mark.idc_suite
@pytest.mark.parametrize("number", range({tests}))
def test_one_image(number, classifier):
    with torch.inference_mode():
        shift = number // len(IMAGES) / 1000
        assert classifier(IMAGES[number % len(IMAGES)].unsqueeze(0) + shift).shape == (1, 10)
"""

RUNS = {
    "--no-idc": ("--no-idc",),
    "recording": ("--idc-data-file=none",),
    "and the data file": (),
    "and contexts": ("--idc-context=test",),
}


def seconds(project: Path, *arguments: str, tests: str) -> float:
    """Run the tests and return the processor time they took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", tests, *arguments],
        cwd=project, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fastest(project: Path, extra: Sequence[str], repeats: int, tests: str) -> dict[str, float]:
    """Return the smallest processor time of each kind of run, the kinds in turn."""
    seconds(project, *extra, tests=tests)  # makes the cached profile
    best: dict[str, float] = {}
    for label, arguments in list(RUNS.items()) * repeats:
        took = seconds(project, *extra, *arguments, tests=tests)
        best[label] = min(took, best.get(label, took))
    return best


def show_sample(project: Path, extra: Sequence[str], repeats: int) -> None:
    """Print what whole runs of the sample project take."""
    took = fastest(project, extra, repeats, "tests")
    for label, spent in took.items():
        print(f"{label:20} {spent:8.2f} s   ratio {spent / took['--no-idc']:5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--criteria", default="all")
    parser.add_argument("--sample", action="store_true", help="the sample project's tests instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for folder in ("sample_project", "fixtures"):
            shutil.copytree(ROOT / folder, Path(name) / folder)
        project = Path(name) / "sample_project"
        extra = (f"--idc-criteria={options.criteria}", "--idc-fail-under=0.0001")
        if options.sample:
            show_sample(project, extra, options.repeats)
            return
        best = []
        for tests in (1, options.tests):
            (project / "test_many.py").write_text(TEST.format(tests=tests))
            best.append(fastest(project, extra, options.repeats, "test_many.py"))
    one, many = best
    spent = {label: many[label] - one[label] for label in RUNS}
    bare = spent["--no-idc"]
    print(f"{options.tests:,} tests of one image, criteria {options.criteria}")
    for label, took in spent.items():
        each = 1000 * (took - bare) / options.tests
        print(f"{label:20} {took:8.2f} s   ratio {took / bare:5.2f}   {each:+.3f} ms a test")


if __name__ == "__main__":
    main()
