"""What is called in Python names keywords, what is typed names options."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from torch import nn

import pytest_deepimportance as package
from pytest_deepimportance.attribution.importance import importance
from pytest_deepimportance.errors import AttributionError, IdcError
from pytest_deepimportance.keywords import reworded


@pytest.mark.parametrize(
    ("typed", "called"),
    [
        ("For example: --idc-target predicted", 'For example: target="predicted"'),
        ("such as --idc-lrp-low 0 --idc-lrp-high 1; one", "such as lrp_low=0 lrp_high=1; one"),
        ("with a larger --idc-lrp-epsilon, or run", "with a larger lrp_epsilon=, or run"),
        ("Use --idc-reduce mean, or leave --idc-importance out.",
         'Use reduce="mean", or leave importance= out.'),
        ("Draw more (--idc-attribution-samples), or", "Draw more (attribution_samples=), or"),
        ("Set idc_output = pkg.mod:callable (model", 'Set output="pkg.mod:callable" (model'),
        ("the callable of idc_target raised", "the callable of target raised"),
        ("Only if you trust it: --idc-allow-pickle", "Only if you trust it: allow_pickle=True"),
        ("Run: pytest --idc-m 3 --idc-k 2", "Run: pytest --idc-m 3 --idc-k 2"),
        ("Give it: --idc-reference, ini idc_reference, or the fixture idc_reference.",
         "Give it: reference=, ini idc_reference, or the fixture idc_reference."),
        ("Run 'pytest --idc-model w.pt --idc-k 2' or set idc_k = 3",
         "Run 'pytest --idc-model w.pt --idc-k 2' or set k=3"),
        ("the fixture idc_no_such and --idc-report=json:F", "the fixture idc_no_such and report=\"json:F\""),
    ],
)  # fmt: skip
def test_options_become_keywords(typed: str, called: str) -> None:
    assert reworded(typed) == called


NET = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
X = torch.rand(20, 4)

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "target": ({"target": "foo"}, 'For example: target="predicted"'),
    "epsilon": ({"epsilon": -1}, "epsilon is -1.0"),
    "z-box": ({"rule": "epsilon-gamma-box"}, "needs low and high, .*such\\nas low=0 high=1"),
    "bounds": ({"rules": {"0": "z-box"}, "low": 2, "high": 1}, "low 2 is not below high 1"),
    "steps": ({"method": "conductance", "steps": 0}, "Take at least 1: steps="),
    "baseline": ({"method": "conductance", "baseline": "foo"}, 'baseline="zero"'),
    "samples": (
        {"method": "gradient-shap", "attribution_samples": 0}, "at least 1: attribution_samples=",
    ),
    "class": ({"target": 7}, 'or target="predicted"'),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_importance_names_its_own_keywords(name: str) -> None:
    settings, told = MISTAKES[name]
    with pytest.raises(IdcError, match=f"(?s){told}".replace("\\n", "\\s")) as caught:
        package.importance(NET, X, **settings)
    assert "--idc-" not in str(caught.value)
    assert "idc_lrp" not in str(caught.value)


def test_the_other_functions_name_settings() -> None:
    with pytest.raises(IdcError, match=r"^lrp_epsilon \(keyword\): 'a' is not a number"):
        package.build_profile(NET, X, lrp_epsilon="a")
    with pytest.raises(IdcError, match='or target="predicted"'):
        package.build_profile(NET, X, target=7)
    with pytest.raises(IdcError, match="Take at least 1: steps="):
        package.vote(NET, X, ["conductance"], 2, steps=0)
    with pytest.raises(IdcError, match=r"Check spec= \(or idc_model in pytest's ini\)"):
        package.load_model("nowhere.pth", "no_such:factory")


def test_typed_errors_name_options() -> None:
    with pytest.raises(AttributionError, match="--idc-target predicted"):
        importance(NET, X, target="foo")


def test_public_functions_are_found_where_they_say() -> None:
    assert pickle.loads(pickle.dumps(package.vote)) is package.vote
    assert package.vote.__doc__.startswith("Let attribution methods vote")
