"""What the criteria cost, as ratios to the bare forward pass of the same images.

    python benchmarks/criteria.py --data FOLDER --shared FOLDER

One run, one thread: LeNet-5 on 10,000 MNIST test images, and a ResNet18 (random weights) on 2,500
images of CIFAR-10's size, each against a reference of 10,000. Recording and measuring (the states
of all criteria, without the report, a constant cost that is shown apart) are divided by the bare
forward pass of the same images in the same batches: median of interleaved rounds.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from threadpoolctl import threadpool_limits
from workloads import Workload, add_options, find, mnist_lenet5, random_resnet18, random_resnet50

from pytest_deepimportance import Profile, build_profile
from pytest_deepimportance.engine.opening import recorder_for
from pytest_deepimportance.engine.reducing import state_of
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.engine.suites import evaluate
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.settings import Settings, from_keywords

BITS = ("IDC", "NC", "KMNC", "NBC", "SNAC", "TKNC", "TKNP")
ALL = (*BITS, "CC", "LSC", "DSC", "MDSC", "NLC")
TARGETS = {("lenet5", BITS): 1.30, ("lenet5", ALL): 2.50,
           ("resnet18", BITS): 1.05, ("resnet18", ALL): 1.20}  # fmt: skip
STATE_MB = 10


def forward(work: Workload, batch: int) -> None:
    """Run the bare forward pass, the yardstick."""
    with torch.inference_mode():
        for part in work.test[0].split(batch):
            work.model(part)


def measure(work: Workload, profile: Profile, settings: Settings, batch: int) -> BlockState:
    """Record the test images and measure every criterion."""
    recorder = recorder_for(work.model, profile, settings)
    block = recorder.block = Block("benchmark", "test")
    recorder.attach()
    try:
        forward(work, batch)
    finally:
        recorder.detach()
    # What the surprise criteria derive from the reference once is part of the price each time.
    for part in (profile.statistics.traces, profile.statistics.class_moments):
        if part is not None:
            part.memo.clear()
    return state_of(block, new_criteria(profile, settings))


def seconds(action: Callable[[], object]) -> float:
    """Return the CPU time of one call: other programs do not count."""
    gc.collect()
    start = time.process_time()
    action()
    return time.process_time() - start


def ratio(
    work: Workload, action: Callable[[], object], rounds: int, batch: int
) -> tuple[float, float]:
    """Return the median ratio of `action` to the bare pass around it, and the pass in seconds."""
    bare = partial(forward, work, batch)
    found = []
    for _ in range(rounds):
        before, own, after = seconds(bare), seconds(action), seconds(bare)
        found.append((own / ((before + after) / 2), (before + after) / 2))
    return statistics.median(r for r, _ in found), statistics.median(b for _, b in found)


def show(name: str, work: Workload, rounds: int, batch: int, *, alone: bool = True) -> None:
    """Measure one workload and print its rows."""
    print(f"\n{work.title}")
    start = time.process_time()
    profile = build_profile(work.model, work.reference, batch_size=batch).with_m("auto")
    print(f"  profile of the reference: {time.process_time() - start:.1f} s")
    for label, criteria in (("IDC", ("IDC",)), ("+ bits and TKNP", BITS), ("all twelve", ALL)):
        settings = from_keywords(criteria=criteria)
        action = partial(measure, work, profile, settings, batch)
        state = action()  # the warm-up
        found, bare = ratio(work, action, rounds, batch)
        target = TARGETS.get((name, criteria))
        aim = f"target {target:.2f}x" if target else ""
        report = seconds(partial(evaluate, "all", [state], profile, settings, outcomes=["passed"]))
        print(f"  {label:17}{found:6.2f}x of {bare:.2f} s   {aim:14} report {report:.3f} s")
    for criterion in ALL if alone else ():
        settings = from_keywords(criteria=(criterion,))
        action = partial(measure, work, profile, settings, batch)
        found, _ = ratio(work, action, min(rounds, 3), batch)
        print(f"    {criterion:15}{found:6.2f}x alone")


def show_state(criteria: Sequence[str]) -> None:
    """Print the size of each state on a ResNet50."""
    work = random_resnet50()
    settings = from_keywords(criteria=criteria)
    profile = build_profile(work.model, work.reference, criteria=criteria)
    neurons = sum(profile.statistics.layers.values())
    print(f"\n{work.title}: {neurons:,} neurons, state in memory")
    for name, criterion in new_criteria(profile, settings).items():
        size = sum(buffer.numel() * buffer.element_size() for buffer in criterion.buffers())
        aim = f"(target {STATE_MB} MB)" if name == "KMNC" else ""
        print(f"    {name:5}{size / 1e6:8.2f} MB {aim}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--repetitions", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument(
        "--only", choices=("lenet5", "resnet18", "small", "state"), help="one part (default all)"
    )
    parser.add_argument("--batch", type=int, default=256, help="images a pass (default 256)")
    parser.add_argument("--reference", type=int, default=10_000, help="of the ResNet18")
    parser.add_argument("--images", type=int, default=2_500, help="to measure, of the ResNet18")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    threadpool_limits(options.threads)  # numpy has threads of its own
    print("command    python", " ".join(sys.argv))
    print(f"software   torch {torch.__version__}, Python {platform.python_version()}")
    threads, rounds = torch.get_num_threads(), options.repetitions
    print(f"threads    {threads}, batches of {options.batch}, {rounds} rounds")
    if options.only in (None, "lenet5"):
        work = mnist_lenet5(*find(options), reference=10_000)
        if work is None:
            print("\nMNIST or the paper's weights not found (--data, --shared): LeNet-5 left out")
        else:
            show("lenet5", work, rounds, options.batch)
    if options.only in (None, "resnet18"):
        work = random_resnet18(options.reference, options.images)
        show("resnet18", work, max(1, rounds // 2), options.batch, alone=False)
    if options.only in (None, "small"):
        work = random_resnet18(options.reference, options.images, full=False)
        show("small", work, max(1, rounds // 2), options.batch, alone=False)
    if options.only in (None, "state"):
        show_state(["NC", "KMNC", "NBC", "SNAC", "TKNC"])


if __name__ == "__main__":
    main()
