"""Which criteria are measured, and what is left out, and why."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.criteria.base import get, names
from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings


def asked_for(settings: Settings) -> tuple[str, ...]:
    """Return the names of the criteria that the settings ask for, in the order of the table.

    Raises:
        SettingsError: There is no such criterion.
    """
    if "all" in settings.criteria:
        return names()
    for name in settings.criteria:
        get(name)
    return tuple(name for name in names() if name in settings.criteria)


def measurable(profile: Profile, settings: Settings) -> tuple[str, ...]:
    """Return the criteria asked for that the profile holds everything for.

    Raises:
        SettingsError: There is none, or no such criterion.
    """
    wanted = asked_for(settings)
    provided = profile.provided()
    found = tuple(
        n
        for n in wanted
        if all(need in provided for need in get(n).needs) and not get(n).excluded_by(settings)
    )
    if not found:
        why = [get(n).excluded_by(settings) for n in wanted if get(n).excluded_by(settings)]
        why += [note for note in profile.notes if "left out" in note]
        why += _without_layer(profile, wanted)[1]
        raise SettingsError(
            f"none of the criteria asked for can be measured with this profile: {_list(wanted)}",
            "\n".join(why),
            "Ask for others with --idc-criteria, or build the profile again.",
        )
    return found


def left_out(profile: Profile, settings: Settings) -> list[str]:
    """Return what to say of criteria that are asked for but not measured.

    Nothing on those of which the profile's own notes say why.
    """
    found = measurable(profile, settings)
    absent = [name for name in asked_for(settings) if name not in found]
    excluded = [get(name).excluded_by(settings) for name in absent]
    said = [note.partition(" left out")[0] for note in profile.notes if " left out" in note]
    known = {name for names in said for name in names.split(", ")}
    silent = [n for n, why in zip(absent, excluded, strict=True) if not why and n not in known]
    notes = [why for why in excluded if why]
    silent, without_layer = _without_layer(profile, silent)
    notes += without_layer
    if silent:
        notes.append(f"{_list(silent)} left out: the profile does not hold what it takes")
    return notes


def _without_layer(profile: Profile, absent: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return those of `absent` that do not lack a surprise layer, and the sentence on the rest."""
    reason = profile.sites.no_default
    if profile.statistics.surprise_layer is not None or not reason:
        return list(absent), []
    without = [name for name in absent if get(name).reads == "surprise"]
    text = f"{_list(without)} left out: {reason}; name one with --idc-surprise-layer"
    return [name for name in absent if name not in without], [text] * bool(without)


def recorded_layers(profile: Profile, criteria: Sequence[str]) -> tuple[str, ...]:
    """Return the layers that these criteria look at, in network order."""
    wanted = {layer for name in criteria for layer in profile.layers_of(get(name).reads)}
    return tuple(site.name for site in profile.sites.sites if site.name in wanted)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
