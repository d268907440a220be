"""Linear operations: layers, contractions with a constant, and contractions of two signals."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.autograd import start
from pytest_deepimportance.attribution.lrp.ledger import Ledger
from pytest_deepimportance.attribution.lrp.linear_rules import LinearRule
from pytest_deepimportance.attribution.lrp.operands import as_bilinear, replaced, tensors_of
from pytest_deepimportance.attribution.lrp.operation import Operation, unknown
from pytest_deepimportance.attribution.lrp.passing import Kept, Pass, Transform, is_gate, is_signal
from pytest_deepimportance.attribution.lrp.ruled import Bias, Call, ruled_sum
from pytest_deepimportance.attribution.lrp.spelling import spelling
from pytest_deepimportance.errors import AttributionError

ADDED = frozenset({"addmm", "addmv", "addbmm", "baddbmm"})
"""Contractions whose first operand is added."""


def weighted_sum(run: Pass, signal: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute signal @ weight.T + bias under the rule that holds for "linear" at this place.

    For composite functions that are unrolled: recurrent cells, projections of attention.

    Args:
        run: The pass.
        signal: (..., in); if it carries no relevance, the sum does not either.
        weight: (out, in), constant.
        bias: (out,), constant.
    """
    function = torch.nn.functional.linear
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    if not is_signal(signal):
        return function(signal, weight, bias)
    result: Tensor = linear_layer(
        Operation(run, spelling(function), function, (signal, weight, bias), {})
    )
    return result


def linear_layer(op: Operation) -> Any:
    """Apply the rule of a layer with a weight, and a bias for each channel."""
    tensor, weight = op.operand(0, "input"), op.operand(1, "weight")
    bias = op.operand(2, "bias")
    if is_signal(weight) or is_signal(bias):
        return unknown(op)
    name = op.spelled.name
    axis = -1 if name == "linear" else -int(name[-2]) - 1
    rule = op.run.rule_of(name, tensor)
    added = Bias(bias, axis)
    ends = op.run.ends_at(tensor)
    if rule.epsilon is None:
        apply = as_bilinear(op.func, (op.args, op.kwargs), (tensor, weight), bias)
        return ruled_sum(op.run, rule, Call(name, tensor, weight, _outside(op), added, apply))
    # The sum of x * (w'g) is the sum of (z - b) * g: the gradient with respect to the images, the
    # costliest of all, is not needed for the accounts.
    result = _outside(op) if ends else op.call()
    return _stabilised(op.run, rule.epsilon, result, added, ends=ends)


def _outside(op: Operation) -> Tensor:
    """Run the operation outside the graph."""
    args, kwargs = replaced((op.args, op.kwargs), Tensor.detach)
    result: Tensor = op.func(*args, **kwargs)
    return result


def _stabilised(
    run: Pass, epsilon: float, result: Tensor, bias: Bias, *, ends: bool = False
) -> Tensor:
    """Change and account for what arrives at z by the epsilon rule (0: the z rule).

    Args:
        result: z; outside the graph, which begins here, if it `ends` at the model's input.
    """
    if ends:
        result = start(result, run.root)
    if run.first_layer is not None:
        run.first_layer.add_result(result)
    if epsilon > 0 or ends:
        kept = run.keep(result)
        if epsilon > 0:
            run.port(result).transforms.append(_stabiliser(run.ledger, epsilon, kept))
        if ends and run.ledger is not None:
            run.port(result).transforms.append(_account_input(run.ledger, kept))
    if bias.value is not None and run.ledger is not None:
        run.port(result).transforms.append(_account_bias(run.ledger, bias, ends))
    return result


def _stabiliser(ledger: Ledger | None, epsilon: float, kept: Kept) -> Transform:
    def stabilise(gradient: Tensor) -> Tensor:
        # g z / (z + eps sign z) = g - eps g / (|z| + eps), and 0 stays 0 at z = 0.
        part = kept.value.abs().add_(epsilon)
        torch.div(gradient, part, out=part)
        if ledger is not None:
            ledger.dot("stabiliser", part, kept.value, epsilon)
        return torch.add(gradient, part, alpha=-epsilon, out=part)

    return stabilise


def _account_input(ledger: Ledger, kept: Kept) -> Transform:
    def account(gradient: Tensor) -> Tensor:
        ledger.dot("input", gradient, kept.value)
        return gradient

    return account


def _account_bias(ledger: Ledger, bias: Bias, is_input: bool) -> Transform:
    # z holds the bias, so what was booked for the whole of z is too much by the bias's share.
    less = "input" if is_input else None

    def account(gradient: Tensor) -> Tensor:
        assert bias.value is not None
        if bias.axis is None:
            ledger.dot("bias", gradient, bias.value.expand_as(gradient))
        else:
            ledger.channels("bias", gradient, bias.value, bias.axis, less=less)
        return gradient

    return account


def product(op: Operation) -> Any:
    """Treat a contraction as a linear layer, or as a product where two operands are signals."""
    operands = tensors_of((op.args, op.kwargs))
    carriers = [item for item in operands if is_signal(item)]
    bias = op.operand(0, "input", "self") if op.spelled.name in ADDED else None
    if bias is not None and (len(carriers) != 1 or is_signal(bias)):
        return unknown(op)
    if len(carriers) == 1:
        factors = [item for item in operands if item is not bias]
        return _contraction(op, carriers[0], factors, bias)
    if len(carriers) == 2:
        return _shared(op, carriers)
    return unknown(op)


def _contraction(op: Operation, signal: Tensor, factors: list[Tensor], bias: Any) -> Tensor:
    """Apply the rule of a contraction of one signal with constants."""
    beta = op.kwargs.get("beta", 1)
    # Before the call: `bias.addmm_` overwrites it.
    added = Bias(bias.detach() * beta if bias is not None and beta else None, None)
    rule = op.run.rule_of(op.spelled.name, signal)
    if rule.epsilon is not None:
        return _stabilised(op.run, rule.epsilon, op.call(), added)
    constants = [item for item in factors if item is not signal]
    if len(constants) != 1:
        raise _several(op, rule, len(constants))
    (weight,) = constants
    func = getattr(torch, op.spelled.name) if op.spelled.writes else op.func
    kwargs = {**op.kwargs, "beta": 0} if bias is not None else op.kwargs
    apply = as_bilinear(func, (op.args, kwargs), (signal, weight))
    args, kwargs = replaced((op.args, op.kwargs), Tensor.detach)
    call = Call(op.spelled.name, signal, weight, func(*args, **kwargs), added, apply)
    result = ruled_sum(op.run, rule, call)
    return op.run.write(bias, result) if op.spelled.writes else result


def _several(op: Operation, rule: LinearRule, found: int) -> AttributionError:
    return AttributionError(
        f"rule {rule.label} is asked for at {op.spelled.name} in {op.run.place()}, which "
        f"multiplies a signal by {found} constants",
        "This rule changes the weight, and there is more than one.",
        f"Multiply the constants first, or add the rule {{{op.spelled.name!r}: 'epsilon'}}.",
    )


def _shared(op: Operation, carriers: list[Tensor]) -> Any:
    """Half of the relevance to each of two signals; all of it to the other one of a gate."""
    gates = [is_gate(item) for item in carriers]
    if gates[0] != gates[1]:
        constant = carriers[gates.index(True)]
        args, kwargs = replaced(
            (op.args, op.kwargs), lambda item: item.detach() if item is constant else item
        )
        return op.func(*args, **kwargs)
    result = op.call()
    op.run.port(result).transforms.append(lambda gradient: gradient * 0.5)
    return result
