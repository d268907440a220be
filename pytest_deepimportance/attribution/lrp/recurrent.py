"""Recurrent layers, unrolled from operations that have rules.

torch computes a whole LSTM in one function that shows nothing of what it does, so it is computed
again, step by step. Gates are constants, tanh is an activation like any other, and a gate's
pre-activation is one linear layer of the joined input and state (Arras et al. 2017, "Explaining
recurrent neural network predictions in sentiment analysis", section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pytest_deepimportance.attribution.lrp.arithmetic import add, join
from pytest_deepimportance.attribution.lrp.elementwise import apply_secant
from pytest_deepimportance.attribution.lrp.linear import weighted_sum
from pytest_deepimportance.attribution.lrp.operation import Operation, plain, unknown
from pytest_deepimportance.attribution.lrp.passing import Pass
from pytest_deepimportance.attribution.lrp.spelling import spelling

State = tuple[Tensor, ...]
"""What a cell hands to its next step: (h,), or (h, c) of an LSTM; each (N, H)."""


@dataclass(frozen=True)
class _Weights:
    """Parameters of one layer in one direction; biases and projection may be absent."""

    inputs: Tensor
    hidden: Tensor
    input_bias: Tensor | None = None
    hidden_bias: Tensor | None = None
    projection: Tensor | None = None

    # Made once, since every step asks for them.

    @cached_property
    def new_of_four(self) -> _Weights:
        """The rows of an LSTM that make the new value (of i, f, g, o: g)."""
        return self._third(4)

    @cached_property
    def new_of_three(self) -> _Weights:
        """The rows of a GRU that make the new value (of r, z, n: n)."""
        return self._third(3)

    def _third(self, of: int) -> _Weights:
        items = (self.inputs, self.hidden, self.input_bias, self.hidden_bias)
        return _Weights(*(None if item is None else item.detach().chunk(of)[2] for item in items))  # type: ignore[arg-type]

    @cached_property
    def joined(self) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias of (x, h) joined."""
        bias = None
        if self.input_bias is not None and self.hidden_bias is not None:
            bias = self.input_bias.detach() + self.hidden_bias.detach()
        return torch.cat([self.inputs, self.hidden], 1).detach(), bias


Cell = Callable[[Pass, Tensor, State, _Weights], State]


def recurrent(op: Operation) -> Any:
    """Unroll `torch.lstm`, `gru`, `rnn_tanh` or `rnn_relu`, and the cells of these."""
    name = str(getattr(op.func, "__name__", "")).partition(".")[0]
    cell = _CELLS.get(name.removesuffix("_cell"))
    if cell is None or op.kwargs:
        return unknown(op)
    if name.endswith("_cell"):
        return _one_step(op, cell)
    layers = _Layers.of(op)
    return unknown(op) if layers is None else layers.run(op.run, cell)


def packed(op: Operation) -> Any:
    """Arrange tokens for `PackedSequence` and back: rows no longer lie along the first axis."""
    if op.run.ledger is not None:
        op.run.ledger.lose_rows()
    return plain(op)


def _one_step(op: Operation, cell: Cell) -> Any:
    tensor, given, *weights = op.args
    state = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    state = cell(op.run, tensor, state, _Weights(*weights))
    return state if len(state) > 1 else state[0]


@dataclass(frozen=True)
class _Layout:
    """How the steps lie in one tensor: along an axis, or packed one after the other."""

    sizes: Tensor | None
    axis: int

    def steps(self, tensor: Tensor) -> list[Tensor]:
        """Return one tensor for each step."""
        if self.sizes is None:
            return list(tensor.unbind(self.axis))
        return list(torch.split(tensor, self.sizes.tolist()))

    def joined(self, steps: list[Tensor]) -> Tensor:
        """Return the tensor of all steps."""
        return torch.stack(steps, self.axis) if self.sizes is None else torch.cat(steps)


@dataclass(frozen=True)
class _Layers:
    """One call of a recurrent layer, its arguments read.

    Attributes:
        steps: What each step takes, (n, I); n shrinks where packed sequences end.
        state: Initial state, each part (layers x directions, N, H).
        weights: By layer and direction.
        directions: 1 or 2.
        layout: How steps lie in the layer's input and output.
    """

    steps: list[Tensor]
    state: State
    weights: list[_Weights]
    directions: int
    layout: _Layout

    @classmethod
    def of(cls, op: Operation) -> _Layers | None:
        """Read a call; None where dropout draws random numbers between the layers."""
        args = list(op.args)
        tensor, sizes = args.pop(0), None
        # Packed: (data, batch_sizes, hx, params, ...), else (input, hx, params, ...).
        if isinstance(args[0], Tensor) and not args[0].is_floating_point():
            sizes = args.pop(0)
        given, parameters, biased, _, dropout, training, both = args[:7]
        if dropout and training:
            return None
        state = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        directions = 2 if both else 1
        layout = _Layout(sizes, 1 if sizes is None and args[7] else 0)
        if layout.axis == 0 and op.run.ledger is not None:
            op.run.ledger.lose_rows()
        weights = _grouped(list(parameters), biased, len(state[0]))
        return cls(layout.steps(tensor), state, weights, directions, layout)

    def run(self, run: Pass, cell: Cell) -> tuple[Tensor, ...]:
        """Return (output, h) or (output, h, c), as torch does."""
        steps, ends = self.steps, []
        output, made = steps[0], list[list[Tensor]]()
        for number in range(0, len(self.weights), self.directions):
            made = []
            for direction in range(self.directions):
                index = number + direction
                begin = tuple(part[index] for part in self.state)
                loop = _backward if direction else _forward
                outputs, end = loop(run, cell, steps, begin, self.weights[index])
                made.append(outputs)
                ends.append(end)
            steps = [torch.cat(parts, 1) for parts in zip(*made, strict=True)]
        output = self.layout.joined(steps)
        steps = self.layout.steps(output)
        for direction in range(self.directions):
            # From the output itself: what reads a last state alone reads the layer's neurons.
            width, index = made[direction][0].shape[1], direction - self.directions
            ends[index] = (_last(steps, width, backward=bool(direction)), *ends[index][1:])
        finals = [torch.stack(parts) for parts in zip(*ends, strict=True)]
        return (output, *finals)


