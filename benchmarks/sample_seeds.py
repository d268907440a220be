"""How often a suite without the digits 7, 8, 9 shows: the sample project's network, many seeds.

    python benchmarks/sample_seeds.py --seeds 20

Trains the network of `fixtures/build.py digits` with each seed and measures the test images without
7, 8 and 9. The committed network is one of these; this says how typical it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "fixtures"), str(ROOT / "sample_project")]

from app.data import load_reference, load_test  # noqa: E402
from build import build_digits  # noqa: E402

from pytest_deepimportance import build_profile, record  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="train with seeds 0 .. N-1")
    options = parser.parse_args()
    torch.set_num_threads(1)
    reference, (images, labels) = load_reference(), load_test()
    kept = labels < 7
    least, lowest, below = 0, 0, 0
    print("seed   m  total  accuracy   share   share of the training images of 0 .. 9, %")
    for seed in range(options.seeds):
        model = build_digits(seed)
        profile = build_profile(model, reference)
        with torch.no_grad(), record(model, profile) as recording:
            model(images[kept])
            recording.labels(labels[kept])
        suite = recording.report().total
        row = suite.criteria["IDC"]
        shares = [100 * (found.share or 0) for found in suite.classes]
        order = sorted(range(10), key=shares.__getitem__)
        least += order[0] >= 7
        lowest += set(order[:3]) == {7, 8, 9}
        below += min(shares[7:]) < 60
        print(
            f"{seed:4} {row.details['m']:3} {row.total:6} {100 * (suite.accuracy or 0):8.1f}%"
            f" {100 * (row.share or 0):6.1f}%  ", *(f"{share:3.0f}" for share in shares),
            flush=True,
        )  # fmt: skip
    print(f"\nof {options.seeds} networks: the weakest class is a missing one in {least},")
    print(f"a missing class is below 60 % in {below}, all three are the weakest in {lowest}")


if __name__ == "__main__":
    main()
