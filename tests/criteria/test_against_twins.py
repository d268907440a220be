"""Every baseline criterion without surprise gives its slow twin's number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.criteria import bits
from pytest_deepimportance.criteria.base import get
from pytest_deepimportance.criteria.ranking import most_active
from pytest_deepimportance.errors import SettingsError
from tests.criteria.against_twins import batch, layers, measured, numbers
from tests.oracles.reference_cc import cc
from tests.oracles.reference_kmnc import kmnc
from tests.oracles.reference_nbc import nbc
from tests.oracles.reference_nc import nc
from tests.oracles.reference_nlc import nlc
from tests.oracles.reference_snac import snac
from tests.oracles.reference_tknc import tknc
from tests.oracles.reference_tknp import tknp

many = settings(max_examples=150, deadline=None)
flag = st.booleans()


@pytest.mark.parametrize("threshold", [1.0, 1.5])
def test_nc_refuses_a_threshold_that_no_scaled_value_is_above(threshold):
    nc_class = get("NC")
    assert nc_class({"a": 2}, nc_threshold=threshold, nc_scale="none").name == "NC"
    for scale in ("map", "channel_mean_first"):
        with pytest.raises(SettingsError, match="no scaled value is above"):
            nc_class({"a": 2}, nc_threshold=threshold, nc_scale=scale)


@many
@given(layers(), layers(), st.sampled_from([0.0, 0.25, 0.5, 0.75]))
@pytest.mark.parametrize("scale", ["map", "channel_mean_first", "none"])
def test_nc(scale, train, tests, threshold):
    found = measured("NC", train, tests, nc_threshold=threshold, nc_scale=scale)
    assert numbers(found) == nc(tests, threshold, scale)


@many
@given(layers(), layers(), st.sampled_from([1, 2, 3, 10, 1000, 12345]))
@pytest.mark.parametrize("edges", ["both", "right", "left"])
def test_kmnc(edges, train, tests, sections):
    found = measured("KMNC", train, tests, kmnc_sections=sections, kmnc_edges=edges)
    assert numbers(found) == kmnc(train, tests, sections, edges)


@many
@given(layers(16, 40), layers(16, 40))
def test_kmnc_of_many_rows(train, tests):
    assert numbers(measured("KMNC", train, tests, kmnc_sections=7)) == kmnc(train, tests, 7)


@many
@given(layers(), layers(), st.sampled_from([0.0, 0.5, 1.0]), flag)
def test_nbc_and_snac(train, tests, sigma, inclusive):
    found = measured("NBC", train, tests, nbc_sigma=sigma, nbc_inclusive=inclusive)
    assert numbers(found) == nbc(train, tests, sigma, inclusive)
    found = measured("SNAC", train, tests, snac_sigma=sigma, snac_inclusive=inclusive)
    assert numbers(found) == snac(train, tests, sigma, inclusive)


@many
@given(layers(), st.sampled_from([1, 2, 3, 50]), flag)
def test_tknc(tests, k, positive):
    assert numbers(measured("TKNC", tests, tests, tknc_k=k, tknc_positive=positive)) == tknc(
        tests, k, positive
    )


@pytest.mark.parametrize("below", [0.0, -0.4])
def test_what_earlier_rows_covered_changes_no_number(below, monkeypatch):
    monkeypatch.setattr(bits, "CHUNK", 7)
    generator = np.random.default_rng(2)
    for seed in range(20):
        drawn = generator.normal(size=(60, 9)) * generator.choice([0.01, 0.3, 2], size=(60, 1))
        drawn[:, seed % 9] = 0  # a dead neuron
        tests = {"fc": np.maximum(drawn, below).astype(np.float32)}
        for scale in ("map", "none"):
            for threshold in (0.0, 0.2, 0.9):
                found = measured("NC", tests, tests, nc_threshold=threshold, nc_scale=scale)
                assert numbers(found) == nc(tests, threshold, scale)
        assert numbers(measured("TKNC", tests, tests, tknc_k=2)) == tknc(tests, 2, False)
        assert numbers(measured("KMNC", tests, tests, kmnc_sections=50)) == kmnc(tests, tests, 50)


def test_ranks_go_on_where_they_ended():
    values = np.random.default_rng(1).integers(0, 4, size=(30, 20)).astype(np.float32)
    rows = batch({"fc": values})
    order = np.argsort(-values, axis=1, kind="stable")
    for count in (1, 3, 2, 12, 20, 5):
        neurons, ranked = most_active(rows, "fc", count)
        np.testing.assert_array_equal(neurons, order[:, :count])
        np.testing.assert_array_equal(ranked, np.take_along_axis(values, order, 1)[:, :count])


@many
@given(layers(), st.sampled_from([1, 2, 3, 50]), flag)
def test_tknp(tests, k, ordered):
    found = measured("TKNP", tests, tests, tknp_k=k, tknp_ordered=ordered)
    assert numbers(found)[0] == tknp(tests, k, ordered)


@many
@given(layers(), st.sampled_from([0.0, 0.5, 1.0, 3.0]), flag)
def test_cc(tests, threshold, squared):
    found = measured("CC", tests, tests, cc_threshold=threshold, cc_squared=squared)
    assert numbers(found)[0] == cc(tests, dict.fromkeys(tests, threshold), squared)


@many
@given(layers())
def test_nlc(tests):
    assert numbers(measured("NLC", tests, tests))[0] == pytest.approx(nlc(tests), abs=1e-12)


def test_many_centres_of_clustered_rows_far_from_the_origin():
    generator = np.random.default_rng(5)
    rows = 1e4 + generator.normal(size=(700, 5)) * generator.choice([0.1, 3.0], size=(700, 1))
    tests = {"fc": rows.astype(np.float32)}
    found = measured("CC", tests, tests, cc_threshold=1.0)
    assert numbers(found)[0] == cc(tests, {"fc": 1.0}) > 100


def test_maps_are_scaled_over_all_their_positions():
    maps = {"conv": np.random.default_rng(0).random((20, 4, 3, 3)).astype(np.float32)}
    assert numbers(measured("NC", maps, maps, nc_threshold=0.6)) == nc(maps, 0.6)
    first = measured("NC", maps, maps, nc_threshold=0.9, nc_scale="channel_mean_first")
    assert numbers(first) == nc(maps, 0.9, "channel_mean_first")
