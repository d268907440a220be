"""Linear layers: the epsilon and the z rule; contractions of two signals."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.autograd import start
from pytest_deepimportance.attribution.lrp.ledger import Ledger
from pytest_deepimportance.attribution.lrp.operands import replaced, tensors_of
from pytest_deepimportance.attribution.lrp.operation import Operation, unknown
from pytest_deepimportance.attribution.lrp.passing import Kept, Pass, Transform, is_gate, is_signal


def linear_layer(op: Operation) -> Any:
    """Epsilon rule at z = w a + b, and the bias's share (z rule: only the share)."""
    tensor, weight = op.operand(0, "input"), op.operand(1, "weight")
    bias = op.operand(2, "bias")
    if is_signal(weight) or is_signal(bias):
        return unknown(op)
    is_input = op.run.ledger is not None and not op.run.inputs.wanted and op.run.is_input(tensor)
    if is_input:
        # The sum of x * (w'g) is the sum of (z - b) * g: the gradient with respect to the images,
        # the costliest of all, is not needed for the accounts.
        args, kwargs = replaced((op.args, op.kwargs), Tensor.detach)
        result = op.func(*args, **kwargs)
    else:
        result = op.call()
    axis = -1 if op.spelled.name == "linear" else result.dim() - int(op.spelled.name[-2]) - 1
    return _weighted(op.run, result, bias, axis, is_input=is_input)


def _weighted(
    run: Pass, result: Tensor, bias: Any, axis: int | None, *, is_input: bool = False
) -> Tensor:
    """Change and account for what arrives at z, the result of a linear layer.

    Args:
        bias: What the layer adds: one value per channel along `axis`, or (axis None) any tensor.
        is_input: Whether the layer reads the model's input, so that the graph begins at z.
    """
    if is_input:
        result = start(result, run.root)
    if run.epsilon > 0 or is_input:
        kept = run.keep(result)
        if run.epsilon > 0:
            run.port(result).transforms.append(_stabiliser(run, kept))
        if is_input:
            run.port(result).transforms.append(_account_input(run, kept))
    if isinstance(bias, Tensor) and run.ledger is not None:
        run.port(result).transforms.append(_account_bias(run.ledger, bias, axis, is_input))
    return result


def _stabiliser(run: Pass, kept: Kept) -> Transform:
    ledger, epsilon = run.ledger, run.epsilon

    def stabilise(gradient: Tensor) -> Tensor:
        # g z / (z + eps sign z) = g - eps g / (|z| + eps), and 0 stays 0 at z = 0.
        part = kept.value.abs().add_(epsilon)
        torch.div(gradient, part, out=part)
        if ledger is not None:
            ledger.dot("stabiliser", part, kept.value, epsilon)
        return torch.add(gradient, part, alpha=-epsilon, out=part)

    return stabilise


def _account_input(run: Pass, kept: Kept) -> Transform:
    ledger = run.ledger
    assert ledger is not None

    def account(gradient: Tensor) -> Tensor:
        ledger.dot("input", gradient, kept.value)
        return gradient

    return account


def _account_bias(ledger: Ledger, bias: Tensor, axis: int | None, is_input: bool) -> Transform:
    # z holds the bias, so what was booked for the whole of z is too much by the bias's share.
    less = "input" if is_input else None

    def account(gradient: Tensor) -> Tensor:
        if axis is None:
            ledger.dot("bias", gradient, bias.expand_as(gradient))
        else:
            ledger.channels("bias", gradient, bias, axis, less=less)
        return gradient

    return account


def product(op: Operation) -> Any:
    """Treat a contraction as a linear layer, or as a product where two operands are signals."""
    carriers = [item for item in tensors_of((op.args, op.kwargs)) if is_signal(item)]
    if op.spelled.name in ("addmm", "addmv", "addbmm", "baddbmm"):
        return _added_product(op, len(carriers))
    if len(carriers) == 1:
        return _weighted(op.run, op.call(), None, None)
    if len(carriers) == 2:
        return _shared(op, carriers)
    return unknown(op)


def _added_product(op: Operation, carriers: int) -> Any:
    bias = op.operand(0, "input", "self")
    if carriers != 1 or is_signal(bias):
        return unknown(op)
    beta = op.kwargs.get("beta", 1)
    result = op.call()
    return _weighted(op.run, result, bias * beta if beta else None, None)


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
