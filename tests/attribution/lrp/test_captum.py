"""Rules against captum's, on sequential nets, where the definitions agree.

captum changes weights in place of contributions, so it fits inputs of one sign only, and leaves the
bias as it is: its gamma rule is ours where no bias is positive, its Alpha1_Beta0_Rule where no bias
is negative. It has no alpha-beta with beta > 0, no flat and no z-box rule.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.data.batches import as_call
from tests.attribution.nets import LeNet, SmallVgg, lrp, noise, realistic

captum_attr = pytest.importorskip("captum.attr", reason="captum is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

STABLE = 1e-9


def with_rules(net: nn.Module, conv: Any, dense: Any) -> nn.Module:
    """A copy of the net with captum's rules on it; captum leaves data on the modules."""
    from captum.attr._utils.lrp_rules import EpsilonRule, IdentityRule

    theirs = copy.deepcopy(net)
    for module in theirs.modules():
        if isinstance(module, nn.Linear):
            module.rule = dense()
        elif isinstance(module, nn.Conv2d):
            module.rule = conv()
        elif isinstance(module, nn.MaxPool2d):
            module.rule = EpsilonRule(1e-14)
        elif isinstance(module, nn.ReLU):
            module.rule = IdentityRule()
    return theirs


def biased(make: Callable[[], nn.Module], sign: int) -> nn.Module:
    net = realistic(make())
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(sign * parameter.abs() / 4)
    return net


def rule_of(name: str) -> Any:
    from captum.attr._utils import lrp_rules as rules

    return {
        "epsilon": lambda: rules.EpsilonRule(STABLE),
        "gamma": lambda: rules.GammaRule(0.25),
        "z-plus": rules.Alpha1_Beta0_Rule,
    }[name]


@pytest.mark.parametrize(("make", "shape"), [(LeNet, (1, 28, 28)), (SmallVgg, (3, 16, 16))])
@pytest.mark.parametrize(
    ("options", "conv", "dense", "sign"),
    [
        ({"rule": "gamma"}, "gamma", "gamma", -1),
        ({"rule": "z-plus"}, "z-plus", "z-plus", 1),
        ({"rule": "epsilon-plus"}, "z-plus", "epsilon", 1),
        ({"rules": {nn.Conv2d: "gamma"}}, "gamma", "epsilon", -1),
        ({"rules": {"conv2d": "gamma", "linear": "z-plus"}}, "gamma", "z-plus", 0),
    ],
)
def test_equals_captum_in_every_layer_and_at_the_input(
    make: Callable[[], nn.Module],
    shape: tuple[int, ...],
    options: dict,
    conv: str,
    dense: str,
    sign: int,
) -> None:
    net = biased(make, sign)
    x = noise(4, *shape).abs()
    engine = lrp(net, x, epsilon=STABLE, **options)
    batch = engine.attribute(as_call(x))
    predicted = torch.from_numpy(batch.activations.predictions)
    for name, relevance in batch.relevance.items():
        theirs = with_rules(net, rule_of(conv), rule_of(dense))
        method = captum_attr.LayerLRP(theirs, theirs.get_submodule(name))
        found = method.attribute(x, target=predicted).detach()
        check(relevance, found.flatten(2).sum(2) if found.dim() > 2 else found)
    theirs = with_rules(net, rule_of(conv), rule_of(dense))
    image = captum_attr.LRP(theirs).attribute(x, target=predicted).detach()
    check(engine.attribute_inputs(as_call(x))[0], image)


def check(ours: Tensor, theirs: Tensor) -> None:
    scale = float(theirs.abs().max())
    assert scale > 0
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7 * scale)
