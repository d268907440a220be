"""What the measurement costs, as ratios to the bare forward pass of the same images.

    python benchmarks/profile_and_record.py --data FOLDER

One run prints: the time of `build_profile` on all training images and of recording all test images
with IDC, each divided by the bare forward pass of the same images in the same batches (median of
interleaved repetitions), and the extra peak memory of each, measured in a process of its own.
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
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from workloads import Workload, add_options, digits_lenet, find, mnist_lenet5

from pytest_deepimportance import Profile, build_profile, record

BATCH = 256
TARGETS = {"profile": 4.0, "record": 1.10}
TARGET_MB = 300


def forward(model: nn.Module, images: Tensor) -> None:
    """Run the bare forward pass, the yardstick."""
    with torch.inference_mode():
        for part in images.split(BATCH):
            model(part)


def profile_all(work: Workload) -> Profile:
    """Build the profile from every training image."""
    return build_profile(work.model, work.reference, batch_size=BATCH)


def record_all(work: Workload, profile: Profile) -> None:
    """Run the test images while they are recorded, up to the finished report."""
    with record(work.model, profile) as session:
        forward(work.model, work.test[0])
    session.report()


def seconds(action: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    gc.collect()
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def time_all(work: Workload, repetitions: int) -> dict[str, tuple[float, float]]:
    """Return (median ratio, median seconds of the bare pass) for profile and record."""
    profile = profile_all(work)  # also the warm-up: imports, allocator, caches
    record_all(work, profile)
    pairs: dict[str, tuple[Tensor, Callable[[], object]]] = {
        "profile": (work.reference[0], lambda: profile_all(work)),
        "record": (work.test[0], lambda: record_all(work, profile)),
    }
    bare: dict[str, list[float]] = {name: [] for name in pairs}
    ratios: dict[str, list[float]] = {name: [] for name in pairs}
    for _ in range(repetitions):
        for name, (images, action) in pairs.items():
            yardstick = partial(forward, work.model, images)
            before, taken, after = seconds(yardstick), seconds(action), seconds(yardstick)
            bare[name].append((before + after) / 2)
            ratios[name].append(taken / bare[name][-1])
    return {
        name: (statistics.median(ratios[name]), statistics.median(bare[name])) for name in pairs
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
        return extra_megabytes(lambda: record_all(work, profile))
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
    times = time_all(work, options.repetitions)
    counts = {"profile": len(work.reference[0]), "record": len(work.test[0])}
    arguments = [argument for argument in sys.argv[1:] if argument != "--memory-of"]
    print(f"{'':9}{'images':>8}{'bare pass':>12}{'ratio':>8}{'target':>9}{'extra peak memory':>20}")
    for name, (ratio, base) in times.items():
        extra = memory_in_subprocess(name, arguments)
        shown = "not measured" if extra is None else f"{extra:.0f} MB"
        print(
            f"{name:9}{counts[name]:8,}{base:10.2f} s{ratio:7.2f}x"
            f"{'<=' + format(TARGETS[name], '.2f') + 'x':>9}{shown:>20}"
        )
    extra = memory_in_subprocess("bare", arguments)
    shown = "not measured" if extra is None else f"{extra:.0f} MB"
    print(f"{'bare':9}{counts['profile']:8,}{'':12}{'':17}{shown:>20}   (target <= {TARGET_MB} MB)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--repetitions", type=int, default=5, help="interleaved rounds (default 5)")
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
