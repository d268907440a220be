"""What LRP costs on LeNet-5 and 60,000 MNIST images, as ratios to the bare forward pass.

    python benchmarks/lrp_on_lenet.py --shared FOLDER

Ours for one layer (fc2) and for all layers at once, and captum's LayerLRP for one layer as the
research code calls it (one layer at a time, a rule put on each module, the whole batch). The
shortest CPU time of interleaved rounds; one thread, batches of 256.
"""

from __future__ import annotations

import argparse
import copy
import platform
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from workloads import add_options, find, mnist_lenet5

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sites import find_sites

BATCH = 256
LAYER = "fc2"
TARGETS = {"one layer": 1.5, "all layers": 4.0}


class _Flat(nn.Module):
    """LeNet-5 with a functional flatten: captum's LRP refuses `nn.Flatten`."""

    def __init__(self, net: nn.Sequential) -> None:
        super().__init__()
        for name, module in net.named_children():
            if name != "flatten":
                self.add_module(name, module)

    def forward(self, images: Tensor) -> Tensor:
        h = images
        for name, module in self.named_children():
            h = module(h.flatten(1) if name == "fc1" else h)
        return h


def over(images: Tensor, action: Callable[[Tensor], object]) -> Callable[[], None]:
    """Return a pass of `action` over all images in batches."""

    def run() -> None:
        for part in images.split(BATCH):
            action(part)

    return run


def ours(model: nn.Module, images: Tensor, *, every: bool) -> Callable[[Tensor], object]:
    """Return the attribution of one batch, accounts on the first batch only."""
    sites = find_sites(model, as_call(images[:2]))
    layers = [site.name for site in sites.candidates()] if every else [LAYER]
    engine = LrpAttribution(model, sites, layers, conserve_every=1 << 30)
    return lambda part: engine.attribute(as_call(part))


def captums(model: nn.Sequential) -> Callable[[Tensor], object]:
    """Return captum's LayerLRP of one batch, for the predicted class."""
    from captum.attr import LayerLRP
    from captum.attr._utils.lrp_rules import EpsilonRule, IdentityRule

    net = _Flat(copy.deepcopy(model)).eval()

    def attribute(part: Tensor) -> Tensor:
        for module in net.modules():  # captum takes the rules off again
            if isinstance(module, (nn.Linear, nn.Conv2d, nn.MaxPool2d)):
                module.rule = EpsilonRule(1e-6)
            elif isinstance(module, nn.ReLU):
                module.rule = IdentityRule()
        with torch.no_grad():
            target = net(part).argmax(1)
        found: Tensor = LayerLRP(net, net.get_submodule(LAYER)).attribute(part, target=target)
        return found

    return attribute


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work = mnist_lenet5(*find(options), reference=options.images)
    if work is None:
        sys.exit("needs MNIST and the paper's LeNet-5: --shared FOLDER")
    images = work.reference[0]

    def bare(part: Tensor) -> None:
        with torch.inference_mode():
            work.model(part)

    actions = {
        "bare": bare,
        "one layer": ours(work.model, images, every=False),
        "all layers": ours(work.model, images, every=True),
        "captum, one layer": captums(work.model),
    }
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(options.rounds):
        for name, action in actions.items():
            begun = time.process_time()
            over(images, action)()
            best[name] = min(best[name], time.process_time() - begun)
    print(f"python {' '.join(sys.argv)}: torch {torch.__version__}, {platform.machine()}")
    print(f"{work.title}; bare {best['bare']:.2f} s")
    for name, seconds in best.items():
        if name != "bare":
            target = f" (wanted: {TARGETS[name]}x)" if name in TARGETS else ""
            print(f"{name}: {seconds / best['bare']:.2f}x{target}")


if __name__ == "__main__":
    main()
