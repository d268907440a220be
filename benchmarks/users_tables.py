"""Reproduce the tables behind the defaults: what IDC and its companions say at each suite size.

    python benchmarks/users_tables.py mnist --data FOLDER
    python benchmarks/users_tables.py cifar10 --data FOLDER

One profile and one recording of the whole test set; suites are then 20 seeded draws of its rows,
and each cell is their mean. The published number, measured by other code with other draws, stands
behind the slash. All numbers are percentages unless they are counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from published import CIFAR10, CIFAR10_SIZES, MNIST, MNIST_SIZES
from recorded import record_codes
from workloads import Workload, add_options, cifar10_lenet5, find, mnist_lenet5

from pytest_deepimportance import Profile, build_profile
from pytest_deepimportance.statistics.expectation import random_suite, uncovered_probability

DRAWS = 20
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """What a suite covers at one m: ratios; `relative` is covered among reached / expected."""

    idc: float
    of_reached: float
    share: float
    relative: float
    classes: tuple[float, ...]


class Bench:
    """The combination of every test row, and the reference's combination counts."""

    def __init__(self, work: Workload, profile: Profile) -> None:
        self.labels = work.test[1].numpy()
        self.space = profile.spaces[0]
        self.counts = profile.counts[self.space.name]
        self.codes = record_codes(work, profile)

    def rows(self, *classes: int) -> Rows:
        """Return the test rows of these classes (all rows without any)."""
        wanted = np.isin(self.labels, classes) if classes else np.ones(len(self.labels), bool)
        return np.flatnonzero(wanted)

    def total(self, m: int) -> int:
        """Return the number of combinations of m neurons."""
        return self.space.total(m)

    def reach(self, m: int) -> int:
        """Return how many of them occur in the reference."""
        return self.counts.prefix(m).reach

    def mean(self, pool: Rows, inputs: int, m: int) -> Figures:
        """Return the mean figures of seeded draws of `inputs` rows of the pool."""
        groups = self.counts.prefix(m)
        expected = random_suite(groups.counts, inputs).expected
        drawn = []
        for seed in range(DRAWS if inputs < len(pool) else 1):
            rows = np.random.default_rng(seed).permutation(pool)[:inputs]
            codes = np.unique(self.codes[rows, :m], axis=0)
            found = groups.exercise(codes)
            by_class = [found.classes[label][0] / found.classes[label][1] for label in range(10)]
            drawn.append(
                [len(codes) / self.total(m), found.reached / groups.reach, found.share,
                 found.reached / expected, *by_class]
            )  # fmt: skip
        idc, of_reached, share, relative, *classes = np.mean(drawn, axis=0).tolist()
        return Figures(idc, of_reached, share, relative, tuple(classes))

    def exact(self, inputs: int, m: int) -> tuple[float, float]:
        """Return of reached and share as their mean over all draws from the test set."""
        groups = self.counts.prefix(m)
        codes, rows = np.unique(self.codes[:, :m], axis=0, return_counts=True)
        covered = 1 - uncovered_probability(rows, len(self.codes), inputs)
        found = [groups.exercise(code[None]) for code in codes]
        of_reached = sum(covered * [one.reached for one in found]) / groups.reach
        return float(of_reached), float(sum(covered * [one.share for one in found]))


