"""What the measurement costs, as ratios to the bare forward pass of the same images.

    python benchmarks/profile_and_record.py --data FOLDER

One run prints: the time of `build_profile` on all training images and of recording all test images
with IDC, without and with the report (a constant cost), each divided by the bare forward pass of
the same images in the same batches (median of interleaved repetitions), and the extra peak memory
of each, measured in a process of its own.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from workloads import Workload, add_options, digits_lenet, find, mnist_lenet5

from pytest_deepimportance import Profile, build_profile, record

BATCH = 256
RECORDINGS = 5
"""Recordings per round: one takes half a second, too short beside a profile."""

TARGETS = {"profile": 4.0, "record": 1.10}
TARGET_MB = 300


@dataclass(frozen=True)
class Cost:
    """Median ratio to the bare pass by CPU time and by wall time, and the bare pass in seconds."""

    cpu: float
    wall: float
    bare: float


def forward(model: nn.Module, images: Tensor) -> None:
    """Run the bare forward pass, the yardstick."""
    with torch.inference_mode():
        for part in images.split(BATCH):
            model(part)


def profile_all(work: Workload) -> Profile:
    """Build the profile from every training image."""
    return build_profile(work.model, work.reference, batch_size=BATCH)


def record_all(work: Workload, profile: Profile, *, report: bool) -> None:
    """Run the test images while they are recorded; `report`: up to the finished report."""
    with record(work.model, profile) as session:
        forward(work.model, work.test[0])
    if report:
        session.report()


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Return CPU time (of all threads) and wall time of one call."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return time.process_time() - cpu, time.perf_counter() - wall


def time_all(work: Workload, rounds: int) -> dict[str, Cost]:
    """Time every operation between two bare passes over the same images, `rounds` times."""
    profile = profile_all(work)  # also the warm-up: imports, allocator, caches
    record_all(work, profile, report=True)
    operations: dict[str, tuple[int, Tensor, Callable[[], object]]] = {
        "profile": (1, work.reference[0], partial(profile_all, work)),
        "record": (RECORDINGS, work.test[0], partial(record_all, work, profile, report=False)),
        "+ report": (RECORDINGS, work.test[0], partial(record_all, work, profile, report=True)),
    }
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in operations}
    for _ in range(rounds):
        for name, (times, images, action) in operations.items():
            yardstick = partial(forward, work.model, images)
            for _ in range(times):
                before, own, after = seconds(yardstick), seconds(action), seconds(yardstick)
                cpu, wall = ((one + two) / 2 for one, two in zip(before, after, strict=True))
                taken[name].append((own[0] / cpu, own[1] / wall, wall))
    return {
        name: Cost(*map(statistics.median, zip(*rows, strict=True))) for name, rows in taken.items()
    }


def status_kb(field: str) -> int:
    """Return a memory field of this process (Linux), in kB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")


def extra_megabytes(action: Callable[[], object]) -> float:
    """Return the peak of resident memory during `action` above what was resident before."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # else freed memory of the set-up would hide a part
    base = status_kb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    action()
    return (status_kb("VmHWM") - base) / 1024


def memory_of(what: str, work: Workload) -> float:
    """Measure one operation; the base holds model, data, imports and one warm forward batch."""
    forward(work.model, work.test[0][:BATCH])
    if what == "profile":
        return extra_megabytes(lambda: profile_all(work))
    if what == "record":
        profile = profile_all(work)
        return extra_megabytes(lambda: record_all(work, profile, report=True))
    return extra_megabytes(lambda: forward(work.model, work.reference[0]))


def memory_in_subprocess(what: str, arguments: list[str]) -> float | None:
    """Run `memory_of` in a fresh process; None where the system does not tell the peak."""
    if platform.system() != "Linux":
        return None
    command = [sys.executable, __file__, *arguments, "--memory-of", what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["extra_mb"])


def show(work: Workload, options: argparse.Namespace) -> None:
    """Measure everything and print the table."""
    print("command    python", " ".join(sys.argv))
    print(f"software   torch {torch.__version__}, Python {platform.python_version()}")
    print(f"threads    {torch.get_num_threads()}, batches of {BATCH}, {options.repetitions} rounds")
    print(f"workload   {work.title}\n")
    costs = time_all(work, options.repetitions)
    counts = {"profile": len(work.reference[0]), "record": len(work.test[0])}
    print(" " * 18 + "bare pass     ratio by        ratio by               extra peak")
    print("           images   (wall)   CPU time   wall time   target       memory")
    for name, cost in costs.items():
        target = f"{TARGETS[name]:.2f}x" if name in TARGETS else ""
        memory = shown_memory(name) if name in counts else "in 'record'"
        print(
            f"{name:9}{counts.get(name, counts['record']):8,}{cost.bare:8.2f} s{cost.cpu:10.2f}x"
            f"{cost.wall:11.2f}x{target:>8} {memory:>13}"
        )
    print(f"{'bare':9}{counts['profile']:8,}{'':40}{shown_memory('bare'):>12}")
    print(f"target of the extra memory: {TARGET_MB} MB. CPU time does not see other programs'")
    print("load; trust the wall time on an idle machine only.")


def shown_memory(what: str) -> str:
    """Measure and format the extra peak memory of one operation."""
    extra = memory_in_subprocess(what, sys.argv[1:])
    return "not measured" if extra is None else f"{extra:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--repetitions", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--digits", action="store_true", help="use the small fixture at once")
    parser.add_argument(
        "--memory-of", choices=("bare", "profile", "record"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work = None if options.digits else mnist_lenet5(*find(options))
    if work is None:
        work = digits_lenet()
        if not options.digits and options.memory_of is None:
            print("MNIST or the paper's weights not found (--data, --shared): digits instead;")
            print("that workload is too small for the targets to mean anything.\n")
    if options.memory_of:
        print(json.dumps({"extra_mb": memory_of(options.memory_of, work)}))
    else:
        show(work, options)


if __name__ == "__main__":
    main()
