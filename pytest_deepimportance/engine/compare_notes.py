"""What must be said beside the numbers of two runs, so that nobody reads more into them."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_deepimportance.engine.one_run import Opened
from pytest_deepimportance.formatting import count, listed
from pytest_deepimportance.readings import headline
from pytest_deepimportance.results import Report
from pytest_deepimportance.thresholds import IDC


def notes_of(before: tuple[Opened, Opened], at: tuple[Opened, Opened]) -> Iterator[str]:
    """Yield what must be said of two runs.

    Args:
        before: The two runs as they were measured.
        at: The two as they are compared, at one m where that is possible.
    """
    old, new = before
    if old.profile.fingerprint == new.profile.fingerprint:
        yield from _other_m(old, new)
    else:
        yield _other_profile(old, new)
        yield from unlike(old, new)
        if spaces_alike(old, new):
            yield from _other_m(old, new)
        yield from _other_totals(at[0].report, at[1].report)
    for part in before:
        yield from _partial(part)


def spaces_alike(old: Opened, new: Opened) -> bool:
    """Return whether both profiles have the same spaces: layers and classes that IDC looks at."""
    return {space.name for space in old.profile.spaces} == {
        space.name for space in new.profile.spaces
    }


def unlike(old: Opened, new: Opened) -> list[str]:
    """Say why IDC of the two cannot be told apart at all: layers or classes differ; else nothing.

    Of another number of important neurons it can, at the smaller m.
    """
    measured = old.profile.spaces and new.profile.spaces
    if not measured or spaces_alike(old, new):
        return []
    names = [[space.name for space in part.profile.spaces] for part in (old, new)]
    shown = " -> ".join(
        listed([*own[:3], *([f"{len(own) - 3} more"] if len(own) > 3 else [])]) or "none"
        for own in names
    )
    return [f"IDC looks at other layers or classes ({shown}): no verdict on IDC and share"]


def _other_profile(old: Opened, new: Opened) -> str:
    before, after = old.profile, new.profile
    if before.model.fingerprint == after.model.fingerprint:
        return (
            f"same model, but another profile ({before.fingerprint[:8]} -> "
            f"{after.fingerprint[:8]}): items cannot be matched, only numbers are compared"
        )
    return (
        f"new model ({before.model.fingerprint[:8]} -> {after.model.fingerprint[:8]}): items "
        "cannot be matched, only numbers are compared"
    )


def _other_m(old: Opened, new: Opened) -> Iterator[str]:
    of_new = {space.name: space.m for space in new.profile.spaces}
    found = dict.fromkeys(
        (space.m, of_new[space.name])
        for space in old.profile.spaces
        if space.m != of_new[space.name]
    )
    if found:
        changed = listed([f"{before} -> {after}" for before, after in found])
        rows = [headline(part.report.total, IDC) for part in (old, new)]
        totals = " and ".join("none" if row is None else count(row.total) for row in rows)
        yield (
            f"m differs ({changed}): both are compared at the smaller m, so IDC and share of one "
            f"of them are not those of its report ({totals} combinations there)"
        )


def _other_totals(old: Report, new: Report) -> Iterator[str]:
    """Items in all, where they differ: a ratio of fewer items is reached more easily."""
    found = []
    for name in dict.fromkeys(row.criterion for row in old.total.criteria.values()):
        rows = headline(old.total, name), headline(new.total, name)
        totals = [row.total for row in rows if row is not None and row.judged]
        if len(totals) == 2 and totals[0] != totals[1]:
            found.append(f"{name} {count(totals[0])} -> {count(totals[1])}")
    if found:
        yield (
            f"the number of all items differs ({listed(found)}): the same inputs reach another "
            "ratio of them"
        )


def _partial(part: Opened) -> Iterator[str]:
    run = part.report.run
    if not run.complete:
        yield f"{part.name} was stopped early: it covers less than its tests would"
    elif run.partial:
        yield f"{part.name} holds a part of its tests only"
    if run.lost:
        yield f"{part.name} lost {len(run.lost)} tests in workers that crashed"
