"""`build_profile`, `record` and `measure` as a notebook uses them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pytest_deepimportance as idc
from pytest_deepimportance.errors import (
    LayerError,
    ProfileError,
    RecordingError,
    ReferenceDataError,
    SettingsError,
)
from pytest_deepimportance.results import CriterionRow, Report
from tests.oracles.reference_idc import idc as slow_idc
from tests.profile.builders import Mlp, profile_of, rows


class Golden(nn.Module):
    """Two hidden neurons that pass their inputs on (idc.md section 1.4)."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(2, 2)
        self.out = nn.Linear(2, 2)
        with torch.no_grad():
            for layer in (self.hidden, self.out):
                layer.weight.copy_(torch.eye(2))
                layer.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.out(torch.relu(self.hidden(x)))
        return scores


def test_golden_fifty_then_seventy_five_percent() -> None:
    model = Golden()
    train = torch.tensor([[0.0, 0], [0, 5], [10, 0], [10, 5]])
    profile = idc.build_profile(model, train, min_values=2, m=2)
    (space,) = profile.spaces
    by_neuron = dict(zip(space.neurons, space.clusterings, strict=True))
    np.testing.assert_array_equal(by_neuron["hidden", 0].centroids, [0, 10])
    np.testing.assert_array_equal(by_neuron["hidden", 1].centroids, [0, 5])
    assert space.total() == 4
    with idc.record(model, profile) as recording, torch.no_grad():
        model(torch.tensor([[1.0, 1], [9, 1], [9, 2]]))
        row = recording.report().criteria["IDC"]
        assert (row.covered, row.total, row.value) == (2, 4, 0.50)
        model(torch.tensor([[0.0, 5]]))
    row = recording.report().criteria["IDC"]
    assert (row.covered, row.total, row.value) == (3, 4, 0.75)


def numbers(report: Report) -> dict[str, Any]:
    total = report.total
    return {
        "rows": total.criteria, "ladder": total.ladder, "classes": total.classes,
        "gaps": total.gaps, "counts": (total.inputs, total.rows, total.labelled, total.correct),
        "evenness": total.evenness,
    }  # fmt: skip


def test_the_report_is_what_plain_loops_give() -> None:
    model, (x, y), (tx, ty) = Mlp(), rows(300, wrong=40), rows(50, seed=2, wrong=5)
    profile = idc.build_profile(model, (x, y), m=4)
    report = idc.measure(model, (x, y), (tx, ty), m=4)
    space = profile.spaces[0]

    def values(inputs: Tensor) -> list[list[float]]:
        with torch.no_grad():
            hidden = torch.relu(model.fc2(torch.relu(model.fc1(inputs)))).double()
        return [[float(row[index]) for _, index in space.neurons[:4]] for row in hidden]

    wanted = slow_idc(
        values(x), y.tolist(), [i >= 40 for i in range(300)], values(tx),
        [list(clustering.centroids) for clustering in space.clusterings[:4]],
    )  # fmt: skip
    row = report.criteria["IDC"]
    for name in ("covered", "total", "reach", "covered_reached", "exercised_rows",
                 "reference_rows"):  # fmt: skip
        assert getattr(row, name) == getattr(wanted, name), name
    assert row.details["fit_reached"] == wanted.fit_reached
    assert {c.index: (c.exercised_rows, c.reference_rows) for c in report.total.classes} == (
        wanted.share_by_class
    )
    assert (report.total.inputs, report.total.labelled, report.total.correct) == (50, 50, 45)


STEADY = "IDC,NC,KMNC,NBC,SNAC,TKNC,TKNP"
"""Not those whose last digits follow those of the forward pass."""


@pytest.mark.parametrize("settings", [{}, {"classes": "each"}, {"scope": "all", "m": 3}], ids=str)
def test_measure_equals_record(settings: dict[str, Any]) -> None:
    model, reference, (tx, ty) = Mlp(), rows(200), rows(60, seed=2)
    whole = idc.measure(model, reference, (tx, ty), criteria=STEADY, **settings)
    profile = idc.build_profile(model, reference, **settings)
    with idc.record(model, profile, criteria=STEADY) as recording, torch.no_grad():
        for start in range(0, 60, 7):
            model(tx[start : start + 7])
        recording.labels(ty)
    assert numbers(recording.report()) == numbers(whole)


def test_labels_in_other_forms_and_at_the_wrong_length() -> None:
    model = Mlp()
    profile = idc.build_profile(model, rows(100))
    tx, ty = rows(12, seed=2)
    with idc.record(model, profile) as recording, torch.no_grad():
        model(tx[:6])
        recording.labels(ty[:6].tolist())
        model(tx[6:])
        with pytest.raises(RecordingError, match="4 labels"):
            recording.labels(ty[:4])
        recording.labels(ty[6:].numpy())
    assert recording.report().total.correct == 12


def test_inputs_are_measured_whole_whatever_the_sample_of_the_reference() -> None:
    x, y = rows(300)
    report = idc.measure(Mlp(), (x, y), rows(90, seed=2), reference_samples=40)
    assert (report.reference.rows, report.total.inputs) == (40, 90)


def test_repeated_inputs_count_once_as_inputs() -> None:
    model, (tx, _) = Mlp(), rows(5, seed=2)
    profile = idc.build_profile(model, rows(100))
    with idc.record(model, profile) as recording, torch.no_grad():
        for _ in range(3):
            model(tx)
    total = recording.report().total
    assert (total.inputs, total.rows) == (5, 15)
    assert total.criteria["IDC"].random is not None
    assert total.criteria["IDC"].random.inputs == 5


