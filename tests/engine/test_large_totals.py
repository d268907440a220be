"""More combinations than an int64 can count: scope global, 70 neurons of two clusters each."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

import pytest_deepimportance as idc
from pytest_deepimportance.gating import judge
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.reporting import json_report
from pytest_deepimportance.results import Report
from pytest_deepimportance.thresholds import parse_threshold
from tests.oracles.reference_idc import combination
from tests.profile.builders import Mlp, rows

M, TOTAL = 70, 2**70
MODEL = Mlp(6, 48, 48, 3, activation=torch.tanh)
TESTS = rows(40, seed=2, model=MODEL)


@pytest.fixture(scope="module")
def profile() -> Profile:
    return idc.build_profile(MODEL, rows(150, model=MODEL), m=M, k=2, scope="global")


@pytest.fixture(scope="module")
def report(profile: Profile) -> Report:
    with idc.record(MODEL, profile) as recording, torch.no_grad():
        for part in TESTS[0].split(7):
            MODEL(part)
        recording.labels(TESTS[1])
    return recording.report()


def test_totals_are_exact(profile: Profile, report: Report) -> None:
    row = report.criteria["IDC"]
    assert (row.total, type(row.total)) == (TOTAL, int)
    assert report.profile.spaces[0].total == TOTAL
    assert [step.total for step in report.total.ladder] == [2**m for m in range(1, M + 1)]
    assert row.fraction == Fraction(row.covered, TOTAL)
    assert row.details["ceiling"] == pytest.approx(40 / TOTAL)


def test_combinations_are_those_of_plain_loops(profile: Profile, report: Report) -> None:
    (space,) = profile.spaces
    with torch.no_grad():
        first = torch.tanh(MODEL.fc1(TESTS[0]))
        values = {"fc1": first, "fc2": torch.tanh(MODEL.fc2(first))}
    centroids = [list(clustering.centroids) for clustering in space.clusterings]
    seen = {
        combination([float(values[layer][row, index]) for layer, index in space.neurons], centroids)
        for row in range(40)
    }
    assert report.criteria["IDC"].covered == len(seen)
    assert math.prod(map(len, centroids)) == TOTAL
    for m in (1, 20, 62, 63, 64):
        assert report.total.ladder[m - 1].covered == len({combo[:m] for combo in seen})


def test_json_keeps_every_digit(report: Report, tmp_path: object) -> None:
    text = json.dumps(report.to_json())
    assert str(TOTAL) in text
    assert Report.from_json(json.loads(text)) == report
    path = f"{tmp_path}/idc.json"
    json_report.write([report], path)  # type: ignore[arg-type]
    with open(path) as file:
        data = json.load(file)
    assert data["reports"][0]["total"]["criteria"]["IDC"]["total"] == TOTAL


def test_profile_file_and_worker_state_keep_every_combination(
    profile: Profile, report: Report, tmp_path: object
) -> None:
    profile.save(f"{tmp_path}/wide.idc")
    again = idc.Profile.load(f"{tmp_path}/wide.idc")
    for name in ("codes", "counts", "fit_counts"):
        np.testing.assert_array_equal(
            getattr(again.counts["global"], name), getattr(profile.counts["global"], name)
        )
    with idc.record(MODEL, again.with_m(M)) as recording, torch.no_grad():
        MODEL(TESTS[0])
        recording.labels(TESTS[1])
    assert recording.report().criteria["IDC"] == report.criteria["IDC"]


def test_the_gate_compares_exactly(report: Report) -> None:
    covered = report.criteria["IDC"].covered
    just, above = Fraction(covered, TOTAL), Fraction(covered + 1, TOTAL)
    for bound, status in ((f"{float(just) * 0.99:.30f}", "ok"), (f"{float(above):.29f}", "failed")):
        (outcome,) = judge(report, [parse_threshold(f"IDC={bound}")])
        assert outcome.status == status
        assert (outcome.covered, outcome.total) == (covered, TOTAL)
        needed = -(-Fraction(bound) * TOTAL // 1)
        assert outcome.needed == needed
        assert f"{covered} of 1.18e21" in outcome.message  # the screen rounds, the JSON does not
    (zero,) = judge(report, [parse_threshold("0")])
    assert zero.status == "ok"
