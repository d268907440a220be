"""The demonstration of docs/demo.md: suites that lack classes, and what their reports say.

    python benchmarks/demo.py mnist
    python benchmarks/demo.py cifar10 --data FOLDER

Every suite is N random test images, whole or without some classes, measured as `pytest` would
measure them; all training images are the reference. The first tables show one suite of each kind.
The last one leaves out one class at a time, in several draws, and counts in how many of them the
report points at that class: as the one with the lowest share, or by a share below what any whole
suite has. By label the class has 0 inputs in all of them: class balance never misses it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from users_tables import table
from workloads import Workload, add_options, cifar10_lenet5, find, mnist_lenet5

from pytest_deepimportance import Profile, build_profile, record
from pytest_deepimportance.reporting import terminal
from pytest_deepimportance.results import Report, SuiteResult

NETWORKS = {"mnist": mnist_lenet5, "cifar10": cifar10_lenet5}
CLASSES = {
    "mnist": tuple("0123456789"),
    "cifar10": (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
}  # fmt: skip
FORGOTTEN = {"mnist": ((7, 8, 9), (3,), (1,)), "cifar10": ((0, 8, 9), (8,), (7,))}
"""Classes that the suites of the first tables lack; the screen of the first is printed too."""


@dataclass(frozen=True)
class Bench:
    """A network, its profile, and the size of every suite."""

    work: Workload
    profile: Profile
    names: tuple[str, ...]
    inputs: int

    def suite(self, missing: Sequence[int], seed: int) -> SuiteResult:
        """Measure `inputs` random test images that are of none of the missing classes."""
        return self.report(missing, seed).total

    def report(self, missing: Sequence[int], seed: int) -> Report:
        """Measure the same, with everything that a report holds."""
        images, labels = self.work.test
        kept = np.flatnonzero(~np.isin(labels.numpy(), missing))
        rows = torch.from_numpy(np.random.default_rng(seed).permutation(kept)[: self.inputs])
        with torch.no_grad(), record(self.work.model, self.profile, criteria="IDC") as recording:
            self.work.model(images[rows])
            recording.labels(labels[rows])
        report: Report = recording.report()
        return report

    def called(self, missing: Sequence[int]) -> str:
        """Name a suite by what it lacks."""
        return f"without {', '.join(self.names[c] for c in missing)}" if missing else "all classes"


def shares(suite: SuiteResult) -> list[float]:
    """Return the share of each class in percent."""
    return [100 * (found.share or 0) for found in suite.classes]


def show_suites(bench: Bench, forgotten: Sequence[Sequence[int]]) -> None:
    """Print one suite of each kind, then its share by class and its inputs by class."""
    suites = {bench.called(missing): bench.suite(missing, seed=0) for missing in ((), *forgotten)}
    rows = []
    for name, suite in suites.items():
        row = suite.criteria["IDC"]
        random = row.random
        assert random is not None
        rows.append(
            [name, f"{suite.inputs:,}", f"{100 * (suite.accuracy or 0):.1f}%",
             f"{100 * (row.value or 0):.1f}%", row.covered, f"{random.low}-{random.high}",
             f"{100 * (row.share or 0):.1f}%", f"{suite.evenness:.2f}"]
        )  # fmt: skip
    head = ["suite", "inputs", "accuracy", "IDC", "covered", "random suite", "share", "evenness"]
    table("One suite of each kind", head, rows)
    head = ["suite", *bench.names]
    by_class = [[name, *(f"{share:.0f}" for share in shares(s))] for name, s in suites.items()]
    table("Share by class, %", head, by_class)
    balance = [[name, *(c.suite_inputs for c in suite.classes)] for name, suite in suites.items()]
    table("Inputs by class", head, balance)


def show_screen(bench: Bench, missing: Sequence[int]) -> None:
    """Print what `pytest` and `deepimportance measure` show of a suite."""
    report = bench.report(missing, seed=0)
    print(f"\nThe screen: {bench.called(missing)}")
    print("\n".join(terminal.render([report], width=80, color=False)))


def show_each_class(bench: Bench, draws: int) -> None:
    """Print for each class how often its absence shows in the shares by class."""
    whole = np.array([shares(bench.suite((), seed)) for seed in range(draws)])
    rows, counts = [], []
    for missing, name in enumerate(bench.names):
        suites = [bench.suite((missing,), seed) for seed in range(draws)]
        lack = np.array([shares(suite) for suite in suites])
        own = lack[:, missing]
        accuracy = np.mean([suite.accuracy or 0 for suite in suites])
        counts.append(
            [int((lack.argmin(1) == missing).sum()), int((own < whole[:, missing].min()).sum()),
             sum(suite.classes[missing].suite_inputs == 0 for suite in suites)]
        )  # fmt: skip
        means = [f"{whole[:, missing].mean():.1f}", f"{own.mean():.1f}"]
        rows.append([name, *means, *counts[-1], f"{100 * accuracy:.1f}%"])
    head = [
        "missing", "its share, whole", "without", "weakest in", "below every whole in",
        "0 inputs in", "accuracy",
    ]  # fmt: skip
    table(f"One class missing, {draws} draws each (means in %, counts of draws)", head, rows)
    seen = np.sum(counts, axis=0)
    print(
        f"\nof {10 * draws} suites: the missing class is the weakest in {seen[0]}, below every "
        f"whole suite in {seen[1]}, without inputs in {seen[2]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--inputs", type=int, default=1000, help="images of a suite")
    parser.add_argument(
        "--draws", type=int, default=20, help="draws for each missing class (0: none)"
    )
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work = NETWORKS[options.network](*find(options))
    if work is None:
        sys.exit(f"{options.network}: weights or images not found, see --shared and --data")
    names = CLASSES[options.network]
    profile = build_profile(work.model, work.reference, criteria="IDC", class_names=names)
    bench = Bench(work, profile, names, options.inputs)
    space = profile.spaces[0]
    print(work.title)
    print(f"layer {space.name}, m = {space.m}, {space.total(space.m):,} combinations")
    show_suites(bench, FORGOTTEN[options.network])
    show_screen(bench, FORGOTTEN[options.network][0])
    if options.draws:
        show_each_class(bench, options.draws)


if __name__ == "__main__":
    main()
