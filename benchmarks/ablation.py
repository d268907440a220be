"""Remove the top-m neurons by each attribution method, by votes and at random; see what is lost.

    python benchmarks/ablation.py --data FOLDER     (FOLDER/cifar10: `shared/data/unpack.py FOLDER`)

Importance comes from training images, the losses from test images that no method saw. The tables of
docs/voting.md are its output.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from workloads import Workload, add_options, cifar10_lenet5, find, mnist_lenet5

from pytest_deepimportance import Importance, importance, vote
from pytest_deepimportance.attribution.ballots import Electorate
from pytest_deepimportance.attribution.judging import Judge, Judged
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.methods import METHOD_NAMES
from pytest_deepimportance.models.sites import find_sites

SIZES = (6, 8, 10, 15, 20)
LEARNED, HELD_OUT, BATCH, DRAWS = 512, 2_000, 32, 20
STEPS = 20
"""Of the methods that follow a path; captum's 50 costs two and a half times as much."""

VOTERS = (
    "conductance", "activation", "internal-influence", "deeplift", "deeplift-shap",
    "gradient-shap", "integrated-gradients", "lrp",
)  # fmt: skip
"""The eight of the research code."""

Ranking = list[tuple[str, int]]


@dataclass(frozen=True)
class Lost:
    """What is lost without some neurons: accuracy in points of 100, and mean cross-entropy."""

    accuracy: float
    loss: float


class Bench:
    """One network: rankings from training images, losses on test images.

    Args:
        work: Model and images.
        listed: Neurons on a method's list in a vote.
    """

    def __init__(self, work: Workload, listed: int) -> None:
        self.model, self.listed = work.model, listed
        x, y = sample(*work.reference, LEARNED)
        self.batches = [(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, LEARNED, BATCH)]
        self.held_out = as_call(sample(*work.test, HELD_OUT))
        sites = find_sites(self.model, self.held_out.first_rows(2))
        self.widths = {site.name: site.units for site in sites.candidates()}
        self.electorate = Electorate(self.widths, "global")
        self._judge = Judge(self.model, sites, self.electorate)
        self.whole: Judged = self._judge.judge(self.held_out)
        self.accuracy = self._accuracy(self.whole)

    def _accuracy(self, judged: Judged) -> float:
        assert judged.predicted is not None
        assert self.held_out.labels is not None
        return float((judged.predicted == self.held_out.labels).double().mean()) * 100

    def without(self, neurons: Iterable[tuple[str, int]]) -> Lost:
        """Return what the test images lose without these neurons."""
        removed = np.zeros(self.electorate.size, dtype=bool)
        for layer, index in neurons:
            removed[self.electorate.spans[layer].start + index] = True
        rows = np.broadcast_to(removed, (self.held_out.rows, len(removed))).copy()
        judged = self._judge.judge(self.held_out, rows, self.whole)
        gain = float((judged.losses - self.whole.losses).mean())
        return Lost(self.accuracy - self._accuracy(judged), gain)

    def score(self, method: str) -> Importance:
        """Return the scores of one method."""
        path = method in ("conductance", "internal-influence", "integrated-gradients")
        steps = {"steps": STEPS} if path else {}
        return importance(self.model, self.batches, method=method, **steps)

    def voted(self, mode: str, layers: Sequence[str]) -> Importance:
        """Return the points of a vote among the neurons of `layers`."""
        return vote(
            self.model, self.batches, VOTERS, self.listed, layers=layers, mode=mode, steps=STEPS
        )


