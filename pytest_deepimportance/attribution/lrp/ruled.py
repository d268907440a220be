"""A linear operation under a rule that computes relevance by itself, and its accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.autograd import ruled, start
from pytest_deepimportance.attribution.lrp.inputs import Inputs, Landing
from pytest_deepimportance.attribution.lrp.ledger import Ledger
from pytest_deepimportance.attribution.lrp.linear_rules import LinearRule
from pytest_deepimportance.attribution.lrp.passing import Pass
from pytest_deepimportance.attribution.lrp.weighted import Apply, WeightedSum


@dataclass(frozen=True)
class Bias:
    """What a linear operation adds.

    Attributes:
        value: One number for each channel along `axis`, or, without an axis, any tensor that
            broadcasts to the result; None for nothing.
        axis: Negative, the same in signal and result.
    """

    value: Tensor | None
    axis: int | None

    def broadcast(self) -> Tensor | None:
        """Return the value in a shape that broadcasts to the result's."""
        if self.value is None or self.axis is None:
            return self.value
        return self.value.detach().view(-1, *[1] * (-1 - self.axis))


@dataclass(frozen=True)
class Call:
    """One call of a linear operation.

    Attributes:
        operation: Name of the torch function.
        signal: In the graph.
        weight: Constant.
        value: What it computed, outside the graph.
        bias: What it added.
        apply: The operation without the bias; holds nothing of the graph.
    """

    operation: str
    signal: Tensor
    weight: Tensor
    value: Tensor
    bias: Bias
    apply: Apply


def ruled_sum(run: Pass, rule: LinearRule, call: Call) -> Tensor:
    """Return the call's value, from which relevance goes back to the signal by `rule`."""
    value = call.value.clone() if call.value._is_view() else call.value
    ends = run.ends_at(call.signal)
    back = _backward(run, rule, call, value, ends)
    if ends:
        weight = call.weight
        result = start(value, run.root)

        def account(gradient: Tensor) -> Tensor:
            back(gradient, weight)
            return gradient

        run.port(result).transforms.append(account)
    else:
        result = ruled(call.signal, value, call.weight, back)
    if run.first_layer is not None:
        run.first_layer.add_result(result)
    return result


def _backward(
    run: Pass, rule: LinearRule, call: Call, value: Tensor, ends: bool
) -> Callable[[Tensor, Tensor], Tensor | None]:
    # What this function returns must not hold the run: the run holds the graph, which holds it.
    signal, result = run.keep(call.signal), run.keep(value)
    operation, apply, bias = call.operation, call.apply, call.bias.broadcast()
    axis = -1 if call.bias.axis is None else call.bias.axis
    ledger, inputs, landing = run.ledger, run.inputs, run.inputs.landing(call.signal)
    dtype = torch.promote_types(call.signal.dtype, call.weight.dtype)

    def back(gradient: Tensor, weight: Tensor) -> Tensor | None:
        op = WeightedSum(
            operation=operation,
            signal=signal.value.to(dtype),
            weight=weight.to(dtype),
            result=result.value.to(dtype),
            bias=None if bias is None else bias.to(dtype),
            apply=apply,
            ledger=ledger,
            channels=axis,
            only_accounts=ends,
        )
        relevance = op.result * gradient.to(dtype)
        if rule.gradient is not None:
            found = rule.gradient(op, relevance)
        else:
            assert rule.relevance is not None
            given = rule.relevance(op, relevance)
            found = None if given is None else _by_unit(op, given, ledger, inputs, landing)
        return None if found is None else found.to(signal.value.dtype)

    return back


def _by_unit(
    op: WeightedSum,
    relevance: Tensor,
    ledger: Ledger | None,
    inputs: Inputs,
    landing: Landing | None,
) -> Tensor:
    """Return relevance for each unit of the signal.

    What a value of zero is given ends there: at the model's input it is the input's, elsewhere the
    stabiliser's.
    """
    small = op.signal.abs() <= torch.finfo(op.signal.dtype).tiny ** 0.75
    ended = relevance.masked_fill(~small, 0.0)
    if ledger is not None:
        ledger.constant("stabiliser" if landing is None else "input", ended, 1.0)
    if landing is not None:
        inputs.collect_at(landing, ended)
    return (relevance / op.signal).masked_fill_(small, 0.0)
