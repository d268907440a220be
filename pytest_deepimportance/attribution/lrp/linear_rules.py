"""Rules of linear operations other than z and epsilon: what relevance each input gets.

With contributions z_ij = x_i w_ij, relevance R_j of the result and a stabiliser s (epsilon with the
sign of what it is added to), each rule is a sum over j. Sources: Bach et al. 2015 (PLoS ONE 10(7)),
equation 60 (alpha-beta); Montavon et al. 2017 (Pattern Recognition 65), z-plus and z-box rule;
Montavon et al. 2019 (LNCS 11700), gamma; Lapuschkin et al. 2019 (Nat Commun 10), flat. For signals
of both signs the split is that of zennit 0.5 (Anders et al. 2021; for gamma Andeol et al. 2021):
contributions are split by their own sign, not by that of the weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.weighted import WeightedSum, part_of
from pytest_deepimportance.errors import AttributionError

UserRule = Callable[[WeightedSum, Tensor], Tensor]
"""(operation, relevance of its result) -> relevance of its signal, in the signal's shape."""

WITHIN = 1e-3
"""Bounds may be rounded: values beyond them by this share of their distance are accepted."""


@dataclass(frozen=True)
class Numbers:
    """Numbers that rules are made with.

    Attributes:
        epsilon: Stabiliser, absolute, with the sign of the sum.
        gamma: How much more positive contributions count.
        alpha: Weight of the positive contributions, at least 1; the negative ones have 1 - alpha.
        low, high: Smallest and largest value that the model's input can have: one for all, or one
            for each channel; empty if not given.
    """

    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 2.0
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


def bound(value: float | Sequence[float] | None) -> tuple[float, ...]:
    """Return a bound of z-box as `Numbers` holds it: none, one number, or one a channel."""
    if value is None:
        return ()
    return (float(value),) if isinstance(value, (int, float)) else tuple(map(float, value))


@dataclass(frozen=True)
class LinearRule:
    """A rule of linear operations.

    Attributes:
        label: Name and numbers, for the report.
        epsilon: Of the z and the epsilon rule, which change autograd's own gradient; else None.
        gradient: (operation, R) -> relevance for each unit of the signal, shaped like it.
        relevance: (operation, R) -> relevance of the signal, where it is no multiple of the signal.
        boxed: Whether the rule holds only for what reads the model's input.
    """

    label: str
    epsilon: float | None = None
    gradient: Callable[[WeightedSum, Tensor], Tensor | None] | None = None
    relevance: Callable[[WeightedSum, Tensor], Tensor | None] | None = None
    boxed: bool = False


@dataclass(frozen=True)
class _Part:
    """Sums with changed weights, and the part of R_j that is divided by them.

    Attributes:
        for_positive, for_negative: Weights of the positive and the negative values of the signal.
        bias: In the bias's shape, or None.
        relevance: Part of R_j.
    """

    for_positive: Tensor
    for_negative: Tensor
    bias: Tensor | None
    relevance: Tensor


def make_rule(name: str, numbers: Numbers) -> LinearRule:
    """Return the rule called `name` (`relevance_rules.RULES`) with its numbers."""
    return _MAKERS[name](numbers)


def user_rule(rule: UserRule) -> LinearRule:
    """Return a user's function as a rule."""
    label = str(getattr(rule, "__qualname__", type(rule).__name__))

    def relevance(op: WeightedSum, arrived: Tensor) -> Tensor | None:
        given = rule(op, arrived)
        if not isinstance(given, Tensor) or given.shape != op.signal.shape:
            found = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise AttributionError(
                f"the rule {label} returned {found} at {op.operation}, whose signal has shape "
                f"{tuple(op.signal.shape)}",
                "A rule gives each value of the signal its relevance.",
                "Return for example op.signal * op.send_back(share, op.weight).",
            )
        if op.only_accounts:
            op.absorb("input", given.detach())
            return None
        return given.detach()

    return LinearRule(label, relevance=relevance)


def _divide(relevance: Tensor, below: Tensor, epsilon: float) -> Tensor:
    """Return R / (below + s); nothing where there is nothing to divide by."""
    stabilised = below + torch.where(below >= 0, epsilon, -epsilon) if epsilon else below
    return torch.where(below == 0, 0.0, relevance / stabilised)


def _shared(op: WeightedSum, parts: Iterable[_Part], epsilon: float) -> Tensor | None:
    """Divide the relevance of each part by contributions; book bias and stabiliser."""
    gradient: Tensor | None = None
    for part in parts:
        total, send = part_of(op, part.for_positive, part.for_negative)
        below = total if part.bias is None else total + part.bias
        share = _divide(part.relevance, below, epsilon)
        if op.ledger is not None:
            op.absorb("stabiliser", part.relevance - share * below)
            if part.bias is not None:
                op.absorb("bias", share * part.bias)
        if op.only_accounts:
            op.absorb("input", share * total)
            continue
        sent = send(share)
        gradient = sent if gradient is None else gradient.add_(sent)
    if gradient is None and not op.only_accounts:
        return torch.zeros_like(op.signal)
    return gradient


