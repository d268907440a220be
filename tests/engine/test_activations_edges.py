"""`measure_activations` at the edges of what activations can be; `surprise_adequacy`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pytest_deepimportance as idc
from pytest_deepimportance.errors import BatchError, LayerError, ReferenceDataError, SettingsError
from tests.engine.activation_cases import CLASSES, REFERENCE, SUITE, measure, numbers


def with_nan(layers: dict[str, Any], *rows: int) -> dict[str, Any]:
    """The layers with NaN or infinity in some rows, in one layer or another."""
    result = {name: values.copy() for name, values in layers.items()}
    for row in rows:
        name = list(result)[row % len(result)]
        result[name][row, row % 3] = (np.nan, np.inf, -np.inf)[row % 3]
    return result


def test_rows_that_are_not_finite_are_left_out_and_counted() -> None:
    bad = [0, 7, 8, 30]
    report = measure(with_nan(REFERENCE, *bad), with_nan(SUITE, *bad))
    assert (report.reference.non_finite, report.reference.usable) == (4, 196)
    assert report.reference.rows == 200
    assert report.exclusions.non_finite_rows == 4
    assert report.total.inputs == 36
    kept, tested = (np.delete(np.arange(n), bad) for n in (200, 40))
    clean = measure(
        {name: values[kept] for name, values in REFERENCE.items()},
        {name: values[tested] for name, values in SUITE.items()},
        reference_predictions=CLASSES[0][kept],
        input_predictions=CLASSES[1][tested],
    )
    assert numbers(report.criteria) == numbers(clean.criteria)


def test_infinity_inside_a_map_leaves_its_row_out() -> None:
    maps = np.random.default_rng(0).normal(size=(60, 3, 2, 2)).astype(np.float32)
    inputs = maps[:20].copy()
    inputs[4, 1, 0, 0] = np.nan
    report = idc.measure_activations({"conv": maps}, {"conv": inputs}, criteria="KMNC,NC")
    assert report.exclusions.non_finite_rows == 1
    assert report.total.inputs == 19


def test_no_rows_cover_nothing() -> None:
    nothing = {name: values[:0] for name, values in SUITE.items()}
    report = measure(inputs=nothing, input_predictions=CLASSES[1][:0])
    assert report.total.inputs == 0
    assert len([key for key in report.criteria if "@" not in key]) == 12
    assert all(row.covered == 0 for row in report.criteria.values())
    assert all(row.value == 0.0 for row in report.criteria.values())
    maps = np.random.default_rng(0).normal(size=(60, 3, 2, 2))
    empty = idc.measure_activations({"conv": maps}, {"conv": maps[:0]}, criteria="NC,KMNC")
    assert empty.criteria["KMNC"].covered == 0


def test_constant_neurons_have_one_section_and_leave_no_corner_at_their_value() -> None:
    flat = {name: values.copy() for name, values in REFERENCE.items()}
    flat["fc1"][:, 2] = 0.5
    same, other = ({name: values[:1].copy() for name, values in flat.items()} for _ in range(2))
    other["fc1"][0, 2] = 0.7
    found = [
        measure(flat, inputs, input_predictions=CLASSES[1][:1]).criteria for inputs in (same, other)
    ]
    assert [rows["KMNC@fc1"].details["degenerate_neurons"] for rows in found] == [1, 1]
    assert found[0]["KMNC@fc1"].covered - found[1]["KMNC@fc1"].covered == 1
    assert [rows["NBC@fc1"].covered for rows in found] == [0, 1]
    assert [rows["SNAC@fc1"].covered for rows in found] == [0, 1]
    left_out = measure(flat, other, input_predictions=CLASSES[1][:1], degenerate="exclude")
    assert left_out.criteria["KMNC@fc1"].total == 5 * 1000
    assert left_out.criteria["NBC@fc1"].covered == 0


def test_classes_that_the_reference_lacks_are_counted_apart() -> None:
    predictions = CLASSES[1].copy()
    predictions[:4] = 7
    predictions[4:6] = -1
    rows = measure(input_predictions=predictions).criteria
    for name in ("LSC", "DSC", "MDSC"):
        assert rows[name].details["no_reference"] == 4
        assert rows[name].details["not_judged_unlabelled"] == 2
        assert rows[name].covered > 0


def test_neurons_that_repeat_each_other_have_a_singular_covariance() -> None:
    doubled = [
        {"layer": np.concatenate([layers["fc2"], layers["fc2"]], axis=1)}
        for layers in (REFERENCE, SUITE)
    ]
    for inverse in ("ridge", "pinv"):
        rows = measure(*doubled, importance=None, mdsc_inverse=inverse).criteria
        assert rows["MDSC"].covered > 0
        assert np.isfinite(rows["MDSC"].details["maximum"])
        assert rows["LSC"].details["non_finite"] in (0, 40)
        assert rows["DSC"].covered > 0


def test_a_class_with_fewer_rows_than_neurons_has_no_density() -> None:
    generator = np.random.default_rng(3)
    wide, inputs = generator.normal(size=(30, 50)), generator.normal(size=(12, 50))
    rows = idc.measure_activations(
        {"layer": wide}, {"layer": inputs},
        reference_predictions=np.arange(30) % 3, input_predictions=np.arange(12) % 3,
        criteria="LSC,DSC,MDSC",
    ).criteria  # fmt: skip
    assert rows["LSC"].details["non_finite"] == 12
    assert not rows["LSC"].judged
    assert sorted(map(int, rows["LSC"].details["no_density"])) == [0, 1, 2]
    assert rows["DSC"].covered > 0
    assert rows["MDSC"].details["non_finite"] == 0


def test_of_equal_values_the_lowest_index_is_the_most_active() -> None:
    tied = {"layer": np.ones((20, 6))}
    rows = idc.measure_activations(tied, tied, criteria="TKNC,TKNP", tknc_k=2).criteria
    assert rows["TKNC"].covered == 2
    assert rows["TKNP"].covered == 1
    assert rows["TKNC"].details["near_boundary"] == rows["TKNP"].details["near_boundary"] == 0


@pytest.mark.parametrize("k", [5, 6, 50, 2000])
def test_k_beyond_the_width_of_a_layer_covers_all_of_it(k: int) -> None:
    rows = measure(tknc_k=k, tknp_k=k).criteria
    assert rows["TKNC@fc2"].covered == 5
    assert "fc2" in rows["TKNC"].details["narrow_layers"]
    assert rows["TKNP"].covered == (6 if k == 5 else 1)


def test_layers_of_one_neuron() -> None:
    values = np.random.default_rng(0).normal(size=(90, 1))
    report = idc.measure_activations(
        {"one": values}, {"one": values[:30] * 2},
        reference_predictions=np.arange(90) % 2, input_predictions=np.arange(30) % 2,
        importance={"one": [1.0]},
    )  # fmt: skip
    rows = report.criteria
    assert len([key for key in rows if "@" not in key]) == 12
    assert (rows["NC"].covered, rows["NC"].total) == (0, 1)
    assert rows["TKNC"].covered == rows["TKNP"].covered == 1
    assert rows["NBC"].total == 2
    assert rows["NLC"].covered == pytest.approx((values[:30] * 2).var(), rel=1e-9)
    assert rows["IDC"].total >= 2


KINDS = ["LSA", "DSA", "MDSA"]
GIVEN = {"reference_predictions": CLASSES[0], "input_predictions": CLASSES[1]}


@pytest.mark.parametrize("kind", [*KINDS, "lsa", "LSC", "dsc"])
def test_surprise_is_one_number_per_input(kind: str) -> None:
    found = idc.surprise_adequacy(kind, REFERENCE["fc2"], SUITE["fc2"], **GIVEN)
    assert (found.shape, found.dtype) == ((40,), np.float64)
    assert np.isfinite(found).all()
    nothing = idc.surprise_adequacy(
        kind, REFERENCE["fc2"], SUITE["fc2"][:0],
        reference_predictions=CLASSES[0], input_predictions=CLASSES[1][:0],
    )  # fmt: skip
    assert nothing.shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_the_surprise_of_a_criterion_is_that_of_the_function(kind: str) -> None:
    name = kind[:-1] + "C"
    row = measure(criteria=name, surprise_values=True).criteria[name]
    wanted = idc.surprise_adequacy(kind, REFERENCE["fc2"], SUITE["fc2"], **GIVEN)
    found = sorted(value for _, value in row.details["values"])
    assert found == pytest.approx(sorted(wanted.tolist()), rel=1e-12)
    assert row.details["median"] == pytest.approx(float(np.median(wanted)), rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_no_surprise_of_unknown_classes_and_values(kind: str) -> None:
    inputs, predictions = SUITE["fc2"].copy(), CLASSES[1].copy()
    inputs[0, 1], inputs[1, 0] = np.nan, np.inf
    predictions[2], predictions[3] = 9, -1
    found = idc.surprise_adequacy(
        kind, REFERENCE["fc2"], inputs,
        reference_predictions=CLASSES[0], input_predictions=predictions,
    )  # fmt: skip
    assert np.isnan(found[:4]).all()
    whole = idc.surprise_adequacy(kind, REFERENCE["fc2"], SUITE["fc2"], **GIVEN)
    assert found[4:].tolist() == whole[4:].tolist()


@pytest.mark.parametrize("kind", ["LSA", "MDSA"])
def test_without_classes_all_rows_are_one_class(kind: str) -> None:
    found = idc.surprise_adequacy(kind, REFERENCE["fc2"], SUITE["fc2"])
    zeros = {
        "reference_predictions": np.zeros(200, int), "input_predictions": np.zeros(40, int)
    }  # fmt: skip
    same = idc.surprise_adequacy(kind, REFERENCE["fc2"], SUITE["fc2"], **zeros)
    assert found.tolist() == same.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_averaged_over_positions(kind: str) -> None:
    maps = np.random.default_rng(4).normal(size=(200, 5, 2, 3))
    found = idc.surprise_adequacy(kind, maps, maps[:40], **GIVEN)
    flat = maps.mean(axis=(2, 3))
    wanted = idc.surprise_adequacy(kind, flat, flat[:40], **GIVEN)
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_a_constant_reference_has_neither_likelihood_nor_distance() -> None:
    flat = np.ones((50, 4))
    one = {"reference_predictions": np.zeros(50, int), "input_predictions": np.zeros(5, int)}
    assert np.isnan(idc.surprise_adequacy("LSA", flat, flat[:5], **one)).all()
    assert np.isnan(idc.surprise_adequacy("DSA", flat, flat[:5], **one)).all()
    assert np.isnan(idc.surprise_adequacy("MDSA", flat, flat[:5], **one)).all()
    pinv = idc.surprise_adequacy("MDSA", flat, flat[:5] + 1, inverse="pinv", **one)
    assert pinv.tolist() == [0.0] * 5


@pytest.mark.parametrize(
    ("error", "hint", "changes"),
    [
        (SettingsError, "LSA, DSA or MDSA", {"kind": "KLSA"}),
        (SettingsError, "reference_predictions", {"kind": "DSA", "reference_predictions": None}),
        (SettingsError, "ridge", {"kind": "MDSA", "inverse": "exact"}),
        (ReferenceDataError, "1 of 200 reference rows", {"reference": with_nan(REFERENCE, 1)["fc2"]}),
        (LayerError, "4 neurons", {"inputs": SUITE["fc2"][:, :4]}),
        (BatchError, r"\(N, U\)", {"inputs": SUITE["fc2"][0]}),
        (BatchError, "int64", {"inputs": SUITE["fc2"].astype(int)}),
        (BatchError, "40 rows", {"input_predictions": CLASSES[1][:5]}),
        (BatchError, "200 rows", {"reference_predictions": CLASSES[0][:5]}),
    ],
)  # fmt: skip
def test_errors_say_what_to_give(error: Any, hint: str, changes: dict[str, Any]) -> None:
    given = {"kind": "LSA", "reference": REFERENCE["fc2"], "inputs": SUITE["fc2"], **GIVEN}
    with pytest.raises(error, match=hint):
        idc.surprise_adequacy(**(given | changes))


def test_dsc_is_left_out_where_all_of_the_reference_is_one_class() -> None:
    report = measure(surprise_labels="none")
    assert "DSC" not in report.criteria
    assert {"LSC", "MDSC"} <= set(report.criteria)
    assert "DSC left out" in " ".join((*report.notes, *report.profile.notes))
    with pytest.raises(SettingsError, match="surprise_labels"):
        measure(surprise_labels="none", criteria="DSC")
