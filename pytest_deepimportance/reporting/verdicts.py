"""What only failing tests cover, and how much of the tests ran, in words."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, count, plural
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import measured
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.thresholds import IDC


def only_failing(report: Report) -> str:
    """Say how many items of each criterion no passing test covers; empty where there are none."""
    names = [IDC, *measured.criteria(report)]
    rows = [row for name in names if (row := headline(report.total, name)) is not None]
    found = {row.criterion: row.only_failing for row in rows if row.only_failing}
    own = found.pop(IDC, 0)
    others = ", ".join(f"{measured.shown_name(name)} {count(n)}" for name, n in found.items())
    if own:
        text = f"{plural(own, 'combination')} covered by failing tests only"
        return text + (f" (also {others})" if others else "")
    return f"items covered by failing tests only: {others}" if others else ""


def lost(tests: Sequence[str]) -> str:
    """Say which marked tests crashed their workers."""
    names = ", ".join(clean(name) for name in tests[:3]) + ", ..." * (len(tests) > 3)
    if len(tests) == 1:
        return f"1 marked test was lost when its worker crashed: {names}"
    return f"{count(len(tests))} marked tests were lost when their workers crashed: {names}"


def part_labels(run: RunInfo, *, gated: bool = False) -> list[tuple[str, str]]:
    """Return how much of the tests ran, as (label, sentence), where it is not all."""
    labels = []
    if not run.complete:
        because = f": {clean(run.incomplete_because)}" if run.incomplete_because else ""
        gates = "; gates are not judged" if gated else ""
        labels.append(("incomplete", f"the run was stopped early{because}{gates}"))
    if run.lost:
        labels.append(("incomplete", lost(run.lost)))
    if run.partial:
        whole = max(run.marked_collected, run.marked_ran + run.deselected)
        labels.append(("partial", f"{count(run.marked_ran)} of {plural(whole, 'marked test')} ran"))
    return labels