def _alpha_beta(alpha: float, epsilon: float) -> Callable[[WeightedSum, Tensor], Tensor | None]:
    def gradient(op: WeightedSum, relevance: Tensor) -> Tensor | None:
        up, down = op.weight.clamp(min=0), op.weight.clamp(max=0)
        bias = op.bias
        gains = None if bias is None else bias.clamp(min=0)
        losses = None if bias is None else bias.clamp(max=0)
        parts = [_Part(up, down, gains, relevance * alpha)]
        if alpha != 1:
            parts.append(_Part(down, up, losses, relevance * (1 - alpha)))
        return _shared(op, parts, epsilon)

    return gradient


def _gamma(gamma: float, epsilon: float) -> Callable[[WeightedSum, Tensor], Tensor | None]:
    def gradient(op: WeightedSum, relevance: Tensor) -> Tensor | None:
        weight, bias = op.weight, op.bias
        more, less = (
            weight + gamma * weight.clamp(min=0),
            weight + gamma * weight.clamp(max=0),
        )

        def parts() -> Iterator[_Part]:
            for chosen, weights, sign in (
                (op.result > 0, (more, less), {"min": 0}),
                (op.result < 0, (less, more), {"max": 0}),
            ):
                arrived = relevance.masked_fill(~chosen, 0.0)
                if bool((arrived != 0).any()):
                    added = None if bias is None else bias + gamma * bias.clamp(**sign)
                    yield _Part(*weights, added, arrived)

        return _shared(op, parts(), epsilon)

    return gradient


def _flat(op: WeightedSum, relevance: Tensor) -> Tensor | None:
    """Give the same to each input of the operation; padding is none."""
    if op.only_accounts:
        op.absorb("input", relevance)
        return None
    ones = torch.ones_like(op.weight)
    inputs = op.apply(torch.ones_like(op.signal), ones)
    share = _divide(relevance, inputs, 0.0)
    op.absorb("stabiliser", relevance - share * inputs)
    return op.send_back(share, ones)


def _box(numbers: Numbers) -> Callable[[WeightedSum, Tensor], Tensor | None]:
    def relevance(op: WeightedSum, arrived: Tensor) -> Tensor | None:
        low, high = (_bound(op, name, numbers) for name in ("low", "high"))
        _check_within(op, low, high)
        up, down = op.weight.clamp(min=0), op.weight.clamp(max=0)
        with torch.set_grad_enabled(not op.only_accounts):
            values = [
                value.detach().requires_grad_(not op.only_accounts)
                for value in (op.signal, low, high)
            ]
            below = op.apply(values[0], op.weight)
            below = below - op.apply(values[1], up) - op.apply(values[2], down)
        share = _divide(arrived, below.detach(), numbers.epsilon)
        op.absorb("stabiliser", arrived - share * below.detach())
        if op.only_accounts:
            op.absorb("input", share * below)
            return None
        sent = torch.autograd.grad(below, values, share)
        return op.signal * sent[0] + low * sent[1] + high * sent[2]

    return relevance


def _bound(op: WeightedSum, name: str, numbers: Numbers) -> Tensor:
    """Return a bound in the shape of the signal."""
    given: tuple[float, ...] = getattr(numbers, name)
    channels = op.signal.shape[op.channels]
    if len(given) not in (1, channels):
        raise AttributionError(
            f"lrp_{name} has {len(given)} values and {op.operation} reads {channels} channels",
            "The z-box rule compares each value with its bounds.",
            f"Give lrp_{name} one number for all channels, or {channels}.",
        )
    shape = [1] * op.signal.dim()
    shape[op.channels] = len(given)
    return op.signal.new_tensor(given).view(shape).expand_as(op.signal)


def _check_within(op: WeightedSum, low: Tensor, high: Tensor) -> None:
    slack = WITHIN * (high - low).abs()
    outside = (op.signal < low - slack) | (op.signal > high + slack)
    if bool(outside.any()):
        values = op.signal[torch.isfinite(op.signal)]
        raise AttributionError(
            f"{int(outside.sum())} values that {op.operation} reads lie outside idc_lrp_low "
            f"and idc_lrp_high; this batch goes from {float(values.min()):.6g} to "
            f"{float(values.max()):.6g}",
            "The z-box rule divides by the distance from bounds that no value passes.",
            "Give the smallest and largest value an input can have after the transform: "
            "--idc-lrp-low and --idc-lrp-high, one number or one for each channel.",
        )


_MAKERS: dict[str, Callable[[Numbers], LinearRule]] = {
    "z": lambda n: LinearRule("z", epsilon=0.0),
    "epsilon": lambda n: LinearRule(f"epsilon {n.epsilon:g}", epsilon=n.epsilon),
    "gamma": lambda n: LinearRule(f"gamma {n.gamma:g}", gradient=_gamma(n.gamma, n.epsilon)),
    "alpha-beta": lambda n: LinearRule(
        f"alpha-beta {n.alpha:g}, {n.alpha - 1:g}", gradient=_alpha_beta(n.alpha, n.epsilon)
    ),
    "z-plus": lambda n: LinearRule("z-plus", gradient=_alpha_beta(1.0, n.epsilon)),
    "flat": lambda n: LinearRule("flat", relevance=_flat),
    "z-box": lambda n: LinearRule(
        f"z-box {_range(n.low)} to {_range(n.high)}", relevance=_box(n), boxed=True
    ),
}


def _range(bound: tuple[float, ...]) -> str:
    return "/".join(f"{value:g}" for value in bound)
