"""What each attribution method costs, as a ratio to the bare forward pass of the same inputs.

    python benchmarks/attribution.py [--quick] [METHOD ...]

Rows: methods. Columns: the last hidden layer alone, and every hidden layer, of LeNet-5 (256 images,
28 x 28) and of torchvision's ResNet-18 (8 images, 64 x 64; random weights, batch statistics of a
few batches). Fastest of three passes after one warm-up (one pass that took 20 s is not repeated),
over the fastest of three bare ones taken before and after. `-`: not timed (one pass a neuron,
thousands of neurons); `no`: the method cannot run.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from workloads import lenet5

from pytest_deepimportance.attribution.base import create
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import MethodUnavailable
from pytest_deepimportance.methods import METHOD_NAMES
from pytest_deepimportance.models.sites import find_sites

REPEATS = 3
LONG = 20.0
"""Seconds after which a pass is not repeated."""
MOST_PASSES = 600
"""Feature ablation is timed up to this many neurons."""


def fastest(run: Callable[[], Any]) -> float:
    """Return the shortest time of a few runs, in seconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def resnet() -> nn.Module:
    """ResNet-18 whose batch statistics fit its activations."""
    model = torchvision.models.resnet18(weights=None).train()
    with torch.no_grad():
        for seed in range(4):
            model(torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(seed)))
    return model.eval()


def ratio(method: str, model: nn.Module, x: Tensor, *, every: bool) -> str:
    """Return the cost of a method as text."""
    call = as_call(x)
    sites = find_sites(model, call)
    wanted = list(sites.candidates()) if every else [sites.find(None)]
    if method == "feature-ablation" and sum(site.units for site in wanted) > MOST_PASSES:
        return "-"
    attribution = create(method, model=model, sites=sites, layers=[site.name for site in wanted])

    def bare() -> None:
        with torch.no_grad():
            model(x)

    bare()
    start = time.perf_counter()
    try:
        attribution.attribute(call)
    except MethodUnavailable as error:
        print(f"  {method}: {error.what}")
        return "no"
    taken, before = time.perf_counter() - start, fastest(bare)
    if taken < LONG:
        taken = fastest(lambda: attribution.attribute(call))
    return f"{taken / min(before, fastest(bare)):.1f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="LeNet-5 only, 32 images")
    parser.add_argument("methods", nargs="*", default=METHOD_NAMES, help="default: all of them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    lenet = lenet5(1, 28).eval()
    nets = {"LeNet-5": (lenet, torch.randn(32 if options.quick else 256, 1, 28, 28))}
    if not options.quick:
        nets["ResNet-18"] = (resnet(), torch.randn(8, 3, 64, 64))
    print(f"torch {torch.__version__}, {platform.machine()}, one thread")
    columns = [f"{name}, {what}" for name in nets for what in ("last", "all")]
    print(f"| method | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for method in options.methods:
        cells = [
            ratio(method, *net, every=every) for net in nets.values() for every in (False, True)
        ]
        print(f"| {method} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
