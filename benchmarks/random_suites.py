"""The closed form of random suites against 10,000 simulated ones, on three real profiles.

    python benchmarks/random_suites.py --data FOLDER --shared FOLDER

Simulated suites are drawn without replacement from the reference rows of each combination; printed
are the relative errors of the mean and of the 1 % point.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from workloads import add_options, cifar10_lenet5, find, mnist_lenet1, mnist_lenet5

from pytest_deepimportance import build_profile
from pytest_deepimportance.statistics.expectation import random_suite

SUITES = 10_000
SIZES = (50, 200, 1000, 3000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    options = parser.parse_args()
    print("command   python", " ".join(sys.argv))
    shared, data = find(options)
    works = [mnist_lenet5(shared, data), mnist_lenet1(shared, data), cifar10_lenet5(shared, data)]
    print("| profile | m | N | mean, error | 1 % point (simulated) | error |")
    print("|---|---|---|---|---|---|")
    worst = [0.0, 0.0]
    for work in works:
        if work is None:
            print("| weights or images not found (--data, --shared) | | | | | |")
            continue
        profile = build_profile(work.model, work.reference, batch_size=256, random_orders=0)
        for m in (6, 8):
            counts = profile.counts[profile.spaces[0].name].prefix(m).counts
            for size in SIZES:
                generator = np.random.default_rng(size)
                drawn = generator.multivariate_hypergeometric(
                    counts, size, size=SUITES, method="marginals"
                )
                covered = (drawn > 0).sum(axis=1)
                low = int(np.quantile(covered, 0.01, method="inverted_cdf"))
                found = random_suite(counts, size)
                errors = [abs(found.expected / covered.mean() - 1), abs(found.low / low - 1)]
                worst = [max(pair) for pair in zip(worst, errors, strict=True)]
                name = work.title.split(" (")[0].removeprefix("the paper's ")
                print(
                    f"| {name} | {m} | {size:,} | {found.expected:.1f}, {errors[0]:.3%} "
                    f"| {found.low} ({low}) | {errors[1]:.1%} |",
                    flush=True,
                )
    print(f"worst: mean {worst[0]:.3%}, 1 % point {worst[1]:.1%}")


if __name__ == "__main__":
    main()