def sample(x: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return a seeded sample: CIFAR-10 comes sorted by class."""
    rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:count]
    return x[rows], y[rows]


def ranking(scores: Importance, layers: Sequence[str], *, votes: bool = False) -> Ranking:
    """Return the largest list; the smaller ones are its beginnings."""
    top = scores.top(SIZES[-1], layers, normalize="none" if votes else "layer")
    return [(layer, index) for layer, index, _ in top]


def drawn(bench: Bench, quota: Mapping[str, int], seed: int) -> Ranking:
    """Return a random list with so many neurons of each layer."""
    generator = np.random.default_rng(seed)
    return [
        (layer, int(index))
        for layer, count in quota.items()
        for index in generator.permutation(bench.widths[layer])[:count]
    ]


def anywhere(bench: Bench, layers: Sequence[str], count: int, seed: int) -> dict[str, int]:
    """Return by layer how many of `count` neurons fall on it when all are equally likely."""
    pool = [layer for layer in layers for _ in range(bench.widths[layer])]
    chosen = np.random.default_rng(seed).permutation(len(pool))[:count]
    return {layer: sum(pool[i] == layer for i in chosen) for layer in layers}


def area(values: Sequence[float]) -> float:
    """Return the mean height of the curve over m, by trapezoids."""
    steps = zip(pairwise(SIZES), pairwise(values), strict=True)
    whole = sum((after - before) * (low + high) / 2 for (before, after), (low, high) in steps)
    return whole / (SIZES[-1] - SIZES[0])


def line(name: str, lost: Sequence[Lost], spread: Sequence[float] | None = None) -> str:
    """Return a row of the table: accuracy drop and loss gain for each m, and the curve's areas."""
    cells = []
    for place, found in enumerate(lost):
        more = "" if spread is None else f" ± {spread[place]:.1f}"
        cells.append(f"{found.accuracy:.1f}{more} / {found.loss:.2f}")
    ends = f"{area([v.accuracy for v in lost]):.1f} | {area([v.loss for v in lost]):.2f}"
    return f"| {name} | {' | '.join(cells)} | {ends} |"


def of_random(
    bench: Bench, quota: Callable[[int, int], Mapping[str, int]]
) -> tuple[list[Lost], list[float]]:
    """Return the mean over the draws for each m, and the deviation of the accuracy drop.

    Args:
        quota: From m and the number of the draw to neurons by layer.
    """
    lost, spread = [], []
    for m in SIZES:
        found = [bench.without(drawn(bench, quota(m, seed), seed)) for seed in range(DRAWS)]
        drops = np.array([v.accuracy for v in found])
        lost.append(Lost(float(drops.mean()), float(np.mean([v.loss for v in found]))))
        spread.append(float(drops.std(ddof=1)))
    return lost, spread


def table(
    bench: Bench, title: str, layers: Sequence[str], single: Mapping[str, Importance]
) -> None:
    """Print one table."""
    heads = " | ".join(f"m = {m}" for m in SIZES)
    print(f"\n{title}\n\n| chosen by | {heads} | area: accuracy | area: loss |")
    print("|---|" + "---|" * (len(SIZES) + 2))
    rows: list[tuple[str, list[Lost]]] = []
    for name, scores in single.items():
        order = ranking(scores, layers)
        rows.append((name, [bench.without(order[:m]) for m in SIZES]))
    merged: Ranking = []
    for mode in ("weighted", "winner", "wisdom"):
        order = ranking(bench.voted(mode, layers), layers, votes=True)
        merged = merged or order
        rows.append((f"vote, {mode}", [bench.without(order[:m]) for m in SIZES]))
    for name, lost in sorted(rows, key=lambda row: -area([v.accuracy for v in row[1]])):
        print(line(name, lost))
    print(
        line(
            f"random, {DRAWS} draws", *of_random(bench, lambda m, s: anywhere(bench, layers, m, s))
        )
    )
    if len(layers) > 1:
        same = of_random(bench, lambda m, _: counted(merged[:m], layers))
        print(line("random, layers as voted", *same))


def counted(order: Ranking, layers: Sequence[str]) -> dict[str, int]:
    """Return how many neurons of a list are in each layer."""
    return {layer: sum(name == layer for name, _ in order) for layer in layers}


def study(work: Workload, listed: int) -> None:
    """Print both tables of one network."""
    start: float = time.process_time()
    bench = Bench(work, listed)
    names = [name for name in METHOD_NAMES if name != "random"]
    single = {name: bench.score(name) for name in names}
    print(f"\n### {work.title.partition(' (')[0]}")
    print(f"\nAccuracy on {HELD_OUT:,} test images: {bench.accuracy:.2f} %.")
    last = list(bench.widths)[-1]
    table(bench, f"Last hidden layer ({last}, {bench.widths[last]} neurons)", [last], single)
    total: int = sum(bench.widths.values())
    table(bench, f"All hidden layers ({total} neurons)", list(bench.widths), single)
    print(f"\n{time.process_time() - start:.0f} s of one core.")


def main() -> None:
    """Run the study on what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    add_options(parser)
    parser.add_argument("--list", type=int, default=10, help="m of the votes (default 10)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shared, data = find(options)
    found: list[Workload | None] = [mnist_lenet5(shared, data), cifar10_lenet5(shared, data)]
    print(
        f"Importance from {LEARNED} training images in batches of {BATCH}, {STEPS} steps on paths; "
        f"accuracy drop (points) / loss gain on {HELD_OUT:,} test images."
    )
    for work in found:
        if work is None:
            print("\nA network is left out: its weights or images are not here (--shared, --data).")
        else:
            study(work, options.list)


if __name__ == "__main__":
    main()
