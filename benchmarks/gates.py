"""How often each candidate gate fails honest suites, and how often it finds biased ones.

    python benchmarks/gates.py --data FOLDER --shared FOLDER

For each model one pass over reference, held-out data and test pool gives the item matrix; all
suites are then rows of it. A suite is N random test inputs, honest or biased in a known way. Two
kinds of gates: `random` (below the 1st percentile of random suites of the same size), which needs
no choice, and statistics with a bound, which is put where 5 % of honest suites of the same size
fail. `docs/gates.md` holds what this printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from biased_suites import Pool, Rows, darkest_half, prepare, suites
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from workloads import Workload, add_options, cifar10_lenet5, find, mnist_lenet1, mnist_lenet5

from pytest_deepimportance import Criterion, ItemMatrix, Profile, build_profile, item_matrix
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.engine.passes import opened, recorded_batches
from pytest_deepimportance.engine.states import new_criteria
from pytest_deepimportance.settings import from_keywords
from pytest_deepimportance.statistics.incidence import Incidence
from pytest_deepimportance.statistics.random_growth import RandomGrowth

Statistic = Callable[[Rows], float]

LADDER = (4, 6, 8, 10)
SIZES = (100, 300, 1000, 3000)
BASELINES = ("NC", "KMNC", "NBC", "SNAC", "TKNC", "TKNP", "LSC", "DSC", "MDSC")
REFERENCE_ROWS = 10_000
ORDERS = 100


@dataclass
class Gate:
    """A statistic of suites: low is bad.

    Attributes:
        bound: At each size, below what a suite fails; empty: where 5 % of honest ones do.
    """

    name: str
    value: Statistic
    bound: dict[int, float] = field(default_factory=dict)


class Shares:
    """Share of the reference inputs whose combination a suite exercises, in all and by class."""

    def __init__(self, reference: Incidence, classes: Rows, pool: Incidence) -> None:
        place = np.searchsorted(pool.keys, reference.keys)
        place = np.minimum(place, len(pool.keys) - 1)
        found = pool.keys[place] == reference.keys
        of_row = reference.matrix.indices
        self._weights = np.zeros((int(classes.max()) + 1, len(pool.keys) + 1))
        # Combinations that no test input shows go to the last place, which nothing exercises.
        columns = np.where(found, place, len(pool.keys))[of_row]
        np.add.at(self._weights, (classes, columns), 1)
        self._pool = pool

    def by_class(self, rows: Rows) -> NDArray[np.float64]:
        """Return the share of each class, (C,)."""
        return self._hits(rows) / self._weights.sum(axis=1)

    def all(self, rows: Rows) -> float:
        """Return the share of all reference inputs."""
        return float(self._hits(rows).sum() / self._weights.sum())

    def reached(self, rows: Rows) -> float:
        """Return how many combinations the suite covers of those that the reference reaches."""
        seen = self._seen(rows) & (self._weights.sum(axis=0) > 0)
        return float(seen.sum())

    def _hits(self, rows: Rows) -> NDArray[np.float64]:
        return self._weights[:, self._seen(rows)].sum(axis=1)

    def _seen(self, rows: Rows) -> NDArray[np.bool_]:
        seen = np.zeros(self._weights.shape[1], dtype=bool)
        seen[self._pool.select(rows).indices] = True
        return seen


def against(growth: RandomGrowth, name: str, value: Statistic, *, subsets: bool = False) -> Gate:
    """Return the gate `random`: the 1st percentile of random suites from one kind of data.

    Args:
        subsets: Of subsets of the data themselves, which is how reports compare IDC with the
            reference; otherwise of other samples of the same kind.
    """
    expect = growth.of_subsets if subsets else growth.expectation
    found = {size: expect(size) for size in SIZES}
    return Gate(name, value, {size: float(e.low) for size, e in found.items() if e.comparable})


def gates_of(
    model: nn.Module, profile: Profile, data: dict[str, tuple[Tensor, Tensor]]
) -> tuple[list[Gate], ItemMatrix]:
    """Return every candidate gate over rows of the pool, and the pool's matrix."""
    matrices = {
        name: item_matrix(model, profile, part, batch_size=256, criteria=["IDC", *BASELINES])
        for name, part in data.items()
    }
    gates = []
    for m in LADDER:
        own = {
            name: item_matrix(model, profile, part, batch_size=256, criteria=["IDC"], m=m)
            for name, part in data.items()
        }
        pool, train = own["pool"].of("IDC"), own["reference"]
        classes = np.where(train.labels < 0, train.predictions, train.labels)
        shares = Shares(train.of("IDC"), classes, pool)
        for kind in ("reference", "held out"):
            growth = RandomGrowth.of(own[kind].of("IDC"), ORDERS, 0)
            value = shares.reached if kind == "reference" else pool.coverage
            name = f"IDC_{m} random, {kind}"
            gates.append(against(growth, name, value, subsets=kind == "reference"))
        gates.append(Gate(f"IDC_{m} of reached / effect", shares.reached))
        gates.append(Gate(f"share, m = {m}", shares.all))
        gates.append(Gate(f"lowest class share, m = {m}", lambda r, s=shares: min(s.by_class(r))))
    for name in BASELINES:
        table = matrices["pool"].of(name)
        for kind in ("reference", "held out"):
            drawn = matrices[kind].of(name)
            if len(drawn.keys) and (kind == "held out" or name in ("NC", "KMNC", "TKNC", "TKNP")):
                gates.append(
                    against(
                        RandomGrowth.of(drawn, ORDERS, 0), f"{name} random, {kind}", table.coverage
                    )
                )
        gates.append(Gate(name, table.coverage))
    gates += of_all_rows(model, profile, data["pool"])
    predicted = matrices["pool"].predictions
    count = int(predicted.max()) + 1
    gates.append(
        Gate("smallest predicted class", lambda r: min(np.bincount(predicted[r], minlength=count)))
    )
    return gates, matrices["pool"]


