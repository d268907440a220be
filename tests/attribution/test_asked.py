"""`importance` refuses what it cannot use before it runs anything, in words."""

import pytest
import torch
from torch import nn

from pytest_deepimportance import importance
from pytest_deepimportance.errors import AttributionError


def _model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epsilon": "x"}, "epsilon is 'x'"),
        ({"rules": "z"}, "rule='z'"),
        ({"samples": "all"}, "samples is 'all'"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"seed": -1}, "seed: -1 is not from 0 to 4294967295"),
        ({"reduce": "x"}, "reduce is 'x'"),
        ({"tap": "x"}, "tap='post' or tap='pre'"),
        ({"output": "scores"}, "output is 'scores'"),
        ({"method": "lig", "steps": "x"}, "steps is 'x'"),
        ({"method": "ldls", "attribution_samples": "x"}, "attribution_samples is 'x'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error_in_words(given, words):
    with pytest.raises(AttributionError, match=words):
        importance(_model(), [torch.randn(6, 4)], **given)


@pytest.mark.parametrize("model", ["weights.pth", len])
def test_what_is_no_module_is_an_error_in_words(model):
    with pytest.raises(AttributionError, match=r"not a torch\.nn\.Module"):
        importance(model, [torch.randn(6, 4)])


def test_output_may_be_given_by_name_like_target():
    data = [torch.randn(6, 4)]
    named = importance(_model(), data, output="torch:neg")
    called = importance(_model(), data, output=torch.neg)
    assert (named.scores["0"] == called.scores["0"]).all()
    assert (named.scores["0"] != importance(_model(), data).scores["0"]).any()
