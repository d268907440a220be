"""Class names that are not as many as the model's classes would name the wrong ones."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.profile.classnames import with_class_names
from tests.profile.builders import profile_of, rows


@pytest.mark.parametrize("names", ["ape,bee", "ape,bee,cat,dog"])
def test_a_profile_is_not_built_with_other_names(names: str) -> None:
    with pytest.raises(SettingsError, match=r"[24] classes named \(ape, bee.*the model has 3"):
        profile_of(rows(200), class_names=names)


def test_names_for_a_stored_profile() -> None:
    profile = profile_of(rows(200), class_names="ape,bee,cat")
    assert with_class_names(profile, ()) is profile
    named = with_class_names(profile, ["a", "b", "c"])
    assert named.class_names == ("a", "b", "c")
    for stored in (profile, dataclasses.replace(profile, echo=None)):
        with pytest.raises(SettingsError, match=r"2 classes named \(a, b\), but the model has 3"):
            with_class_names(stored, ["a", "b"])