def of_all_rows(model: nn.Module, profile: Profile, inputs: tuple[Tensor, Tensor]) -> list[Gate]:
    """Return the criteria that are no sums of the inputs' own items: CC and NLC, measured anew."""
    settings = from_keywords(criteria=("CC", "NLC"), batch_size=256)
    data = opened(inputs, settings)
    recorded = recorded_batches(model, profile, settings, data.batches(256), data.descriptor)
    pool = ActivationBatch.concatenate([batch for batch, _ in recorded])

    def measured(criterion: Criterion, rows: Rows) -> float:
        own = criterion.fresh()
        for part in pool.select(np.sort(rows)).chunks(1024):
            own.update(part)
        return float(own.compute()[0].covered)

    return [
        Gate(name, partial(measured, criterion))
        for name, criterion in new_criteria(profile, settings).items()
    ]


def study(work: Workload, draws: int) -> None:
    """Print one table per size for one model."""
    order = torch.randperm(len(work.test[1]), generator=torch.Generator().manual_seed(0))
    images, labels, which = prepare(work.test[0][order], work.test[1][order], seed=1)
    half = len(images) // 2
    train = torch.randperm(len(work.reference[1]), generator=torch.Generator().manual_seed(2))
    train = train[:REFERENCE_ROWS]
    reference = prepare(work.reference[0][train], work.reference[1][train], seed=3)[:2]
    profile = build_profile(work.model, reference, batch_size=256, random_orders=0).with_m(10)
    gates, matrix = gates_of(
        work.model,
        profile,
        {
            "reference": reference,
            "held out": (images[:half], labels[:half]),
            "pool": (images[half:], labels[half:]),
        },
    )
    pool = Pool(
        labels[half:].numpy(),
        matrix.predictions,
        which[half:],
        darkest_half(images[half:], labels[half:]),
    )
    accuracy = float((pool.labels == pool.predicted).mean())
    print(f"\n### {work.title.split(' (')[0]}, accuracy {accuracy:.1%}\n")
    kinds = ["honest", *pool.biases(), "each input ten times"]
    print("% of suites that fail, at N = " + " / ".join(f"{size:,}" for size in SIZES) + ".\n")
    print("| gate | " + " | ".join(kinds) + " |")
    print("|---|" + "---|" * len(kinds))
    drawn = {size: suites(pool, size, draws, seed=size) for size in SIZES}
    for gate in gates:
        print(f"| {gate.name} | " + " | ".join(_cells(gate, drawn, kinds)) + " |", flush=True)


def _cells(gate: Gate, drawn: dict[int, dict[str, list[Rows]]], kinds: list[str]) -> list[str]:
    failing: dict[str, list[str]] = {kind: [] for kind in kinds}
    for size, by_kind in drawn.items():
        values = {kind: [gate.value(rows) for rows in part] for kind, part in by_kind.items()}
        bound = gate.bound.get(size) if gate.bound else np.quantile(values["honest"], 0.05)
        for kind in kinds:
            if kind not in values or bound is None:
                failing[kind].append("-")
            else:
                failing[kind].append(f"{np.mean(np.array(values[kind]) < bound):.0%}"[:-1])
    return [" / ".join(parts) for parts in failing.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--draws", type=int, default=200, help="suites per cell (default 200)")
    parser.add_argument("--only", choices=("lenet5", "lenet1", "cifar10"), help="one model")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    threadpool_limits(options.threads)
    print("command   python", " ".join(sys.argv))
    shared, data = find(options)
    works = {
        "lenet5": lambda: mnist_lenet5(shared, data),
        "lenet1": lambda: mnist_lenet1(shared, data),
        "cifar10": lambda: cifar10_lenet5(shared, data),
    }
    for name, make in works.items():
        if options.only in (None, name):
            work = make()
            if work is None:
                print(f"{name}: weights or images not found (--data, --shared), left out")
            else:
                study(work, options.draws)


if __name__ == "__main__":
    main()
