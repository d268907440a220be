"""Which rule an operation gets: by name, type, operation, composite; and a user's own rules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance import importance
from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.attribution.lrp.weighted import WeightedSum
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.nets import LeNet, Residual, SmallVgg, attribute, lrp, noise, realistic

X = noise(3, 3, 16, 16)


class Scaled(nn.Linear):
    """A layer of the user's own type."""


class Blocks(nn.Module):
    """Convolutions in a named Sequential, a contraction of its own, a layer of its own type."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(),
            nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Conv2d(5, 5, 3), nn.ReLU()),
        )  # fmt: skip
        self.mix = nn.Parameter(torch.zeros(5, 6))
        self.hidden, self.head = Scaled(6, 7), nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = (self.features(x).mean((2, 3)) @ self.mix).relu()
        return self.head(self.hidden(h).relu())


OPERATIONS = ("features.0", "features.2.0", "features.2.2", "matmul", "hidden", "head")
"""Every linear operation of `Blocks`, in order."""


def blocks() -> nn.Module:
    torch.manual_seed(0)
    return realistic(Blocks())


def asked(rules: dict, rule: str = "epsilon") -> list[str]:
    """Return which rule each linear operation was given, watched by rules that write it down.

    A named rule is written down too: it is found by comparing relevance with that of the rules
    given to each operation by its name.
    """
    seen: dict[str, str] = {}
    net = blocks()
    engine = lrp(net, X, rule=rule, rules=rules, low=-9, high=9)
    choose = engine._choice.of

    def of(operation: str, *, is_first: bool) -> object:
        found = choose(operation, is_first=is_first)
        seen[OPERATIONS[len(seen)]] = found.label
        return found

    engine._choice.everywhere = None
    engine._choice.of = of  # type: ignore[method-assign]
    engine.forward(as_call(X), conserve=True)
    assert tuple(seen) == OPERATIONS
    return list(seen.values())


E, G, P, F, B = "epsilon 1e-06", "gamma 0.25", "z-plus", "flat", "z-box -9 to 9"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({nn.Conv2d: "gamma"}, [G, G, G, E, E, E]),
        ({"features": "gamma"}, [G, G, G, E, E, E]),
        ({"features.2": "gamma", nn.Conv2d: "z-plus"}, [P, G, G, E, E, E]),
        ({"features": "gamma", "features.2": "z-plus"}, [G, P, P, E, E, E]),
        ({"features": "gamma", "features.2.0": "z-plus"}, [G, P, G, E, E, E]),
        # A name says more than a type, even the name of an outer module.
        ({"features": "gamma", nn.Conv2d: "z-plus"}, [G, G, G, E, E, E]),
        ({nn.Sequential: "gamma", nn.Conv2d: "z-plus"}, [P, P, P, E, E, E]),
        ({nn.Sequential: "gamma"}, [G, G, G, E, E, E]),
        ({Blocks: "gamma"}, [G, G, G, G, G, G]),
        ({Blocks: "gamma", nn.Linear: "flat"}, [G, G, G, G, F, F]),
        # The nearest type: a subclass before its base.
        ({Scaled: "gamma", nn.Linear: "flat"}, [E, E, E, E, G, F]),
        ({nn.Module: "gamma"}, [G, G, G, G, G, G]),
        ({"matmul": "gamma"}, [E, E, E, G, E, E]),
        ({"conv2d": "gamma", "linear": "flat"}, [G, G, G, E, F, F]),
        ({"conv2d": "gamma", nn.Conv2d: "z-plus"}, [P, P, P, E, E, E]),
        ({"conv2d": "gamma", "features.0": "z-box"}, [B, G, G, E, E, E]),
        ({"": "gamma"}, [G, G, G, G, G, G]),
    ],
)  # fmt: skip
def test_name_before_type_before_operation_before_composite(
    rules: dict, expected: list[str]
) -> None:
    assert asked(rules) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("epsilon", [E, E, E, E, E, E]),
        ("paper", ["z"] * 6),
        ("epsilon-plus", [P, P, P, E, E, E]),
        ("epsilon-gamma-box", [B, G, G, E, E, E]),
    ],
)
def test_composites_go_by_kind_and_position(rule: str, expected: list[str]) -> None:
    assert asked({}, rule) == expected
    assert asked({"hidden": "gamma"}, rule) == [*expected[:4], G, expected[5]]


def test_a_named_rule_for_every_operation_is_the_rule() -> None:
    net = blocks()
    whole = attribute(net, X, rule="gamma").relevance
    each = attribute(net, X, rules=dict.fromkeys(("conv2d", "matmul", "linear"), "gamma")).relevance
    for name in whole:
        torch.testing.assert_close(each[name], whole[name])


def test_a_skip_connection_of_the_input_is_no_first_layer() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(8, 4)
            self.head = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            both = torch.cat([self.first(x.view(-1, 4) / 2).relu(), x], 1)
            return self.head(self.second(both).relu())

    net, x = realistic(Skip()), noise(3, 4)
    options = {"rule": "epsilon-gamma-box", "low": -9, "high": 9}
    batch = attribute(net, x, **options)
    assert batch.conservation.balance < 1e-9
    with pytest.raises(AttributionError, match="does not read the model's input"):
        attribute(net, x, rules={"second": "z-box"}, low=-9, high=9)


# A user's own rule


def by_hand(op: WeightedSum, relevance: Tensor) -> Tensor:
    """The epsilon rule."""
    share = relevance / (op.result + 1e-6 * torch.where(op.result >= 0, 1.0, -1.0))
    if op.bias is not None:
        op.absorb("bias", share * op.bias)
    op.absorb("stabiliser", relevance - share * op.result)
    return op.signal * op.send_back(share, op.weight)


@pytest.mark.parametrize("make", [LeNet, SmallVgg, Residual])
def test_a_function_as_a_rule(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    net = realistic(make())
    x = {LeNet: noise(3, 1, 28, 28), SmallVgg: X, Residual: noise(3, 2, 6, 6)}[make]
    expected, found = attribute(net, x), attribute(net, x, rules={nn.Module: by_hand})
    for name, relevance in expected.relevance.items():
        torch.testing.assert_close(found.relevance[name], relevance)
    for account in ("input", "bias", "stabiliser"):
        given = getattr(found.conservation, account)
        assert given == pytest.approx(getattr(expected.conservation, account), abs=1e-9)
    (image,) = lrp(net, x, rules={nn.Module: by_hand}).attribute_inputs(as_call(x))
    torch.testing.assert_close(image, lrp(net, x).attribute_inputs(as_call(x))[0])


def test_what_a_users_rule_loses_shows_in_the_balance() -> None:
    def half(op: WeightedSum, relevance: Tensor) -> Tensor:
        return by_hand(op, relevance) / 2

    net = blocks()
    batch = attribute(net, X, rules={"hidden": half})
    assert batch.conservation.balance > 0.1
    assert attribute(net, X, rules={"hidden": by_hand}).conservation.balance < 1e-9


def test_a_users_rule_of_the_wrong_shape_is_refused() -> None:
    def wrong(op: WeightedSum, relevance: Tensor) -> Tensor:
        return relevance

    with pytest.raises(AttributionError) as caught:
        attribute(blocks(), X, rules={"hidden": wrong})
    assert "wrong returned (3, 7) at linear, whose signal has shape (3, 6)" in str(caught.value)
    with pytest.raises(AttributionError, match="returned NoneType"):
        attribute(blocks(), X, rules={"hidden": lambda op, relevance: None})


# Through the public function


def test_importance_takes_rules_and_says_which_were_used() -> None:
    net = blocks()
    found = importance(net, [X], rules={nn.Conv2d: "gamma", "hidden": by_hand}, gamma=0.5)
    assert found.rule == "epsilon 1e-06; hidden: by_hand; Conv2d: gamma 0.5"
    assert found.balance < 1e-9
    assert importance(net, [X], rule="epsilon-plus").rule == (
        "epsilon-plus (conv z-plus, dense epsilon 1e-06)"
    )
    assert importance(net, [X], rule="epsilon-gamma-box", low=(-9, -8, -9), high=9).rule == (
        "epsilon-gamma-box (first z-box -9/-8/-9 to 9, conv gamma 0.25, dense epsilon 1e-06)"
    )
    assert importance(net, [X], rule="alpha-beta", alpha=3).rule == "alpha-beta 3, 2"
    assert importance(net, [X], rule="paper").rule == "z"


def test_rules_change_importance_only_below_where_they_hold() -> None:
    net = blocks()
    plain, ruled = importance(net, [X]), importance(net, [X], rules={"features.2.2": "z-plus"})
    for name in ("features.2.2", "hidden"):
        np.testing.assert_allclose(plain.scores[name], ruled.scores[name])
    assert np.abs(plain.scores["features.2.0"] - ruled.scores["features.2.0"]).max() > 1e-3


def test_a_rule_that_nothing_asks_for_is_said() -> None:
    found = importance(blocks(), [X], rules={nn.Conv1d: "gamma", "features.1": "flat"})
    text = " ".join(found.notes)
    assert "no linear operation asked for the rule of Conv1d" in text
    assert "no linear operation asked for the rule of 'features.1'" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "gama"}, "did you mean gamma"),
        ({"rule": "z-box"}, "epsilon-gamma-box"),
        ({"rule": "epsilon-gamma-box"}, "needs idc_lrp_low and idc_lrp_high"),
        ({"rules": {"features.0": "z-box"}, "low": 0}, "needs idc_lrp_low and idc_lrp_high"),
        ({"rule": "epsilon-gamma-box", "low": 1, "high": 1}, "1 is not below idc_lrp_high 1"),
        (
            {"rule": "epsilon-gamma-box", "low": 0, "high": (1, -1, 1)},
            "0 is not below idc_lrp_high -1",
        ),
        (
            {"rule": "epsilon-gamma-box", "low": 0, "high": 1},
            "values that conv2d reads lie outside",
        ),
        ({"rule": "epsilon-gamma-box", "low": (-9, -9), "high": 9}, "lrp_low has 2 values and"),
        ({"rule": "gamma", "gamma": -1}, "lrp_gamma is -1"),
        ({"rule": "alpha-beta", "alpha": 0.5}, "alpha is 0.5"),
        ({"rule": "gamma", "epsilon": float("nan")}, "lrp_epsilon is nan"),
        ({"rules": {"feature.0": "gamma"}}, "did you mean features.0"),
        ({"rules": {"conv2": "gamma"}}, "did you mean conv2d"),
        ({"rules": {int: "gamma"}}, "neither a module type nor the name"),
        ({"rules": {"features": "epsilon-plus"}}, "neither a rule nor a function"),
        ({"rules": {"features": "gama"}}, "did you mean gamma"),
        ({"rules": {"features.2.0": "z-box"}, "low": -9, "high": 9}, "does not read the model's"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_type(options: dict, message: str) -> None:
    net = blocks()
    with pytest.raises(AttributionError) as caught:
        attribute(net, X, **options)
    assert message in str(caught.value)


def test_a_rule_for_several_constants_is_refused_and_the_way_out_works() -> None:
    class Three(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.zeros(4, 5)), nn.Parameter(torch.zeros(5, 6))
            self.hidden, self.head = nn.Linear(6, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.einsum("ni,ij,jk->nk", x, self.a, self.b)
            return self.head(self.hidden(x).relu())

    net, x = realistic(Three()), noise(3, 4)
    with pytest.raises(AttributionError, match="einsum in Three, which multiplies a signal by 2"):
        attribute(net, x, rule="gamma")
    found = attribute(net, x, rule="gamma", rules={"einsum": "epsilon"})
    assert found.conservation.balance < 1e-9


def test_rules_hold_for_every_call_of_a_module_and_every_pass() -> None:
    net = blocks()
    engine = lrp(net, X, rules={nn.Conv2d: "gamma"})
    first = engine.attribute(as_call(X)).relevance["features.0"]
    second = engine.attribute(as_call(X)).relevance["features.0"]
    assert torch.equal(first, second)
    sites = find_sites(net, as_call(X))
    again = LrpAttribution(net, sites, ["features.0"], rules={nn.Conv2d: "gamma"})
    torch.testing.assert_close(again.attribute(as_call(X)).relevance["features.0"], first)
