"""Reports of the engine at the boundary of a threshold: message and verdict never disagree."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.gating import judge
from pytest_deepimportance.results import CriterionRow, Report
from pytest_deepimportance.thresholds import parse_threshold
from tests.engine.builders import SETTINGS, session, state_of_rows
from tests.oracles import reference_gate
from tests.profile.builders import profile_of, rows


@pytest.fixture(scope="module")
def report() -> Report:
    profile = profile_of(rows(300)).with_m("auto")
    x, y = rows(30, seed=2)
    state = session(
        {"a": ("clean", "passed", [("main", "a")])}, [("main", state_of_rows(profile, "a", x, y))]
    )
    return assemble(profile, SETTINGS, state)


def with_row(report: Report, **numbers: int) -> Report:
    def changed(row: CriterionRow) -> CriterionRow:
        return dataclasses.replace(row, **numbers)  # type: ignore[arg-type]

    criteria = {key: changed(row) for key, row in report.criteria.items()}
    return dataclasses.replace(report, total=dataclasses.replace(report.total, criteria=criteria))


@st.composite
def boundaries(draw: st.DrawFn) -> tuple[int, int, str]:
    """Covered, total and a decimal text beside covered / total, or anywhere."""
    total = draw(st.integers(2, 10_000) | st.sampled_from([2**62 + 1, 3 * 2**70]))
    covered = draw(st.integers(0, min(total, 10_000)))
    places = draw(st.integers(0, 9))
    units = covered * 10**places // total + draw(st.integers(-1, 1))
    units = min(max(units, 0), 10**places)
    return covered, total, f"{units // 10**places}.{units % 10**places:0{places}d}"


@settings(max_examples=150, deadline=None)
@given(boundaries(), st.sampled_from(["IDC", "reached", "share"]))
def test_message_verdict_and_exact_comparison_agree(
    report: Report, case: tuple[int, int, str], name: str
) -> None:
    covered, total, bound = case
    numbers = {
        "IDC": {"covered": covered, "total": total},
        "reached": {"covered_reached": covered, "reach": total},
        "share": {"exercised_rows": covered, "reference_rows": total},
    }[name]
    (outcome,) = judge(with_row(report, **numbers), [parse_threshold(f"{name}={bound}")])
    wanted = reference_gate.passes(covered, total, bound)
    assert (outcome.status == "ok") is wanted
    assert reference_gate.shown_verdict(outcome.message) is wanted
    assert (" >= " in outcome.message) is wanted
    assert outcome.needed is not None
    assert (covered >= outcome.needed) is wanted
    if outcome.needed:
        assert not reference_gate.passes(outcome.needed - 1, total, bound)
    assert reference_gate.passes(outcome.needed, total, bound)


def test_every_boundary_of_a_real_report(report: Report) -> None:
    """The decimal text just at, above and below what the engine itself measured."""
    row = report.criteria["IDC"]
    shares = {
        "IDC": (row.covered, row.total),
        "reached": (row.covered_reached, row.reach),
        "share": (row.exercised_rows, row.reference_rows),
    }
    for name, (covered, total) in shares.items():
        assert covered is not None
        assert total
        for places in range(1, 8):
            for step in (-1, 0, 1):
                units = covered * 10**places // total + step
                bound = f"{units // 10**places}.{units % 10**places:0{places}d}"
                if not 0 <= units <= 10**places:
                    continue
                (outcome,) = judge(report, [parse_threshold(f"clean/{name}={bound}")])
                wanted = reference_gate.passes(covered, total, bound)
                assert (outcome.status == "ok") is wanted, (name, bound)
                assert reference_gate.shown_verdict(outcome.message) is wanted