def _grouped(parameters: list[Tensor], biased: bool, groups: int) -> list[_Weights]:
    size = len(parameters) // groups
    parts = [parameters[i * size : (i + 1) * size] for i in range(groups)]
    if biased:
        return [_Weights(*part) for part in parts]
    return [_Weights(part[0], part[1], None, None, *part[2:]) for part in parts]


def _forward(
    run: Pass, cell: Cell, steps: Sequence[Tensor], state: State, weights: _Weights
) -> tuple[list[Tensor], State]:
    """Run over the steps; sequences that end keep their last state."""
    outputs, ended = [], []
    for step in steps:
        if len(step) < len(state[0]):
            ended.append(tuple(part[len(step) :] for part in state))
            state = tuple(part[: len(step)] for part in state)
        state = cell(run, step, state, weights)
        outputs.append(state[0])
    parts = [state, *reversed(ended)]
    return outputs, tuple(torch.cat(items) for items in zip(*parts, strict=True))


def _backward(
    run: Pass, cell: Cell, steps: Sequence[Tensor], begin: State, weights: _Weights
) -> tuple[list[Tensor], State]:
    """Run over the steps from the last; shorter sequences join later."""
    outputs = []
    state = tuple(part[: len(steps[-1])] for part in begin)
    for step in reversed(steps):
        have, need = len(state[0]), len(step)
        if have < need:
            state = tuple(
                _ruled(run, join, torch.cat, [old, new[have:need]])
                for old, new in zip(state, begin, strict=True)
            )
        state = cell(run, step, state, weights)
        outputs.append(state[0])
    return outputs[::-1], state


def _last(steps: Sequence[Tensor], width: int, *, backward: bool) -> Tensor:
    """Return each sequence's last state, (N, H), out of a layer's output by steps."""
    if backward:
        return steps[0][:, -width:]
    following = [len(step) for step in steps[1:]] + [0]
    pairs = zip(steps, following, strict=True)
    parts = [step[left:, :width] for step, left in pairs if left < len(step)]
    return torch.cat(parts[::-1])


def _lstm(run: Pass, tensor: Tensor, state: State, weights: _Weights) -> State:
    hidden, kept = state
    enter, keep, _, out = _gates(tensor, hidden, weights, 4)
    new = _tanh(run, _joined(run, tensor, hidden, weights.new_of_four))
    kept = _ruled(run, add, torch.add, keep * kept, enter * new)
    hidden = out * _tanh(run, kept)
    if weights.projection is not None:
        hidden = weighted_sum(run, hidden, weights.projection)
    return hidden, kept


def _gru(run: Pass, tensor: Tensor, state: State, weights: _Weights) -> State:
    (hidden,) = state
    reset, keep, _ = _gates(tensor, hidden, weights, 3)
    last = weights.new_of_three
    from_input = weighted_sum(run, tensor, last.inputs, last.input_bias)
    from_hidden = reset * weighted_sum(run, hidden, last.hidden, last.hidden_bias)
    new = _tanh(run, _ruled(run, add, torch.add, from_input, from_hidden))
    return (_ruled(run, add, torch.add, (1 - keep) * new, keep * hidden),)


def _rnn_tanh(run: Pass, tensor: Tensor, state: State, weights: _Weights) -> State:
    return (_tanh(run, _joined(run, tensor, state[0], weights)),)


def _rnn_relu(run: Pass, tensor: Tensor, state: State, weights: _Weights) -> State:
    return (torch.relu(_joined(run, tensor, state[0], weights)),)


_CELLS: dict[str, Cell] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn_tanh": _rnn_tanh,
    "rnn_relu": _rnn_relu,
}


def _gates(tensor: Tensor, hidden: Tensor, weights: _Weights, of: int) -> tuple[Tensor, ...]:
    """Return the sigmoids of all gates, constants; that of the new value is of no use."""
    with torch.no_grad():
        summed = F.linear(tensor, weights.inputs, weights.input_bias)
        summed = summed + F.linear(hidden, weights.hidden, weights.hidden_bias)
        return torch.sigmoid(summed).chunk(of, 1)


def _joined(run: Pass, tensor: Tensor, hidden: Tensor, weights: _Weights) -> Tensor:
    """Return W x + b + V h + c as one linear layer of the joined (x, h)."""
    both = _ruled(run, join, torch.cat, [tensor, hidden], 1)
    return weighted_sum(run, both, *weights.joined)


def _tanh(run: Pass, tensor: Tensor) -> Tensor:
    return apply_secant(run, torch.tanh, (tensor,), {}, writes=False)


def _ruled(run: Pass, rule: Callable[[Operation], Any], func: Any, *args: Any) -> Any:
    """Apply the rule of a function that is called here and not by the model."""
    return rule(Operation(run, spelling(func), func, args, {}))
