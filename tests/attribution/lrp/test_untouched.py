"""Weights, hooks, mode, gradients and random state stay as they were, whatever happens inside."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.attribution.lrp.passing import Kept, Pass
from pytest_deepimportance.attribution.lrp.weighted import WeightedSum
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import ForwardError
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.relevance_rules import CHOICES
from tests.attribution.nets import noise, realistic


class Injected(Exception):
    """Raised in the middle of a pass."""


def explode(gradient: Tensor) -> Tensor:
    raise Injected


class Net(nn.Module):
    """Raises in the middle of forward or of backward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)
        self.hidden, self.head = nn.Linear(4, 6), nn.Linear(6, 3)
        self.register_buffer("calls", torch.zeros(()))
        self.seen: list[int] = []
        self.when = "never"

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn(self.conv(x)).relu().mean((2, 3))
        if self.when == "forward":
            raise Injected
        self.calls += 1
        h = self.hidden(h).relu()
        if self.when == "backward" and h.requires_grad:
            h.register_hook(explode)
        return self.head(h)


def snapshot(net: nn.Module) -> dict[str, Any]:
    """Everything that may be seen on a model."""
    return {
        "state": {name: value.clone() for name, value in net.state_dict().items()},
        "identities": [id(p) for p in (*net.parameters(), *net.buffers())],
        "requires": [p.requires_grad for p in net.parameters()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in net.parameters()],
        "modes": [m.training for m in net.modules()],
        "attributes": [sorted(vars(m)) for m in net.modules()],
        "hooks": [
            [len(hooks) for key, hooks in sorted(vars(m).items()) if key.endswith("hooks")]
            for m in net.modules()
        ],
        "versions": [p._version for p in net.parameters()],
        "random": torch.get_rng_state(),
    }


def same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def by_hand(op: WeightedSum, relevance: Tensor) -> Tensor:
    share = relevance / (op.result + 1e-6)
    return op.signal * op.send_back(share, op.weight)


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    made = realistic(Net())
    made.bn.train()  # a mixture of modes, to be found again exactly
    made.conv.weight.requires_grad_(False)
    made.head.weight.grad = torch.ones_like(made.head.weight)
    made.hidden.register_forward_hook(lambda module, args, output: None)
    return made


RULES = [*({"rule": name} for name in CHOICES), {"rules": {nn.Module: by_hand}}]


@pytest.mark.parametrize("when", ["never", "forward", "backward"])
@pytest.mark.parametrize("of", ["attribute", "attribute_inputs"])
@pytest.mark.parametrize("options", RULES, ids=lambda options: str(options.get("rule", "user")))
def test_a_model_is_left_as_it_was(net: Net, options: dict, of: str, when: str) -> None:
    x = noise(3, 2, 6, 6)
    sites = find_sites(net, as_call(x))
    engine = LrpAttribution(net, sites, ["conv", "hidden"], low=-9, high=9, **options)
    run: Callable[..., Any] = getattr(engine, of)
    before, given = snapshot(net), x.clone()
    try:
        net.when = when
        if when == "never":
            run(as_call(x))
        else:
            with pytest.raises(ForwardError if when == "forward" else Injected):
                run(as_call(x))
    finally:
        net.when = "never"
    assert same(snapshot(net), before)
    assert torch.equal(x, given)
    assert torch.is_grad_enabled()
    # And the engine works on after it.
    assert run(as_call(x)) is not None
    fresh = LrpAttribution(net, sites, ["conv", "hidden"], low=-9, high=9, **options)
    torch.testing.assert_close(
        engine.attribute(as_call(x)).relevance["hidden"],
        fresh.attribute(as_call(x)).relevance["hidden"],
    )


def test_an_exception_in_a_users_rule_is_the_users_and_leaves_nothing(net: Net) -> None:
    def breaks(op: WeightedSum, relevance: Tensor) -> Tensor:
        raise Injected

    x = noise(3, 2, 6, 6)
    sites = find_sites(net, as_call(x))
    before = snapshot(net)
    with pytest.raises(Injected):
        LrpAttribution(net, sites, ["conv"], rules={"hidden": breaks}).attribute(as_call(x))
    assert same(snapshot(net), before)


@pytest.mark.parametrize("options", RULES, ids=lambda options: str(options.get("rule", "user")))
def test_no_tensor_outlives_its_pass(
    net: Net, options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = noise(3, 2, 6, 6)
    sites = find_sites(net, as_call(x))
    engine = LrpAttribution(net, sites, ["conv", "hidden"], low=-9, high=9, **options)
    engine.attribute(as_call(x))
    kept: list[weakref.ref[Tensor]] = []
    keep = Pass.keep

    def watched(self: Pass, tensor: Tensor) -> Kept:
        made = keep(self, tensor)
        kept.append(weakref.ref(made.value))
        return made

    monkeypatch.setattr(Pass, "keep", watched)
    gc.collect()
    gc.disable()  # what only the collector frees piles up: it counts objects, not bytes
    try:
        engine.attribute(as_call(x))
        engine.attribute_inputs(as_call(x))
        assert kept
        assert all(ref() is None for ref in kept)
    finally:
        gc.enable()
