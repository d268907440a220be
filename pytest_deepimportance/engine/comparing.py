"""Compare what two data files hold: numbers always, items where both have the same profile."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.comparison import Change, Comparison, Side, Source
from pytest_deepimportance.criteria.base import Criterion
from pytest_deepimportance.engine.assemble import assemble, counted_states
from pytest_deepimportance.engine.combinations import Combinations
from pytest_deepimportance.engine.compare_notes import notes_of, spaces_alike, unlike
from pytest_deepimportance.engine.merging import merged_criteria
from pytest_deepimportance.engine.one_run import Opened
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.engine.suites import TOTAL
from pytest_deepimportance.errors import DataFileError
from pytest_deepimportance.readings import headline
from pytest_deepimportance.results import CriterionRow, Report, SuiteResult
from pytest_deepimportance.statistics.rows import found_in, unique_rows
from pytest_deepimportance.thresholds import IDC


def compare(before: Sequence[Opened], after: Sequence[Opened]) -> list[Comparison]:
    """Compare two runs, profile by profile.

    Profiles are matched by fingerprint; what is left is matched by the name of the model, or when
    there is one on either side.

    Raises:
        DataFileError: A side holds nothing, or nothing matches.
    """
    for side, which in ((before, "before"), (after, "after")):
        if not side:
            raise DataFileError(
                f"nothing was measured {which}: there is nothing to compare",
                fix="Give data files that pytest wrote: --idc-data-file=FILE",
            )
    pairs = list(_pairs(before, after))
    if not pairs:
        names = [", ".join(part.profile.model.spec for part in side) for side in (before, after)]
        raise DataFileError(
            f"no model of {before[0].name} ({names[0]}) is one of {after[0].name} ({names[1]})",
            "Runs of different models have nothing in common.",
            "Compare runs of the same model.",
        )
    return [_compared(old, new) for old, new in pairs]


def _pairs(before: Sequence[Opened], after: Sequence[Opened]) -> Iterator[tuple[Opened, Opened]]:
    old = {part.profile.fingerprint: part for part in before}
    rest = []
    for new in after:
        same = old.pop(new.profile.fingerprint, None)
        if same is None:
            rest.append(new)
        else:
            yield same, new
    # Two models of one name cannot be told apart by it: which is which would be a guess.
    had = Counter(part.profile.model.spec for part in old.values())
    have = Counter(part.profile.model.spec for part in rest)
    by_name = {part.profile.model.spec: part for part in old.values()}
    for new in rest:
        name = new.profile.model.spec
        twin = by_name[name] if had[name] == have[name] == 1 else None
        if twin is None and len(rest) == len(old) == 1:
            twin = next(iter(old.values()))
        if twin is not None:
            yield twin, new


def _compared(old: Opened, new: Opened) -> Comparison:
    matched = old.profile.fingerprint == new.profile.fingerprint
    measured = old, new
    doubts = unlike(old, new)
    if spaces_alike(old, new):
        old, new = _shortened(old, new), _shortened(new, old)
    return Comparison(
        before=_side(old),
        after=_side(new),
        same_profile=matched,
        same_model=old.profile.model.fingerprint == new.profile.model.fingerprint,
        neurons_before=_neurons(old.report),
        neurons_after=_neurons(new.report),
        changes=tuple(_changes(old, new, matched)),
        gained_by=_sources(new, old) if matched else (),
        lost_with=_sources(old, new) if matched else (),
        notes=tuple(notes_of(measured, (old, new))),
        unjudged=(IDC,) if doubts else (),
    )


def _shortened(part: Opened, other: Opened) -> Opened:
    """Return `part` with the smaller m of both runs, so that as many neurons make a combination.

    Combinations are nested: those of fewer neurons are prefixes of the stored ones.
    """
    of_other = {space.name: space.m for space in other.profile.spaces}
    spaces = tuple(
        dataclasses.replace(space, m=of_other[space.name], m_from="of the run compared with")
        if of_other[space.name] < space.m
        else space
        for space in part.profile.spaces
    )
    if spaces == part.profile.spaces:
        return part
    profile = dataclasses.replace(part.profile, spaces=spaces)
    report = assemble(profile, part.settings, part.state)
    return dataclasses.replace(part, profile=profile, report=report)


def _side(part: Opened) -> Side:
    report = part.report
    return Side(
        name=part.name,
        created=part.created,
        model=report.model.fingerprint,
        profile=report.profile.fingerprint,
        spec=report.model.spec,
        inputs=report.total.inputs,
        tests=report.total.tests,
        complete=report.run.complete and not report.run.partial and not report.run.lost,
    )


def _neurons(report: Report) -> tuple[str, ...]:
    spaces = [space for space in report.profile.spaces if space.class_name is None]
    if not spaces:
        return ()
    return tuple(f"{n.layer}[{n.index}]" for n in spaces[0].neurons[: spaces[0].m])


def _changes(old: Opened, new: Opened, matched: bool) -> Iterator[Change]:
    names = [suite.name for part in (old, new) for suite in part.report.suites]
    for name in [TOTAL, *sorted(set(names))]:
        suites = old.report.suite(name), new.report.suite(name)
        criteria = dict.fromkeys(
            row.criterion for suite in suites if suite for row in suite.criteria.values()
        )
        merged = _merged(old, new, name) if matched else {}
        for criterion in criteria:
            rows = [_row(suite, criterion) for suite in suites]
            yield _change(name, criterion, rows, merged.get(criterion))


def _row(suite: SuiteResult | None, criterion: str) -> CriterionRow | None:
    row = None if suite is None else headline(suite, criterion)
    return row if row is not None and row.judged else None


def _change(
    suite: str, criterion: str, rows: Sequence[CriterionRow | None], union: CriterionRow | None
) -> Change:
    before, after = rows
    known = next((row for row in rows if row is not None), None)
    matched = union is not None and before is not None and after is not None
    return Change(
        suite=suite,
        criterion=criterion,
        unit=known.unit if known is not None else "ratio",
        before=None if before is None else (before.covered, before.total),
        after=None if after is None else (after.covered, after.total),
        share_before=_share(before),
        share_after=_share(after),
        # Coverage is a union: what both runs together add to one of them is what it lacks.
        gained=int(union.covered - before.covered) if matched else None,  # type: ignore[union-attr]
        lost=int(union.covered - after.covered) if matched else None,  # type: ignore[union-attr]
    )


def _share(row: CriterionRow | None) -> tuple[int, int] | None:
    if row is None or row.exercised_rows is None or not row.reference_rows:
        return None
    return row.exercised_rows, row.reference_rows


def _merged(old: Opened, new: Opened, suite: str) -> dict[str, CriterionRow]:
    """Return the headline row of both runs together, for criteria that are unions of items."""
    states = [*_states(old, suite), *_states(new, suite)]
    criteria: Mapping[str, Criterion] = merged_criteria(states, new.profile, new.settings)
    return {name: c.compute()[0] for name, c in criteria.items() if not c.breaks}


def _states(part: Opened, suite: str) -> list[BlockState]:
    return counted_states(part.state, part.settings, None if suite == TOTAL else suite)


def _sources(part: Opened, other: Opened) -> tuple[Source, ...]:
    """Return the tests of `part` by the combinations they show and no test of `other` does."""
    known = _shown(other, _states(other, TOTAL))
    found = []
    for test in part.state.tests:
        states = [
            part.state.blocks[key][slot]
            for slot, key in test.claims
            if test.counts and slot in part.state.blocks.get(key, {})
        ]
        own = _shown(part, states)
        new = 0 if own is None else len(own)
        if own is not None and known is not None:
            new -= int(found_in(own, known).sum())
        if new:
            found.append(Source(test.nodeid, new))
    return tuple(sorted(found, key=lambda source: (-source.items, source.nodeid)))


def _shown(part: Opened, states: Sequence[BlockState]) -> NDArray[np.uint8] | None:
    """Return the distinct combinations of some blocks, None without one space of all classes."""
    found = Combinations.of(part.profile, states)
    return None if found is None else unique_rows(found.codes[found.visited])