def test_nothing_recorded_is_zero_with_its_cause() -> None:
    model = Mlp()
    with idc.record(model, idc.build_profile(model, rows(100))) as recording:
        pass
    report = recording.report()
    assert report.criteria["IDC"].covered == 0
    assert "no forward pass" in report.tests[0].cause


def test_an_exception_leaves_the_model_as_it_was() -> None:
    model = Mlp().train()
    profile = idc.build_profile(model, rows(100))

    def broken_test() -> Any:
        with idc.record(model, profile) as recording:
            seen.append(recording)
            model(rows(3)[0])
            raise ZeroDivisionError

    seen: list[Any] = []
    with pytest.raises(ZeroDivisionError):
        broken_test()
    (recording,) = seen
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert recording.report().total.inputs == 3
    model(rows(9, seed=5)[0])
    assert recording.report().total.inputs == 3


def test_other_weights_are_refused() -> None:
    profile = idc.build_profile(Mlp(), rows(100))
    with pytest.raises(ProfileError, match="fingerprint"), idc.record(Mlp(seed=5), profile):
        pass


def test_m_is_free_and_other_settings_are_not() -> None:
    model, (tx, _) = Mlp(), rows(30, seed=2)
    profile = idc.build_profile(model, rows(200))
    for given in ({"m": 3}, {"m": 3, "criteria": ["IDC"]}, {"m": 3, "layer": "fc2"}):
        with idc.record(model, profile, **given) as recording, torch.no_grad():
            model(tx)
        assert recording.report().criteria["IDC"].details["m"] == 3
    for error, wrong in (
        (ProfileError, {"layer": "fc1"}), (LayerError, {"layer": "fc9"}),
        (ProfileError, {"zeros": "drop"}), (SettingsError, {"criteria": ["NCC"]}),
        (SettingsError, {"mm": 3}), (SettingsError, {"m": 13}),
    ):  # fmt: skip
        with pytest.raises(error), idc.record(model, profile, **wrong):  # type: ignore[arg-type]
            pass


def test_m_can_be_changed_afterwards() -> None:
    model, (tx, _) = Mlp(), rows(30, seed=2)
    profile = idc.build_profile(model, rows(200))
    with idc.record(model, profile) as recording, torch.no_grad():
        model(tx)
    for m in (1, 5, 12):
        recording.profile = profile.with_m(m)
        row = recording.report().criteria["IDC"]
        step = recording.report().total.ladder[m - 1]
        assert (row.covered, row.total, row.reach) == (step.covered, step.total, step.reach)


def test_inputs_that_cannot_be_used_are_called_inputs() -> None:
    x, y = rows(100)
    with pytest.raises(ReferenceDataError, match="the inputs to measure"):
        idc.measure(Mlp(), (x, y), (x[:0], y[:0]))


class InBuffers(Mlp):
    """The same layers, their weights kept as buffers: the module has no parameter at all."""

    def __init__(self) -> None:
        super().__init__()
        for layer in (self.fc1, self.fc2, self.fc3):
            for name in ("weight", "bias"):
                value = getattr(layer, name).detach().clone()
                delattr(layer, name)
                layer.register_buffer(name, value)


def headline(model: nn.Module, dtype: torch.dtype, **settings: Any) -> CriterionRow:
    (x, y), (tx, ty) = rows(200), rows(40, seed=2)
    return idc.measure(model, (x.to(dtype), y), (tx.to(dtype), ty), **settings).criteria["IDC"]


def test_precisions_and_ways_to_hold_weights() -> None:
    wanted = headline(Mlp(), torch.float32)
    for model, dtype in (
        (Mlp().double(), torch.float64),
        (InBuffers(), torch.float32),
        (nn.Sequential(*(f for n in (1, 2, 3) for f in (getattr(Mlp(), f"fc{n}"), nn.ReLU())))[:-1],
         torch.float32),
        (torch.compile(Mlp(), backend="eager"), torch.float32),
    ):  # fmt: skip
        found = headline(model, dtype)
        assert (found.covered, found.total, found.reach) == (
            wanted.covered, wanted.total, wanted.reach,
        )  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision(dtype: torch.dtype) -> None:
    found = headline(Mlp().to(dtype), dtype, correct="all")
    assert found.total > 1
    assert 0 < found.covered <= found.total
    assert found.reference_rows == 200


def test_data_of_another_precision_than_the_model_is_said() -> None:
    with pytest.raises(LayerError, match="float64"):
        headline(Mlp(), torch.float64)


def test_a_model_without_any_layer() -> None:
    with pytest.raises(LayerError, match="no hidden layer"):
        headline(nn.ReLU(), torch.float32)


@pytest.mark.parametrize("model", [nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 3))], ids=repr)
def test_a_model_without_a_hidden_layer(model: nn.Module) -> None:
    report = idc.measure(model, rows(200, model=model), rows(30, seed=2, model=model))
    assert {"NC", "KMNC", "NLC"} <= set(report.criteria)
    assert not {"IDC", "LSC", "DSC", "MDSC"} & set(report.criteria)
    said = "\n".join([*report.notes, *report.profile.notes])
    assert "IDC left out: the model has no hidden layer" in said
    assert "LSC, DSC, MDSC left out: the model has no hidden layer" in said
    assert "--idc-surprise-layer" in said


def test_a_profile_of_a_file_measures_the_same(tmp_path: Any) -> None:
    model, (tx, _) = Mlp(), rows(30, seed=2)
    profile = profile_of(rows(200)).with_m("auto")
    profile.save(tmp_path / "a.idc")
    results = []
    for used in (profile, idc.Profile.load(tmp_path / "a.idc").with_m("auto")):
        with idc.record(model, used) as recording, torch.no_grad():
            model(tx)
        results.append(numbers(recording.report()))
    assert results[0] == results[1]
