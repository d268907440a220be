from __future__ import annotations

import textwrap

import numpy as np
import pytest
import torch

from pytest_deepimportance.criteria import base
from pytest_deepimportance.errors import RecordingError, SettingsError
from pytest_deepimportance.results import CriterionRow
from tests.contract.provided import activations, provided


@pytest.fixture
def registry(monkeypatch):
    base.names()
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))


@pytest.fixture
def toy(registry):
    """The criterion of the module's docstring, made from its very text."""
    text = textwrap.dedent(base.__doc__.partition("conftest:\n")[2])
    names = {
        "torch": torch, "register": base.register, "Criterion": base.Criterion,
        "CriterionRow": CriterionRow,
    }  # fmt: skip
    exec(text, names)
    lines = [line for line in text.splitlines() if line.strip()]
    return names["PositiveSum"], len(lines)


def test_a_toy_criterion_fits_in_twenty_lines_and_works(toy):
    criterion, lines = toy
    assert lines <= 20
    made = base.create("POS", {})
    assert isinstance(made, criterion)
    assert made.compute()[0].value == 0.0
    made.update(activations(20, seed=0))
    assert made.compute()[0].value == 1.0
    other = base.create("POS", {})
    other.absorb(made.export())
    assert other.compute() == made.compute()
    assert "POS" in base.names()


def test_idc_is_registered_under_its_module_name():
    assert "IDC" in base.names()
    for name in base.names():
        assert base.get(name).__module__.rpartition(".")[2] == name.lower()


def test_an_unknown_name_proposes_the_nearest():
    with pytest.raises(SettingsError, match=r"unknown criterion 'idc'\n.*IDC"):
        base.get("idc")
    with pytest.raises(SettingsError, match=r"criteria: .*IDC"):
        base.get("QQQQ")


def test_a_profile_without_what_is_needed_is_refused():
    with pytest.raises(
        SettingsError, match="criterion IDC needs combination_counts, null_counts, which"
    ):
        base.create("IDC", {"spaces": provided("layer")["spaces"]})


def test_two_criteria_of_one_name_are_refused(toy):
    criterion, _ = toy
    other = type("Other", (criterion,), {"name": "POS"})
    with pytest.raises(SettingsError, match="two criteria are called 'POS'"):
        base.register(other)
    assert base.register(type("PositiveSum", (criterion,), {})).name == "POS"


def test_a_criterion_without_a_name_is_refused(registry):
    with pytest.raises(SettingsError, match="Nameless has no name"):
        base.register(type("Nameless", (base.Criterion,), {}))


def test_a_criterion_must_define_its_four_methods(registry):
    class Empty(base.Criterion):
        name = "EMPTY"

    with pytest.raises(TypeError, match="compute"):
        Empty()


def test_a_state_of_another_criterion_is_refused(toy):
    idc = base.create("IDC", provided("layer"))
    with pytest.raises(RecordingError, match="state of IDC cannot be merged into POS"):
        base.create("POS", {}).absorb(idc.export())


def test_plain_data_round_trip():
    value = {"a": [np.arange(6, dtype=np.uint16).reshape(2, 3), 5], "b": {"c": "text", "d": b"x"}}
    plain = base.to_plain(value)
    assert plain["a"][0] == {
        "dtype": "<u2",
        "shape": [2, 3],
        "data": np.arange(6, dtype="<u2").tobytes(),
    }
    restored = base.from_plain(plain)
    assert np.array_equal(restored["a"][0], value["a"][0])
    assert restored["b"] == value["b"]
    empty = base.from_plain(base.to_plain(np.zeros((0, 4), dtype=np.uint8)))
    assert empty.shape == (0, 4)
