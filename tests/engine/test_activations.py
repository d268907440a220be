"""`measure_activations`: what it measures, from whatever arrays hold it, and the errors it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pytest_deepimportance as idc
from pytest_deepimportance.errors import (
    AttributionError,
    BatchError,
    LayerError,
    ReferenceDataError,
    SettingsError,
)
from pytest_deepimportance.thresholds import MEASURED
from tests.engine.activation_cases import CLASSES, REFERENCE, SCORES, SUITE, measure, numbers
from tests.oracles.reference_idc import idc as slow_idc

ORDER_FREE = [name for name in MEASURED if name not in ("CC", "NLC")]


def test_all_twelve_criteria_are_measured() -> None:
    rows = measure().criteria
    assert [key for key in rows if "@" not in key] == list(MEASURED)
    assert {f"KMNC@{name}" for name in REFERENCE} <= set(rows)
    assert all(row.unit == MEASURED[row.criterion] for row in rows.values())
    assert isinstance(rows["NLC"].covered, float)
    assert all(rows[name].covered > 0 for name in MEASURED)


def test_the_order_of_the_rows_does_not_matter() -> None:
    generator = np.random.default_rng(5)
    one, two = generator.permutation(200), generator.permutation(40)
    shuffled = measure(
        {name: values[one] for name, values in REFERENCE.items()},
        {name: values[two] for name, values in SUITE.items()},
        reference_predictions=CLASSES[0][one],
        input_predictions=CLASSES[1][two],
    ).criteria
    whole = measure().criteria
    assert numbers(shuffled, *ORDER_FREE) == numbers(whole, *ORDER_FREE)
    assert shuffled["NLC"].covered == pytest.approx(whole["NLC"].covered, rel=1e-9)


def test_single_and_double_precision_of_the_same_values_give_the_same_integers() -> None:
    wide = measure(
        {name: values.astype(np.float64) for name, values in REFERENCE.items()},
        {name: values.astype(np.float64) for name, values in SUITE.items()},
    ).criteria
    narrow = measure().criteria
    names = [name for name in MEASURED if name != "NLC"]
    assert numbers(wide, *names) == numbers(narrow, *names)
    assert wide["NLC"].covered == pytest.approx(narrow["NLC"].covered, rel=1e-9)


def test_the_suite_that_is_the_reference_stays_within_its_bounds() -> None:
    rows = measure(inputs=REFERENCE, input_predictions=CLASSES[0]).criteria
    assert (rows["NBC"].covered, rows["SNAC"].covered) == (0, 0)
    assert rows["IDC"].covered == rows["IDC"].reach


@pytest.mark.parametrize(
    "change",
    [
        torch.from_numpy,
        lambda v: torch.from_numpy(v).requires_grad_(),
        lambda v: torch.from_numpy(v).T.contiguous().T,
        np.asfortranarray,
        lambda v: np.repeat(v, 2, axis=1)[:, ::2],
        lambda v: v[:, ::-1].copy()[:, ::-1],
        lambda v: v.astype(">f4"),
    ],
    ids=["tensor", "grad", "strides", "fortran", "every other", "reversed", "big endian"],
)
def test_arrays_and_tensors_of_any_layout(change: Any) -> None:
    found = measure(
        {name: change(values.copy()) for name, values in REFERENCE.items()},
        {name: change(values.copy()) for name, values in SUITE.items()},
    )
    assert numbers(found.criteria) == numbers(measure().criteria)


@pytest.mark.filterwarnings("error")
def test_read_only_arrays_are_taken_without_a_warning() -> None:
    locked = {name: values.copy() for name, values in SUITE.items()}
    for values in locked.values():
        values.flags.writeable = False
    assert numbers(measure(inputs=locked).criteria) == numbers(measure().criteria)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision(dtype: torch.dtype) -> None:
    reference, inputs = (
        {name: torch.from_numpy(values).to(dtype) for name, values in layers.items()}
        for layers in (REFERENCE, SUITE)
    )
    rows = measure(reference, inputs).criteria
    assert all(np.isfinite(row.covered) for row in rows.values())


def test_what_is_handed_in_is_not_changed() -> None:
    before = {name: values.copy() for name, values in SUITE.items()}
    measure()
    assert all(np.array_equal(before[name], values) for name, values in SUITE.items())


def test_a_channel_is_a_neuron_and_its_value_the_mean_over_positions() -> None:
    generator = np.random.default_rng(8)
    maps = [generator.normal(size=(rows, 4, 3, 5)).astype(np.float32) for rows in (80, 20)]
    flat = [m.astype(np.float64).mean(axis=(2, 3)) for m in maps]
    names = ["KMNC", "NBC", "SNAC", "TKNC", "TKNP", "CC"]
    of_maps, of_means = (
        idc.measure_activations({"conv": r}, {"conv": i}, criteria=names).criteria
        for r, i in (maps, flat)
    )
    assert numbers(of_maps, *names) == numbers(of_means, *names)
    assert of_maps["KMNC@conv"].total == 4 * 1000
    # NC is scaled by the extremes of the maps: no mean reaches 3/4 of their range.
    nc = [idc.measure_activations({"conv": r}, {"conv": i}, criteria="NC").criteria["NC"]
          for r, i in (maps, flat)]  # fmt: skip
    assert [row.covered for row in nc] == [0, 4]


@pytest.mark.parametrize("form", [dict, idc.Importance])
@pytest.mark.parametrize("labels", [False, True])
def test_idc_with_importance_equals_a_direct_computation(form: Any, labels: bool) -> None:
    chosen = np.argsort(-SCORES["fc2"])[:3]
    truth = CLASSES[0].copy()
    truth[:60] = (truth[:60] + 1) % 3
    fitted = np.arange(200) >= 60 if labels else np.ones(200, bool)
    row = measure(
        importance=form(SCORES), m=3, criteria="IDC", reference_labels=truth if labels else None
    ).criteria["IDC"]
    columns = [REFERENCE["fc2"][:, unit] for unit in chosen]
    wanted = slow_idc(
        np.stack(columns, axis=1).astype(float).tolist(), truth.tolist(), fitted.tolist(),
        SUITE["fc2"][:, chosen].astype(float).tolist(),
        [list(idc.cluster_activations(column[fitted]).centroids) for column in columns],
    )  # fmt: skip
    for name in ("covered", "total", "reach", "covered_reached", "exercised_rows"):
        assert getattr(row, name) == getattr(wanted, name), name


def test_importance_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    idc.Importance({name: np.asarray(values) for name, values in SCORES.items()}).save(path)
    read = measure(importance=path, m=3)
    assert read.criteria["IDC"].covered == measure(importance=SCORES, m=3).criteria["IDC"].covered
    assert read.profile.importance.source == str(path)
    assert any("name no model to compare" in note for note in read.profile.importance.notes)


def test_without_importance_idc_is_left_out_and_it_is_said() -> None:
    report = measure(importance=None)
    assert "IDC" not in report.criteria
    said = [note for note in (*report.notes, *report.profile.notes) if "IDC left out" in note]
    assert said == ["IDC left out: no importance of the neurons was given"]
    with pytest.raises(SettingsError, match="no importance of the neurons was given"):
        measure(importance=None, criteria="IDC")
    quiet = measure(importance=None, criteria=["NC"])
    assert not [note for note in (*quiet.notes, *quiet.profile.notes) if "IDC" in note]


def test_without_predictions_the_surprise_criteria_are_left_out_and_it_is_said() -> None:
    report = measure(reference_predictions=None, input_predictions=None)
    assert not {"LSC", "DSC", "MDSC"} & set(report.criteria)
    notes = " ".join((*report.notes, *report.profile.notes))
    for name in ("LSC", "DSC", "MDSC"):
        assert name in notes


BAD: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
    "other layers": (LayerError, "fc9", {"inputs": {**SUITE, "fc9": SUITE["fc1"]}}),
    "fewer layers": (LayerError, "same layers", {"inputs": {"fc1": SUITE["fc1"]}}),
    "other width": (LayerError, "one by one", {"inputs": {**SUITE, "fc2": SUITE["fc2"][:, :4]}}),
    "1-D": (BatchError, r"\(N, U\)", {"inputs": {**SUITE, "fc2": SUITE["fc2"][:, 0]}}),
    "a list": (BatchError, "list", {"inputs": {**SUITE, "fc2": SUITE["fc2"].tolist()}}),
    "integers": (BatchError, "int64", {"inputs": {**SUITE, "fc2": SUITE["fc2"].astype(int)}}),
    "rows": (BatchError, "fc2 39", {"inputs": {**SUITE, "fc2": SUITE["fc2"][1:]}}),
    "predictions": (BatchError, "40 rows", {"input_predictions": CLASSES[1][:39]}),
    "floats": (BatchError, "float64", {"input_predictions": CLASSES[1].astype(float)}),
    "labels": (BatchError, "labels", {"reference_labels": CLASSES[0][:7]}),
    "nothing": (BatchError, "no layer", {"inputs": {}}),
    "no reference": (BatchError, "reference: no layer", {"reference": {}}),
    "few rows": (ReferenceDataError, "at least 10", {
        "reference": {name: values[:9] for name, values in REFERENCE.items()},
        "reference_predictions": CLASSES[0][:9],
    }),
    "none correct": (ReferenceDataError, "correct", {"reference_labels": (CLASSES[0] + 1) % 3}),
    "criterion": (SettingsError, "KMNC", {"criteria": ["KMC"]}),
    "setting": (SettingsError, "kmnc_sections", {"kmnc_section": 5}),
    "layer": (LayerError, "fc2", {"surprise_layer": "fc22"}),
    "cc layer": (LayerError, "fc2", {"cc_layers": "fc22"}),
    "scores": (AttributionError, "fc2", {"importance": {"fc1": SCORES["fc1"]}}),
    "width": (LayerError, "3 scores", {"importance": {"fc2": [1.0, 2.0, 3.0]}}),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_errors_say_what_is_wrong_and_what_to_give(case: str) -> None:
    kind, hint, changes = BAD[case]
    with pytest.raises(kind, match=hint):
        measure(**changes)