def table(title: str, head: Sequence[object], rows: Sequence[Sequence[object]]) -> None:
    """Print a table with right-aligned columns."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    print(f"\n{title}")
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def beside(ours: float, published: float | None, digits: int = 1) -> str:
    """Format a ratio as percent beside the published percentage."""
    shown = "-" if published is None else f"{published:g}"
    return f"{100 * ours:.{digits}f} / {shown}"


def show_mnist(bench: Bench) -> None:
    """Print the LeNet-5 tables of MNIST."""
    everything, half = bench.rows(), bench.rows(0, 1, 2, 3, 4)
    rows = []
    for m, published in MNIST["idc"].items():
        cells = [bench.mean(everything, inputs, m).idc for inputs in MNIST_SIZES]
        cells.append(bench.mean(half, 3000, m).idc)
        rows.append([m, bench.total(m), bench.reach(m), *map(beside, cells, published)])
    head = ["m", "total", "reach", *(f"N={n:,}" for n in MNIST_SIZES), "3,000 of digits 0-4"]
    table("IDC of random subsets of the test set, ours / published", head, rows)

    rows = []
    for m in (6, 8, 10, 12):
        ratios = [bench.mean(everything, n, m).relative for n in MNIST_SIZES]
        half_ratios = [bench.mean(half, n, m).relative for n in (200, 1000, 3000)]
        rows.append([m, *(f"{ratio:.2f}" for ratio in (*ratios, *half_ratios))])
    head = ["m", *(f"N={n:,}" for n in MNIST_SIZES), *(f"0-4: {n:,}" for n in (200, 1000, 3000))]
    table(
        "covered among reached / random suite (published: 0.95-1.03; 0-4 at m=8 0.57-0.66)",
        head,
        rows,
    )

    shares = [bench.mean(everything, 1000, m).share for m in MNIST["share"]]
    table(
        "share of 1,000 random test images, ours / published",
        [f"m={m}" for m in MNIST["share"]],
        [list(map(beside, shares, MNIST["share"].values()))],
    )
    pool = bench.rows(0, 1, 2, 3, 4, 5, 6)
    low, found = bench.mean(pool, 1000, 6), bench.mean(pool, 1000, 8)
    published = MNIST["without_789"]
    table(
        "1,000 images without 7, 8, 9: IDC at m=6, share at m=8 and by class, ours / published",
        ["IDC", "share", *(f"share:{label}" for label in range(10))],
        [list(map(beside, (low.idc, found.share, *found.classes), published, [0] * 12))],
    )


def show_cifar10(bench: Bench) -> None:
    """Print the CIFAR-10 table."""
    everything = bench.rows()
    rows, off, exactly_off = [], 0.0, 0.0
    for m, row in CIFAR10.items():
        full = bench.mean(everything, len(everything), m).idc
        drawn = [bench.mean(everything, inputs, m) for inputs in CIFAR10_SIZES]
        ours = [figures.of_reached for figures in drawn] + [figures.share for figures in drawn]
        truth = [bench.exact(inputs, m) for inputs in CIFAR10_SIZES]
        means = [pair[0] for pair in truth] + [pair[1] for pair in truth]
        page = (*row.of_reached, *row.share)
        cells = [beside(bench.reach(m) / bench.total(m), row.reach), beside(full, row.full)]
        rows.append([m, f"{bench.total(m)} / {row.total}", *cells, *map(beside, ours, page)])
        off = max(off, *(abs(100 * a - b) for a, b in zip(ours, page, strict=True)))
        exactly_off = max(
            exactly_off, *(abs(100 * a - b) for a, b in zip(means, page, strict=True))
        )
    head = ["m", "total", "reach", "all 10,000", *(f"{n:,}" for n in CIFAR10_SIZES * 2)]
    title = "CIFAR-10 (JPEG), layer relu4, ours / published: IDC of the full test set, then"
    table(f"{title} of reached and share at four sizes", head, rows)
    print(f"\nlargest difference of a cell: {off:.1f} points with these {DRAWS} draws,")
    print(f"{exactly_off:.1f} points with the mean over all possible draws (closed form)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=("mnist", "cifar10"))
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work = (mnist_lenet5 if options.which == "mnist" else cifar10_lenet5)(*find(options))
    if work is None:
        sys.exit("the model's weights or the images were not found: give --shared and --data")
    print("command  python", " ".join(sys.argv))
    print("workload", work.title)
    profile = build_profile(work.model, work.reference, layer="relu4")
    bench = Bench(work, profile)
    print(f"neurons  {[index for _, index in bench.space.neurons]}")
    print(f"k        {list(bench.space.ks)}")
    (show_mnist if options.which == "mnist" else show_cifar10)(bench)


if __name__ == "__main__":
    main()
