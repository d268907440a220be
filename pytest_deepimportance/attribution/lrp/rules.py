"""What each torch function does to relevance: one table from names to rules.

Relevance is activation x modified gradient, so a rule either leaves autograd's gradient alone
(linear operations, winners) or changes what it sends back. Sources: Bach et al. 2015 (z and epsilon
rule), DESIGN D6, engineering.md rows 16-18.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from pytest_deepimportance.attribution.lrp import names
from pytest_deepimportance.attribution.lrp.arithmetic import (
    add,
    divide,
    join,
    masked_fill,
    multiply,
    pad,
    power,
)
from pytest_deepimportance.attribution.lrp.elementwise import elementwise
from pytest_deepimportance.attribution.lrp.linear import linear_layer, product
from pytest_deepimportance.attribution.lrp.operation import Operation, noted, plain, statistic
from pytest_deepimportance.attribution.lrp.passing import mark_gate
from pytest_deepimportance.attribution.lrp.recurrent import packed, recurrent

Rule = Callable[[Operation], Any]


def batch_norm(op: Operation) -> Any:
    """Scale each channel; the shift absorbs, and batch statistics are constants."""
    tensor = op.operand(0, "input")
    if op.func is torch.batch_norm:
        weight, bias, mean, var, training, _, eps = op.args[1:8]
    else:
        mean, var = op.operand(1, "running_mean"), op.operand(2, "running_var")
        weight, bias = op.operand(3, "weight"), op.operand(4, "bias")
        training, eps = op.operand(5, "training"), op.operand(7, "eps")
        eps = 1e-5 if eps is None else eps
    if training or mean is None:
        axes = [axis for axis in range(tensor.dim()) if axis != 1]
        var, mean = torch.var_mean(tensor.detach(), dim=axes, correction=0)
    result = torch.nn.functional.batch_norm(tensor, mean, var, weight, bias, False, 0.0, eps)
    ledger = op.run.ledger
    if ledger is not None:
        scale = (var + eps).rsqrt() if weight is None else weight * (var + eps).rsqrt()
        shift = -mean * scale if bias is None else bias - mean * scale
        op.run.port(result).readers.append(lambda g: ledger.channels("shift", g, shift, 1))
    return result


def identity(op: Operation) -> Any:
    """`detach` does nothing to a forward pass."""
    tensor = op.args[0] if op.args else op.operand(0, "self")
    return tensor.view_as(tensor)


def softmax(op: Operation) -> Any:
    """Mark a gate; as a signal of its own it has no rule, unless the model ends in it."""
    result = op.call()
    mark_gate(result)
    op.run.final = (op.spelled.name, op.operand(0, "input", "self"), result)
    return noted(op, result)


def out_of_sight(op: Operation) -> Any:
    """Numbers that leave torch take no relevance along: said."""
    op.run.note(op.spelled.name, op.run.place(), "leaves torch: no relevance flows back through it")
    return op.func(op.args[0].detach(), *op.args[1:], **op.kwargs)


def number(op: Operation) -> Any:
    """Read a number: nothing flows back, and torch would warn of a tensor in a graph."""
    return op.func(op.args[0].detach(), *op.args[1:], **op.kwargs)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(names.PLAIN, plain),
    **dict.fromkeys(names.LINEAR_LAYERS, linear_layer),
    **dict.fromkeys(names.PRODUCTS, product),
    **dict.fromkeys(names.ELEMENTWISE, elementwise),
    **dict.fromkeys(names.STATISTICS, statistic),
    **dict.fromkeys(names.IDENTITIES, identity),
    **dict.fromkeys(names.JOINS, join),
    **dict.fromkeys(names.PACKINGS, packed),
    **dict.fromkeys(names.RECURRENT, recurrent),
    "add": add,
    "sub": add,
    "mul": multiply,
    "div": divide,
    "pow": power,
    "batch_norm": batch_norm,
    "masked_fill": masked_fill,
    "pad": pad,
    "softmax": softmax,
    "log_softmax": softmax,
    "softmin": softmax,
    "number": number,
    "numpy": out_of_sight,
    "array": out_of_sight,
}
"""Rules by name; a function that is not here and carries relevance is `unknown`."""
