"""What each rule of LRP costs: one pass over all layers as a ratio to the bare forward pass.

    python benchmarks/lrp_rules.py

LeNet-5 on images of 28 x 28 and resnet18 on images of 224 x 224, random weights and inputs: time
does not depend on what was learned. Bare pass and rules take turns; the ratio is that of medians.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from workloads import lenet5

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.attribution.lrp.weighted import WeightedSum
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sites import find_sites


def by_hand(op: WeightedSum, relevance: Tensor) -> Tensor:
    """Apply the z rule, as a user writes it."""
    return op.signal * op.send_back(relevance / op.result, op.weight)


RULES: dict[str, dict[str, Any]] = {
    "epsilon": {},
    "z, paper": {"rule": "z"},
    "gamma": {"rule": "gamma"},
    "alpha-beta": {"rule": "alpha-beta"},
    "z-plus": {"rule": "z-plus"},
    "flat": {"rule": "flat"},
    "epsilon-plus": {"rule": "epsilon-plus"},
    "epsilon-gamma-box": {"rule": "epsilon-gamma-box", "low": -9, "high": 9},
    "rules={nn.Module: by_hand}": {"rules": {nn.Module: by_hand}},
}


def resnet18() -> nn.Module:
    """torchvision's, with random weights."""
    from torchvision.models import resnet18 as build

    return build(weights=None)


def seconds(action: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def ratios(
    model: nn.Module, images: Tensor, rounds: int, *, inputs: bool
) -> tuple[float, dict[str, float]]:
    """Return the seconds of the bare forward pass, and each rule's time over it.

    Args:
        inputs: Time the relevance of the images instead of that of all layers.
    """
    call = as_call(images)
    sites = find_sites(model, call)
    names = [site.name for site in sites.candidates()]

    def bare() -> None:
        with torch.no_grad():
            model(images)

    actions: dict[str, Callable[[], object]] = {"bare": bare}
    for rule, options in RULES.items():
        engine = LrpAttribution(model, sites, names, check_forward=False, **options)
        run = engine.attribute_inputs if inputs else engine.attribute
        actions[rule] = lambda run=run: run(call)
    times: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(rounds + 1):
        for name, action in actions.items():
            took = seconds(action, images.device)
            if turn:  # the first round warms up
                times[name].append(took)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return medians["bare"], {rule: medians[rule] / medians["bare"] for rule in RULES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)
    columns: list[tuple[str, float, dict[str, float]]] = []
    for title, build, shape in (
        ("LeNet-5, 256 images", lambda: lenet5(1, 28), (256, 1, 28, 28)),
        ("resnet18, 8 images", resnet18, (8, 3, 224, 224)),
    ):
        model, images = build().eval().to(device), torch.randn(*shape, device=device).clamp(-9, 9)
        for inputs in (False, True):
            what = f"{title}: {'input' if inputs else 'layers'}"
            columns.append((what, *ratios(model, images, options.rounds, inputs=inputs)))
    print(" ".join(["$ python", *sys.argv]))
    print(f"torch {torch.__version__}, {options.threads} thread(s), {device}, {platform.machine()}")
    print("\n| rule | " + " | ".join(what for what, _, _ in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for rule in RULES:
        print(f"| {rule} | " + " | ".join(f"{found[rule]:.1f}x" for *_, found in columns) + " |")
    print("| bare pass | " + " | ".join(f"{bare * 1e3:.1f} ms" for _, bare, _ in columns) + " |")


if __name__ == "__main__":
    main()
