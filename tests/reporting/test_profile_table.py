from __future__ import annotations

from pytest_deepimportance.provenance import ProfileInfo
from pytest_deepimportance.reporting.profile_table import render
from tests.reporting import samples
from tests.reporting.criteria_samples import two_ratios


def shown(profile: ProfileInfo) -> str:
    return render(samples.passing().model, samples.reference(), profile, {"m": "auto"})


def test_a_profile_with_importance_shows_spaces_and_neurons() -> None:
    text = shown(samples.profile())
    assert "importance lrp, rule epsilon 1e-06, target predicted" in text
    assert "combinations of" in text
    assert "fc2[12]" in text
    assert "statistics" not in text


def test_statistics_stand_in_two_columns() -> None:
    statistics = (("layers", "conv1 (6), fc2 (84)"), ("surprise layer", "fc2"))
    lines = shown(samples.profile(statistics=statistics)).splitlines()
    at = lines.index("statistics")
    assert lines[at + 1 : at + 3] == [
        "layers          conv1 (6), fc2 (84)",
        "surprise layer  fc2",
    ]


def test_a_profile_without_importance_says_nothing_of_it() -> None:
    text = shown(two_ratios().profile)
    assert "importance" not in text
    assert "combinations" not in text
