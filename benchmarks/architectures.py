"""Does LRP work on the models that people have? The table of docs/architectures.md.

    python benchmarks/architectures.py                 # every model, each in a process of its own
    python benchmarks/architectures.py resnet18 vit_b_16   # these only
    python benchmarks/architectures.py --write         # put the rows into docs/architectures.md

Weights are random (seed 0), the statistics of batch norms those of a few batches of noise. Times
are the shortest of several passes, all with one thread in the same process; memory is the growth of
the process's peak while one micro-batch is attributed, measured in another process.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from architecture_models import ARCHITECTURES, Architecture

from pytest_deepimportance.attribution.lrp.checks import score_difference
from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.attribution.lrp.memory import micro_batch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "architectures.md"
BEGIN, END = "<!-- table: architectures -->\n", "<!-- end of table -->\n"
HEADER = (
    "| model | balance | explained by the input | forward | all layers | peak / rows | lacks |\n"
    "|---|---|---|---|---|---|---|\n"
)
REPEATS = 5


def engine(model: torch.nn.Module, call: ModelCall, **settings: Any) -> LrpAttribution:
    """Return LRP of every layer that can be ranked."""
    sites = find_sites(model, call.first_rows(2))
    return LrpAttribution(model, sites, [s.name for s in sites.candidates()], **settings)


def shortest(action: Callable[[], object]) -> float:
    """Return the CPU seconds of the shortest of several runs: other processes may be running."""
    seconds = []
    for _ in range(REPEATS):
        begun = time.process_time()
        action()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def faithful(case: Architecture) -> dict[str, Any]:
    """Measure balance, shares, the forward pass and times."""
    model, call = case.build(), case.inputs(case.rows)
    lrp = engine(model, call, check_forward=False)
    account = lrp.attribute(call).conservation
    quick = engine(model, call, check_forward=False, conserve_every=0)

    def bare() -> None:
        with torch.no_grad():
            model(*call.args, **call.kwargs)

    bare()
    forward = shortest(bare)
    return {
        "balance": account.balance,
        "input": account.input_share,
        "forward": score_difference(lrp, call),
        "ratio": shortest(lambda: lrp.attribute(call)) / forward,
        "quick": shortest(lambda: quick.attribute(call)) / forward,
        "bare": forward / call.rows,
        "notes": list(lrp.notes),
        "layers": len(lrp.attribute(call.first_rows(1)).relevance),
    }


def memory(case: Architecture) -> dict[str, Any]:
    """Measure the peak of one attribution, with the rows chosen as a profile chooses them."""
    model, call = case.build(), case.inputs(2)
    lrp = engine(model, call, check_forward=False)
    budget = Settings().memory
    rows = micro_batch(model, call, budget // 4)
    call = case.inputs(rows)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = _status("VmRSS")
    lrp.attribute(call)
    return {"rows": rows, "peak": _status("VmHWM") - before, "budget": budget}


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


PARTS = {"faithful": faithful, "memory": memory}


def measured(name: str) -> dict[str, Any]:
    """Measure one architecture, each part in a process of its own."""
    found: dict[str, Any] = {}
    for part in PARTS:
        command = [sys.executable, __file__, name, "--part", part]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1]
            found["error"] = last
            break
        found |= json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, found: dict[str, Any]) -> str:
    """Return the table's row of one architecture."""
    if "balance" not in found:
        return f"| {name} | fails | | | | | {found['error']} |\n"
    lacks = "; ".join(found["notes"]) or "-"
    peak = found.get("peak")
    used = "-" if peak is None else f"{peak / 2**20:,.0f} MB / {found['rows']}"
    share = "-" if found["input"] is None else f"{found['input']:.1%}"
    return (
        f"| {name} | {found['balance']:.0e} | {share} | {found['forward']:.0e} | "
        f"{found['ratio']:.1f}x ({found['quick']:.1f}x) | {used} | {found.get('error', lacks)} |\n"
    )


def table(page: str, rows: dict[str, str]) -> str:
    """Return the page with these rows put into its table; other rows stay."""
    head, _, rest = page.partition(BEGIN)
    old, _, tail = rest.partition(END)
    known = {line.split("|")[1].strip(): line + "\n" for line in old.splitlines()[2:]}
    known |= rows
    body = "".join(known[name] for name in ARCHITECTURES if name in known)
    return head + BEGIN + HEADER + body + END + tail


def main() -> None:
    """Print the rows as they come."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="models (default: all)")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.name}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.part:
        print(json.dumps(PARTS[options.part](ARCHITECTURES[options.names[0]])))
        return
    print(f"python {' '.join(sys.argv)}: torch {torch.__version__}, {platform.machine()}")
    print(HEADER, end="", flush=True)
    for name in options.names or ARCHITECTURES:
        line = row(name, measured(name))
        print(line, end="", flush=True)
        if options.write:
            PAGE.write_text(table(PAGE.read_text(), {name: line}))


if __name__ == "__main__":
    main()
