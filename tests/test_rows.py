"""Rows by key: a dictionary that answers for a misspelt key."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from pytest_deepimportance.rows import Rows, UnknownRowError

ROWS = Rows({"NC": 1, "KMNC": 2, "KMNC@fc1": 3, "KMNC:cat": 4})


@pytest.mark.parametrize(
    ("key", "hint"),
    [("KMCN", "did you mean KMNC?"), ("kmnc", "did you mean KMNC?"), ("KMNC@fc", "KMNC@fc1?")],
)
def test_a_misspelt_key_names_the_nearest(key: str, hint: str) -> None:
    with pytest.raises(UnknownRowError) as caught:
        ROWS[key]
    assert hint in str(caught.value)
    assert "measured: NC, KMNC; " in str(caught.value)


def test_a_criterion_that_was_not_measured_is_no_misspelling() -> None:
    with pytest.raises(KeyError) as caught:
        ROWS["IDC"]
    assert "did you mean" not in str(caught.value)
    assert "what was left out, and why, stands in the notes" in str(caught.value)
    with pytest.raises(KeyError, match="measured: nothing"):
        Rows()["NC"]


def test_it_is_a_dictionary_otherwise() -> None:
    assert ROWS.get("KMCN") is None
    assert "KMCN" not in ROWS
    assert ROWS == {"NC": 1, "KMNC": 2, "KMNC@fc1": 3, "KMNC:cat": 4}
    for other in (copy.deepcopy(ROWS), pickle.loads(pickle.dumps(ROWS))):
        assert (type(other), other) == (Rows, ROWS)
    assert json.loads(json.dumps(ROWS)) == ROWS
