"""`item_matrix` as a notebook uses it: one pass, then any subset."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import pytest_deepimportance as idc
from pytest_deepimportance.errors import ProfileError, RecordingError, SettingsError
from tests.profile.builders import Mlp, rows


@pytest.fixture(scope="module")
def model():
    return Mlp().eval()


@pytest.fixture(scope="module")
def profile(model):
    return idc.build_profile(model, rows(300, seed=1), min_values=2)


@pytest.fixture(scope="module")
def inputs():
    return rows(90, seed=2)


@pytest.fixture(scope="module")
def matrix(model, profile, inputs):
    return idc.item_matrix(model, profile, inputs, batch_size=32)


def test_all_inputs_together_give_the_reports_numbers(model, profile, inputs, matrix):
    with idc.record(model, profile) as recording, torch.no_grad():
        model(inputs[0])
    report = recording.report()
    assert matrix.left_out == ("NLC",)
    assert set(matrix.criteria) == {r.criterion for r in report.criteria.values()} - {"NLC"}
    for name, table in matrix.criteria.items():
        row = report.criteria[name]
        assert (matrix.coverage(criterion=name), table.total) == (row.covered, row.total), name


def test_a_subset_is_what_measuring_the_subset_gives(model, profile, inputs, matrix):
    chosen = np.arange(0, 90, 7)
    with idc.record(model, profile, criteria=["IDC", "KMNC", "TKNP", "LSC"]) as recording:
        model(inputs[0][chosen])
    for name in ("IDC", "KMNC", "TKNP", "LSC"):
        assert matrix.coverage(chosen, name) == recording.report().criteria[name].covered
    assert matrix.growth(chosen)[-1] == matrix.coverage(chosen) == matrix.select(chosen).coverage()


def test_the_greedy_choice_covers_everything_with_fewer(matrix):
    chosen, gains = matrix.greedy()
    assert len(chosen) < len(matrix)
    assert matrix.coverage(chosen) == matrix.coverage() == gains.sum()


def test_labels_predictions_and_digests_are_in_the_order_of_the_inputs(inputs, matrix, model):
    np.testing.assert_array_equal(matrix.labels, inputs[1])
    np.testing.assert_array_equal(matrix.predictions, model(inputs[0]).argmax(1))
    assert len(set(matrix.digests.tolist())) == 90


def test_two_halves_merge_to_the_whole_and_repeats_count_once(model, profile, inputs, matrix):
    x, y = inputs
    one = idc.item_matrix(model, profile, (x[:50], y[:50]))
    two = idc.item_matrix(model, profile, (x[40:], y[40:]))
    merged = one.merge(two)
    assert merged.left_out == ("NLC", "CC")
    np.testing.assert_array_equal(merged.digests, matrix.digests)
    for name in merged.criteria:
        np.testing.assert_array_equal(merged.growth(criterion=name), matrix.growth(criterion=name))


def test_matrices_of_other_profiles_or_criteria_are_not_merged(model, profile, inputs, matrix):
    other = idc.build_profile(model, rows(300, seed=9), min_values=2)
    with pytest.raises(RecordingError, match="different profiles"):
        matrix.merge(idc.item_matrix(model, other, inputs))
    with pytest.raises(RecordingError, match="different criteria"):
        matrix.merge(idc.item_matrix(model, profile, inputs, criteria=["IDC"]))


def test_inputs_that_are_not_finite_are_left_out_and_counted(model, profile, inputs, matrix):
    x = inputs[0].clone()
    x[3] = float("nan")
    found = idc.item_matrix(model, profile, x, batch_size=32)
    assert (len(found), found.non_finite) == (89, 1)
    np.testing.assert_array_equal(found.digests, np.delete(matrix.digests, 3))
    with pytest.raises(RecordingError, match="all of 5 neighbouring inputs"):
        idc.item_matrix(model, profile, torch.full((5, x.shape[1]), float("nan")))


def test_asking_for_what_is_not_there_names_what_is(matrix):
    with pytest.raises(SettingsError, match="KMNC"):
        matrix.coverage(criterion="KMCN")
    with pytest.raises(SettingsError, match="covers no item: NLC"):
        matrix.growth(criterion="NLC")


def test_our_criteria_are_named_in_any_case(matrix):
    assert matrix.coverage(criterion="kmnc") == matrix.coverage(criterion="KMNC")
    assert matrix.of("idc") is matrix.of("IDC")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([0.5], "0.5"),
        ([500], "no input 500 among 90"),
        ([-91], "no input -91"),
        ([True, False], "a mask of 2"),
        (["a"], "'a'"),
    ],
)
def test_rows_that_are_none_are_refused(matrix, rows, said):
    for ask in (matrix.coverage, matrix.growth, matrix.select):
        with pytest.raises(SettingsError, match=said):
            ask(rows)


def test_rows_are_indices_or_a_mask(matrix):
    mask = np.zeros(90, dtype=bool)
    mask[[3, 89]] = True
    both = matrix.coverage([3, 89])
    assert matrix.coverage(mask) == matrix.coverage([3, -1]) == matrix.growth(mask)[-1] == both
    assert matrix.coverage([]) == 0
    np.testing.assert_array_equal(matrix.select(mask).digests, matrix.digests[[3, 89]])


def test_the_model_is_as_it_was_and_other_weights_are_refused(profile, inputs):
    model = Mlp().train()
    idc.item_matrix(model, profile, inputs, criteria=["IDC"])
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    with torch.no_grad():
        next(model.parameters()).add_(1)
    with pytest.raises(ProfileError, match="fingerprint"):
        idc.item_matrix(model, profile, inputs)


def test_a_long_stretch_that_is_not_finite_is_left_out_like_single_rows(model, profile):
    x, y = rows(2000, seed=6)
    x[200:1700] = float("nan")
    found = idc.item_matrix(model, profile, (x, y), criteria=["IDC"])
    assert (len(found), found.non_finite) == (500, 1500)
    np.testing.assert_array_equal(found.labels, np.delete(y.numpy(), np.s_[200:1700]))
    built = idc.build_profile(model, (x, y), min_values=2)
    assert built.null.growth["KMNC"].rows == built.reference.usable == 500
