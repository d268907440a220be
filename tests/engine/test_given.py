"""What cannot be activations or classes is refused with what to give instead."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import pytest_deepimportance as idc
from pytest_deepimportance.errors import BatchError, IdcError, LayerError, ReferenceDataError

GENERATOR = np.random.default_rng(0)
A, B = GENERATOR.normal(size=(50, 4)), GENERATOR.normal(size=(50, 3))
TEXT = np.array([["x"] * 4] * 50)


@pytest.mark.parametrize(
    ("reference", "inputs", "error", "what", "fix"),
    [
        (A, A, BatchError, r"reference: an array \(50, 4\) float64, not arrays by", "layer name"),
        ({"a": A}, torch.zeros(2, 4), BatchError, r"inputs: a tensor \(2, 4\)", "for one layer too"),
        ([A], [A], BatchError, "a list of 1 ndarrays", "layer name"),
        ({"a": TEXT}, {"a": A}, BatchError, "reference: layer 'a' holds <U1", "floating-point"),
        ({"a": A}, {"a": TEXT.astype(object)}, BatchError, "inputs: layer 'a' holds object", "float"),
        ({"a": A}, {"a": A.tolist()}, BatchError, "layer 'a': a list of 50 lists", "np.asarray"),
        ({"a": A}, {"a": A[0]}, BatchError, r"layer 'a': activations of shape \(4,\)", "(N, U)"),
        ({"a": A[:1]}, {"a": A}, ReferenceDataError, "only 1 reference row can be", "min_values"),
        ({"a": A}, {"a": B}, LayerError, "a: the inputs have 3 neurons, the reference 4", "same layer"),
        ({"a": A}, {"b": A}, LayerError, "have layers b, the reference has a", "same names"),
    ],
)  # fmt: skip
def test_refused(reference: Any, inputs: Any, error: type[IdcError], what: str, fix: str) -> None:
    with pytest.raises(error, match=what) as caught:
        idc.measure_activations(reference, inputs)
    assert fix in caught.value.fix


def test_one_class_too_many_for_one_row() -> None:
    with pytest.raises(BatchError, match=r"shape \(2,\) for 1 row\n"):
        idc.measure_activations({"a": A}, {"a": A[:1]}, input_predictions=[1, 2])


def test_surprise_adequacy_refuses_the_same() -> None:
    with pytest.raises(LayerError) as caught:
        idc.surprise_adequacy("LSA", A, B)
    assert "same layer" in caught.value.fix
    with pytest.raises(BatchError, match="inputs holds <U1"):
        idc.surprise_adequacy("LSA", A, TEXT)
    with pytest.raises(BatchError, match="a dict with keys a"):
        idc.surprise_adequacy("LSA", {"a": A}, A)


def stranger_notes(**classes: Any) -> list[str]:
    report = idc.measure_activations({"a": A, "b": B}, {"a": A[:9], "b": B[:9]}, **classes)
    return [note for note in report.notes if "no input has a class" in note]


def test_classes_that_never_meet_those_of_the_reference_are_said() -> None:
    known, zeros = np.arange(50) % 3, np.zeros(9, int)
    (note,) = stranger_notes(reference_predictions=known, input_predictions=zeros + 7)
    assert "(predictions: 7 of the inputs, 0, 1, 2 of the reference)" in note
    (note,) = stranger_notes(reference_labels=known, input_labels=zeros + 4)
    assert "labels: 4 of the inputs" in note
    some = np.where(np.arange(9) < 8, 7, 2)
    assert not stranger_notes(reference_predictions=known, input_predictions=some)
    assert not stranger_notes(reference_predictions=known)


def test_surprise_of_classes_that_never_meet_is_nan_with_a_warning() -> None:
    known, strange = np.arange(50) % 3, np.full(9, 7)
    with pytest.warns(UserWarning, match="no input has a class that the reference has"):
        found = idc.surprise_adequacy(
            "DSA", A, A[:9], reference_predictions=known, input_predictions=strange
        )
    assert np.isnan(found).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        idc.surprise_adequacy(
            "DSA", A, A[:9], reference_predictions=known, input_predictions=known[:9]
        )
