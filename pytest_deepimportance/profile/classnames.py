"""Names of classes that are given: as many as the model has, in the order of its outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.formatting import listed, plural
from pytest_deepimportance.profile.model import Profile


def check_class_names(names: Sequence[str], classes: int) -> None:
    """Refuse names that are not as many as the model's classes: they would name the wrong ones.

    Raises:
        SettingsError: They are more or fewer.
    """
    if names and len(names) != classes:
        raise SettingsError(
            f"{plural(len(names), 'class', 'classes')} named ({listed(names)}), but the model has "
            f"{classes}",
            "Names stand in the order of the model's outputs.",
            "Name each class: --idc-class-names A,B,...",
        )


def with_class_names(profile: Profile, names: Sequence[str]) -> Profile:
    """Return the profile with these names for its classes; with its own where none are given.

    Raises:
        SettingsError: They are not as many as the model's classes, as far as the profile knows.
    """
    if not names:
        return profile
    if profile.echo is not None:
        check_class_names(names, len(profile.echo.scores[0]))
    else:
        seen = [int(counts.classes.max(initial=UNKNOWN)) + 1 for counts in profile.counts.values()]
        check_class_names(names, max([len(names), *seen]))
    named = dataclasses.replace(profile.reference, class_names=tuple(names))
    return dataclasses.replace(profile, reference=named)
