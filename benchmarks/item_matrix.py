"""What an item matrix costs: 60,000 MNIST images x all criteria on LeNet-5.

    python benchmarks/item_matrix.py --shared FOLDER

Time as a ratio to the bare forward pass of the same images in the same run, memory in MB.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable

import torch
from threadpoolctl import threadpool_limits
from workloads import add_options, find, mnist_lenet5

from pytest_deepimportance import build_profile, item_matrix

BATCH = 256
REFERENCE = 10_000


def seconds(action: Callable[[], object]) -> float:
    """Return the CPU time of one call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def peak_mb() -> float:
    """Return the largest resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    threadpool_limits(options.threads)
    print("command   python", " ".join(sys.argv))
    work = mnist_lenet5(*find(options))
    if work is None:
        print("MNIST or the paper's weights not found (--data, --shared)")
        return
    images, labels = work.reference
    reference = (images[:REFERENCE], labels[:REFERENCE])
    profile = build_profile(work.model, reference, batch_size=BATCH)

    def bare() -> None:
        with torch.inference_mode():
            for part in images.split(BATCH):
                work.model(part)

    bare()
    before, start = seconds(bare), peak_mb()
    clock = time.process_time()
    matrix = item_matrix(work.model, profile, work.reference, batch_size=BATCH)
    made = time.process_time() - clock
    after = seconds(bare)
    forward = (before + after) / 2
    print(f"{len(matrix):,} inputs, forward {forward:.2f} s, matrix {made / forward:.2f}x")
    print(
        f"tables {matrix.nbytes / 1e6:.0f} MB, peak memory {peak_mb() - start:.0f} MB above before"
    )
    for name, table in matrix.criteria.items():
        print(f"  {name:5}{table.matrix.nnz:>12,} pairs {table.nbytes / 1e6:8.1f} MB")
    order = torch.randperm(len(matrix), generator=torch.Generator().manual_seed(0)).numpy()
    for name in ("IDC", "KMNC"):
        table = matrix.of(name)
        print(f"growth of {name}: {seconds(lambda t=table: t.growth(order)) / forward:.3f}x, again "
              f"{seconds(lambda t=table: t.growth(order)) / forward:.3f}x")  # fmt: skip
        print(f"greedy 1,000 of {name}: {seconds(lambda t=table: t.greedy(1000)) / forward:.3f}x")


if __name__ == "__main__":
    main()
