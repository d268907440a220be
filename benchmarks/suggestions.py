"""What suggested inputs add to a suite, beside random ones and the ones the model is unsure of.

    python benchmarks/suggestions.py mnist
    python benchmarks/suggestions.py cifar10 --data FOLDER

A suite is 200 random test images, the pool the other 9,800; all training images are the reference.
Each line is the mean over several suites; every suite is compared with 20 random choices.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import torch
from users_tables import table
from workloads import add_options, cifar10_lenet5, find, mnist_lenet5

from pytest_deepimportance import build_profile
from pytest_deepimportance.engine.opening import as_reference
from pytest_deepimportance.engine.suggesting import DRAWS, suggest
from pytest_deepimportance.settings import from_keywords

NETWORKS = {"mnist": mnist_lenet5, "cifar10": cifar10_lenet5}
SUITE = 200


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--m", type=int, nargs="+", default=[6, 8])
    parser.add_argument("--count", type=int, default=100, help="inputs to suggest (default 100)")
    parser.add_argument("--suites", type=int, default=5, help="random suites (default 5)")
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work = NETWORKS[options.network](*find(options))
    settings = from_keywords(criteria="IDC", reference_samples="all")
    whole = build_profile(work.model, work.reference, criteria="IDC", reference_samples="all")
    x, y = work.test
    rows = []
    for m in options.m:
        profile = whole.with_m(m)
        found: dict[str, list[tuple[float, float]]] = {}
        sizes = []
        for seed in range(options.suites):
            order = np.random.default_rng(seed).permutation(len(x))
            first, rest = order[:SUITE], order[SUITE:]
            result = suggest(
                work.model,
                profile,
                {"suite": as_reference((x[first], y[first]), settings)},
                as_reference((x[rest], y[rest]), settings),
                options.count,
                settings,
            )
            sizes.append((result.covered, result.addable, result.errors or 0))
            for way in result.strategies:
                found.setdefault(way.name, []).append((way.new_items, way.errors or 0.0))
        covered, addable, errors = np.mean(sizes, axis=0)
        for name, numbers in found.items():
            new, wrong = np.mean(numbers, axis=0)
            spread = np.std([n for n, _ in numbers], ddof=1)
            rows.append(
                (f"m = {m}, {name}", f"{covered:.1f}", f"{new:.1f} ({spread:.1f})",
                 f"{covered + new:.1f}", f"{addable:.1f}", f"{wrong:.1f} of {errors:.0f}")
            )  # fmt: skip
    title = f"{work.title}: {options.count} of {len(x) - SUITE:,} inputs, {options.suites} suites"
    head = ("way", "covered before", "added (sd)", "after", "addable", "errors found")
    table(f"{title}; random: {DRAWS} draws each", head, rows)


if __name__ == "__main__":
    sys.exit(main())
