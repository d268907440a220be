"""What random suites are drawn from, and what the report says of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import pytest_deepimportance as idc
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.gating import judge
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.thresholds import parse_threshold
from tests.profile.builders import Mlp, rows

MODEL = Mlp().eval()
REFERENCE, HELD_OUT, SUITE = rows(300, seed=1), rows(400, seed=2), rows(60, seed=3)
DRAWN = {"IDC", "NC", "KMNC", "TKNC", "TKNP"}
HELD_OUT_ONLY = {"NBC", "SNAC", "LSC", "DSC", "MDSC"}


def report(inputs=SUITE, **settings):
    return idc.measure(MODEL, REFERENCE, inputs, min_values=2, **settings)


def drawn(found):
    return {row.criterion for row in found.criteria.values() if row.random is not None}


def test_the_reference_serves_where_it_says_what_honest_suites_cover():
    found = report()
    assert drawn(found) == DRAWN
    assert found.criteria["IDC"].random.method == "closed form"
    assert found.criteria["KMNC"].random.method == "100 seeded orders"
    assert all(row.random.source == "" for row in found.criteria.values() if row.random)


def test_held_out_data_serve_the_criteria_that_measure_distance_too():
    found = report(null_data=HELD_OUT)
    assert drawn(found) == DRAWN | HELD_OUT_ONLY
    assert {row.random.source for row in found.criteria.values() if row.random} == {
        "data in memory (400 rows)"
    } or all(row.random.source for row in found.criteria.values() if row.random)


def test_the_expected_numbers_are_those_of_random_held_out_inputs():
    found = report(null_data=HELD_OUT)
    profile = idc.build_profile(MODEL, REFERENCE, min_values=2)
    matrix = idc.item_matrix(MODEL, profile, HELD_OUT)
    generator = np.random.default_rng(5)
    for name in sorted(DRAWN | HELD_OUT_ONLY):
        draws = [matrix.coverage(generator.permutation(400)[:60], name) for _ in range(400)]
        suite = found.criteria[name].random
        assert suite.inputs == 60
        assert suite.expected == pytest.approx(np.mean(draws), rel=0.05, abs=0.5), name
        assert np.mean([suite.low <= drawn <= suite.high for drawn in draws]) > 0.9, name


def test_a_part_of_the_reference_can_be_held_out():
    found = report(null="part=0.4")
    assert "40%" in found.criteria["IDC"].random.source
    assert found.reference.rows < 250
    assert drawn(found) == DRAWN | HELD_OUT_ONLY


def test_no_orders_no_random_suites_but_idcs():
    assert drawn(report(random_orders=0)) == {"IDC"}


def test_other_settings_of_a_criterion_than_the_profiles_leave_its_random_suite_out():
    profile = idc.build_profile(MODEL, REFERENCE, min_values=2)
    with idc.record(MODEL, profile, nc_threshold=0.3) as recording, torch.no_grad():
        MODEL(SUITE[0])
    assert drawn(recording.report()) == DRAWN - {"NC"}


def test_it_is_stored_with_the_profile(tmp_path):
    profile = idc.build_profile(MODEL, REFERENCE, min_values=2, null_data=HELD_OUT)
    profile.save(tmp_path / "model.idc")
    with idc.record(MODEL, Profile.load(tmp_path / "model.idc")) as recording, torch.no_grad():
        MODEL(SUITE[0])
    again, found = recording.report(), report(null_data=HELD_OUT)
    for key, row in found.criteria.items():
        assert again.criteria[key].random == row.random


def test_gates_against_random_suites_of_any_criterion():
    one = (
        SUITE[0][:1].repeat(60, 1) + torch.linspace(0, 1e-3, 60)[:, None],
        SUITE[1][:1].repeat(60),
    )
    names = ("IDC", "KMNC", "TKNP")
    thresholds = [parse_threshold(f"{name}=random") for name in names]
    assert [o.status for o in judge(report(), thresholds)] == ["ok"] * 3
    assert [o.status for o in judge(report(one), thresholds)] == ["failed"] * 3
    (outcome,) = judge(report(), [parse_threshold("LSC=random")])
    assert outcome.status == "not judged"
    assert "idc_null" in outcome.message


def test_more_inputs_than_held_out_ones_are_not_compared():
    found = report(rows(250, seed=7), null_data=HELD_OUT)
    assert not found.criteria["KMNC"].random.comparable
    (outcome,) = judge(found, [parse_threshold("KMNC=random")])
    assert outcome.status == "not judged"
    assert "250 inputs" in outcome.message


def test_held_out_data_of_another_shape_are_named_in_the_error():
    with pytest.raises(RecordingError, match=r"forward raised.*\n.*on inputs of"):
        report(null_data=torch.zeros(40, 7))


def test_the_profile_says_what_random_suites_are_drawn_from():
    profile = idc.build_profile(MODEL, REFERENCE, min_values=2, null_data=HELD_OUT)
    described = dict(profile.info().statistics)
    assert described["random suites"].startswith("IDC, NC, KMNC, NBC, SNAC, TKNC, TKNP, LSC")
    profile = idc.build_profile(MODEL, REFERENCE, min_values=2)
    described = dict(profile.info().statistics)
    assert described["random suites"] == "NC, KMNC, TKNC, TKNP, drawn from the reference"
