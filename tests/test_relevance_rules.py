"""The setting `lrp_rule` and its numbers, from the command line to the profile."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_deepimportance import build_profile
from pytest_deepimportance.errors import AttributionError, SettingsError
from pytest_deepimportance.relevance_rules import CHOICES, COMPOSITES, RULES, composite
from pytest_deepimportance.settings import from_keywords


@pytest.mark.parametrize("name", CHOICES)
def test_rules_and_composites_are_accepted_in_any_case(name: str) -> None:
    assert from_keywords(lrp_rule=name.upper()).lrp_rule == name
    parts = composite(name)
    assert {parts.dense, parts.conv} <= set(RULES)


def test_composites_are_made_of_rules() -> None:
    for made in COMPOSITES.values():
        assert {made.dense, made.conv, made.first} <= {*RULES, None}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lrp_rule": "epsilonplus"}, "did you mean epsilon-plus"),
        ({"lrp_rule": "z-box"}, "use epsilon-gamma-box"),
        ({"lrp_rule": "lrp"}, "is not one of: z, epsilon, gamma, alpha-beta, z-plus, flat, paper"),
        ({"lrp_gamma": "-1"}, "finite number of 0 or more"),
        ({"lrp_alpha": "0.5"}, "below 1"),
        ({"lrp_low": "0,x"}, "separate numbers by commas"),
        ({"lrp_high": "inf"}, "not finite"),
    ],
)
def test_other_values_are_refused_with_what_to_type(values: dict, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_keywords(**values)
    assert message in str(caught.value)


def test_numbers_are_read_from_text_and_from_numbers() -> None:
    found = from_keywords(lrp_low="-2.1,-2,-1.8", lrp_high=3, lrp_alpha="1", lrp_gamma=1)
    assert (found.lrp_low, found.lrp_high) == ((-2.1, -2.0, -1.8), (3.0,))
    assert (found.lrp_alpha, found.lrp_gamma) == (1.0, 1.0)
    assert from_keywords(lrp_low=[0, 1]).lrp_low == (0.0, 1.0)


def trained() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 6), nn.ReLU(),
                          nn.Linear(6, 3))  # fmt: skip
    return model.eval(), torch.rand(60, 1, 6, 6)


def test_the_profile_says_which_rules_were_used() -> None:
    model, images = trained()
    box = build_profile(
        model, images, lrp_rule="epsilon-gamma-box", lrp_low=0, lrp_high=1, lrp_gamma=0.5, layer="0"
    )
    assert box.importance.rule == (
        "epsilon-gamma-box (first z-box 0 to 1, conv gamma 0.5, dense epsilon 1e-06)"
    )
    assert box.importance.balance < 1e-3
    assert box.importance.input_share > 0
    plain = build_profile(model, images, layer="0")
    assert plain.importance.rule == "epsilon 1e-06"
    flat = build_profile(model, images, layer="0", lrp_rule="gamma", lrp_gamma=3)
    assert flat.importance.rule == "gamma 3"
    assert not (plain.importance.scores["0"] == flat.importance.scores["0"]).all()


def test_a_profile_without_bounds_says_what_to_type() -> None:
    model, images = trained()
    with pytest.raises(AttributionError, match="lrp_low=0 lrp_high=1"):
        build_profile(model, images, lrp_rule="epsilon-gamma-box")
