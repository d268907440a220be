"""Puts beside each number what random suites of the same size would have."""

from __future__ import annotations

import dataclasses

from pytest_deepimportance.engine.null import options_of
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import CriterionRow, RandomSuite
from pytest_deepimportance.settings import Settings


def beside_random(
    rows: tuple[CriterionRow, ...], profile: Profile, settings: Settings
) -> tuple[CriterionRow, ...]:
    """Return the rows of one criterion with random suites of the null data beside the headline.

    IDC's rows carry theirs already and only learn which data they were drawn from.
    """
    rows = tuple(_drawn_from(row, profile) for row in rows)
    growth = profile.null.growth.get(rows[0].criterion)
    head = rows[0]
    if growth is None or not head.inputs or not head.judged:
        return rows
    if growth.options != options_of(head.criterion, settings):
        return rows  # the profile's random suites were made with other settings
    found = growth.expectation(head.inputs)
    random = RandomSuite(
        inputs=head.inputs,
        expected=found.expected,
        sd=found.sd,
        low=found.low,
        high=found.high,
        comparable=found.comparable,
        covered=int(head.covered),
        note=found.note,
        method=growth.method,
        source=profile.null.source,
    )
    return (dataclasses.replace(head, random=random), *rows[1:])


def _drawn_from(row: CriterionRow, profile: Profile) -> CriterionRow:
    if row.random is None or not profile.null.counts:
        return row
    return dataclasses.replace(
        row, random=dataclasses.replace(row.random, source=profile.null.source)
    )
