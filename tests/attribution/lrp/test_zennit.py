"""Rules against zennit's: `tox -e zennit`, or any environment with `pip install zennit`.

Where definitions differ, the nets here avoid it:
- zennit passes relevance through a ReLU unchanged, also where its output is 0; here relevance is
  activation x gradient, so what `flat` gives to a value of 0 inside the net ends there. `flat` is
  therefore compared for the first layer only, where nothing lies behind it.
- zennit passes relevance through every activation unchanged; here f(0) absorbs its share, so a
  sigmoid differs. A ReLU and a tanh have f(0) = 0.
- zennit normalises average pooling with a stabiliser; here it is a linear map without one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.data.batches import as_call
from tests.attribution.nets import LeNet, SmallVgg, lrp, noise, realistic

pytest.importorskip("zennit", reason="zennit is not installed: tox -e zennit")

EPSILON = 1e-3


def theirs(name: str) -> Any:
    from zennit import rules

    stable = {"stabilizer": EPSILON}
    makers: dict[str, Callable[[], Any]] = {
        "z": lambda: rules.Epsilon(epsilon=lambda z: z),
        "epsilon": lambda: rules.Epsilon(epsilon=EPSILON),
        "gamma": lambda: rules.Gamma(gamma=0.25, **stable),
        "alpha-beta": lambda: rules.AlphaBeta(alpha=2.0, beta=1.0, **stable),
        "z-plus": lambda: rules.ZPlus(**stable),
        "flat": lambda: rules.Flat(stabilizer=lambda z: z),
        "z-box": lambda: rules.ZBox(low=-9.0, high=9.0, **stable),
    }
    return makers[name]()


def zennit_relevance(
    net: nn.Module, x: Tensor, composite: Any, names: list[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Relevance of the input and of the outputs of modules, from the predicted logit."""
    kept: dict[str, Tensor] = {}
    hooks = [
        net.get_submodule(name).register_forward_hook(
            lambda module, args, output, name=name: kept.__setitem__(name, output)
        )
        for name in names
    ]
    x = x.clone().requires_grad_()
    try:
        with composite.context(net) as modified:
            output = modified(x)
            start = torch.zeros_like(output)
            chosen = output.detach().argmax(1, keepdim=True)
            start.scatter_(1, chosen, output.detach().gather(1, chosen))
            found = torch.autograd.grad(output, [x, *(kept[name] for name in names)], start)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0], dict(zip(names, found[1:], strict=True))


def mapped(dense: str, conv: str, first: str | None = None) -> Any:
    from zennit.composites import SpecialFirstLayerMapComposite
    from zennit.rules import Pass
    from zennit.types import Activation, Convolution
    from zennit.types import Linear as Dense

    layers = [(Activation, Pass()), (Convolution, theirs(conv)), (Dense, theirs(dense))]
    special = [] if first is None else [(Dense, theirs(first))]
    return SpecialFirstLayerMapComposite(layer_map=layers, first_map=special)


def agree(net: nn.Module, x: Tensor, composite: Any, **options: Any) -> None:
    engine = lrp(net, x, **{"epsilon": EPSILON, **options})
    (ours,) = engine.attribute_inputs(as_call(x))
    relevance = engine.attribute(as_call(x)).relevance
    image, layers = zennit_relevance(net, x, composite, list(relevance))
    close(ours, image)
    for name, found in layers.items():
        close(relevance[name], found.flatten(2).sum(2) if found.dim() > 2 else found)


def close(ours: Tensor, theirs: Tensor) -> None:
    scale = float(theirs.abs().max())
    assert scale > 0
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9 * scale)


def signed() -> nn.Module:
    """Negative signals inside, strides, groups, a transposed convolution."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.Tanh(), nn.Conv2d(4, 4, 3, groups=2),
        nn.Tanh(), nn.ConvTranspose2d(4, 3, 2, stride=2), nn.Tanh(), nn.Flatten(),
        nn.Linear(48, 6), nn.Tanh(), nn.Linear(6, 3),
    )  # fmt: skip


NETS = [(LeNet, (1, 28, 28)), (SmallVgg, (3, 16, 16)), (signed, (2, 8, 8))]


@pytest.mark.parametrize(("make", "shape"), NETS)
@pytest.mark.parametrize("rule", ["z", "epsilon", "gamma", "alpha-beta", "z-plus"])
def test_every_rule_equals_zennits(
    make: Callable[[], nn.Module], shape: tuple[int, ...], rule: str
) -> None:
    agree(realistic(make()), noise(3, *shape), mapped(rule, rule), rule=rule)


@pytest.mark.parametrize(("make", "shape"), NETS)
@pytest.mark.parametrize("first", ["flat", "z-box"])
def test_rules_of_the_first_layer_equal_zennits(
    make: Callable[[], nn.Module], shape: tuple[int, ...], first: str
) -> None:
    net = realistic(make())
    name = next(name for name, m in net.named_modules() if isinstance(m, nn.Conv2d))
    composite = mapped("epsilon", "gamma", first)
    agree(net, noise(3, *shape), composite, rules={name: first, nn.Conv2d: "gamma",
          nn.ConvTranspose2d: "gamma"}, low=-9, high=9)  # fmt: skip


@pytest.mark.parametrize(("make", "shape"), NETS)
@pytest.mark.parametrize("zeros", [False, True])
def test_composites_equal_zennits(
    make: Callable[[], nn.Module], shape: tuple[int, ...], zeros: bool
) -> None:
    from zennit.composites import EpsilonGammaBox, EpsilonPlus

    net, x = realistic(make()), noise(3, *shape)
    x = x * (x > 0) if zeros else x
    stable = {"epsilon": EPSILON, "stabilizer": EPSILON}
    agree(net, x, EpsilonPlus(**stable), rule="epsilon-plus")
    box = EpsilonGammaBox(low=torch.tensor(-9.0), high=torch.tensor(9.0), gamma=0.25, **stable)
    agree(net, x, box, rule="epsilon-gamma-box", low=-9, high=9)
