"""Slow twin of the LRP engine: one input at a time, dense matrices, numpy float64.

Written from the equations of Bach et al. 2015 (PLoS ONE 10(7)): with z_ij = x_i w_ij and
z_j = sum_i z_ij + b_j, equation 56 gives R_i = sum_j z_ij / z_j R_j, and equation 58 puts
z_j + eps sign(z_j) (sign(0) = +1) below the line. Max pooling: all to the winner. A ReLU passes
relevance on. y = u + v: to each its share of y. Relevance starts as the target score's own value.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from tests.oracles import reference_lrp_rules as rules
from tests.oracles.reference_lrp_rules import Rule

Array = np.ndarray


class Node:
    """A tensor of the net: its value, and how its relevance is divided among its parents."""

    def __init__(
        self,
        value: Array,
        parents: tuple[Node, ...] = (),
        divide: Callable[[Array], tuple[Array, ...]] | None = None,
    ) -> None:
        self.value = np.asarray(value, dtype=np.float64)
        self.parents, self.divide = parents, divide
        self.relevance = np.zeros_like(self.value)
        self.absorbed = self.absorbed_bias = 0.0


def propagate(output: Node, target: int) -> None:
    """Fill `relevance` of every node that `output` depends on."""
    order: list[Node] = []

    def visit(node: Node) -> None:
        if node not in order:
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(output)
    output.relevance[target] = output.value[target]
    for node in reversed(order):
        if node.divide is None:
            continue
        parts = node.divide(node.relevance)
        node.absorbed = node.relevance.sum() - sum(part.sum() for part in parts)
        for parent, part in zip(node.parents, parts, strict=True):
            parent.relevance = parent.relevance + part


def affine(
    node: Node,
    matrix: Array,
    bias: Array,
    shape: tuple[int, ...],
    rule: float | Rule,
    connected: Array | None = None,
) -> Node:
    """y = matrix x + bias, reshaped.

    Args:
        rule: One of `reference_lrp_rules`; a number is the epsilon of the epsilon rule.
        connected: Where the matrix has a connection, which may have weight 0; None: everywhere.
    """
    divide_neuron = rules.epsilon(rule) if isinstance(rule, (int, float)) else rule
    links = np.ones(matrix.shape, dtype=bool) if connected is None else connected
    x = node.value.ravel()

    def divide(relevance: Array) -> tuple[Array, ...]:
        given = np.zeros_like(x)
        made.absorbed_bias = 0.0
        for j, arrived in enumerate(relevance.ravel()):
            parts = divide_neuron(
                x.tolist(), matrix[j].tolist(), links[j].tolist(), float(bias[j]), float(arrived)
            )
            given += parts[:-1]
            made.absorbed_bias += parts[-1]
        return (given.reshape(node.value.shape),)

    made = Node((matrix @ x + bias).reshape(shape), (node,), divide)
    return made


def linear(node: Node, weight: Array, bias: Array, rule: float | Rule) -> Node:
    """A fully connected layer."""
    return affine(node, weight, bias, (len(weight),), rule)


def conv(
    node: Node,
    weight: Array,
    bias: Array,
    rule: float | Rule,
    stride: int = 1,
    pad: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Node:
    """A convolution of (C, ...) with weight (O, C / groups, ...), as the dense matrix it is."""
    sizes, kernel = node.value.shape[1:], weight.shape[2:]
    reach = [dilation * (k - 1) + 1 for k in kernel]
    places = tuple((s + 2 * pad - r) // stride + 1 for s, r in zip(sizes, reach, strict=True))
    matrix = np.zeros((len(weight), *places, *node.value.shape))
    linked = np.zeros(matrix.shape, dtype=bool)
    for o, i in itertools.product(range(len(weight)), range(weight.shape[1])):
        channel = o // (len(weight) // groups) * weight.shape[1] + i
        for place, tap in itertools.product(np.ndindex(*places), np.ndindex(*kernel)):
            at = tuple(p * stride + t * dilation - pad for p, t in zip(place, tap, strict=True))
            if all(0 <= a < s for a, s in zip(at, sizes, strict=True)):
                matrix[(o, *place, channel, *at)] = weight[(o, i, *tap)]
                linked[(o, *place, channel, *at)] = True
    return _dense(node, matrix, linked, bias, (len(weight), *places), rule)


def conv_transpose(
    node: Node, weight: Array, bias: Array, rule: float | Rule, stride: int = 1, groups: int = 1
) -> Node:
    """A transposed convolution of (C, ...) with weight (C, O / groups, ...): each input paints."""
    channels, sizes, kernel = len(weight), node.value.shape[1:], weight.shape[2:]
    per_group = weight.shape[1]
    places = tuple((s - 1) * stride + k for s, k in zip(sizes, kernel, strict=True))
    matrix = np.zeros((per_group * groups, *places, *node.value.shape))
    linked = np.zeros(matrix.shape, dtype=bool)
    for i, o in itertools.product(range(channels), range(per_group)):
        painted = i // (channels // groups) * per_group + o
        for at, tap in itertools.product(np.ndindex(*sizes), np.ndindex(*kernel)):
            place = tuple(a * stride + t for a, t in zip(at, tap, strict=True))
            matrix[(painted, *place, i, *at)] = weight[(i, o, *tap)]
            linked[(painted, *place, i, *at)] = True
    return _dense(node, matrix, linked, bias, (per_group * groups, *places), rule)


def _dense(
    node: Node,
    matrix: Array,
    linked: Array,
    bias: Array,
    shape: tuple[int, ...],
    rule: float | Rule,
) -> Node:
    rows = int(np.prod(shape))
    biases = np.repeat(bias, rows // len(bias))
    return affine(node, matrix.reshape(rows, -1), biases, shape, rule, linked.reshape(rows, -1))


def scale(node: Node, factor: Array, shift: Array) -> Node:
    """Batch norm in eval mode: one factor and one shift for each channel; no stabiliser."""
    extra = (1,) * (node.value.ndim - 1)
    factor, shift = factor.reshape(-1, *extra), shift.reshape(-1, *extra)
    y = node.value * factor + shift

    def divide(relevance: Array) -> tuple[Array, ...]:
        return (_ratio(node.value * factor, y) * relevance,)

    return Node(y, (node,), divide)


def relu(node: Node) -> Node:
    """max(0, x)."""
    return Node(np.maximum(node.value, 0), (node,), lambda r: (np.where(node.value > 0, r, 0.0),))


def elementwise(node: Node, function: Callable[[Array], Array]) -> Node:
    """y = f(x): f(0) keeps its share of y."""
    y, zero = function(node.value), function(np.zeros(1))[0]
    return Node(y, (node,), lambda r: (_ratio(y - zero, y) * r,))


def add(first: Node, second: Node) -> Node:
    """y = u + v."""
    y = first.value + second.value
    return Node(
        y,
        (first, second),
        lambda r: (_ratio(first.value, y) * r, _ratio(second.value, y) * r),
    )


def cat(first: Node, second: Node) -> Node:
    """Channels of two tensors side by side."""
    cut = len(first.value)
    joined = np.concatenate([first.value, second.value])
    return Node(joined, (first, second), lambda r: (r[:cut], r[cut:]))


def flatten(node: Node) -> Node:
    """(C, H, W) as a vector."""
    return Node(node.value.ravel(), (node,), lambda r: (r.reshape(node.value.shape),))


def max_pool(node: Node, size: int) -> Node:
    """The largest of each size x size window."""
    channels, height, width = node.value.shape
    y = np.zeros((channels, height // size, width // size))
    winners = {}
    for place in np.ndindex(*y.shape):
        c, r, k = place
        window = node.value[c, r * size : (r + 1) * size, k * size : (k + 1) * size]
        best = np.unravel_index(window.argmax(), window.shape)
        winners[place] = (c, r * size + best[0], k * size + best[1])
        y[place] = window[best]

    def divide(relevance: Array) -> tuple[Array, ...]:
        result = np.zeros_like(node.value)
        for place, winner in winners.items():
            result[winner] += relevance[place]
        return (result,)

    return Node(y, (node,), divide)


def mean_positions(node: Node) -> Node:
    """(C, H, W) -> (C,): each position by its share of the sum."""
    y = node.value.mean((1, 2))
    places = node.value.shape[1] * node.value.shape[2]

    def divide(relevance: Array) -> tuple[Array, ...]:
        return (_ratio(node.value / places, y[:, None, None]) * relevance[:, None, None],)

    return Node(y, (node,), divide)


def neurons(node: Node) -> Array:
    """Relevance by neuron: the signed sum over its positions."""
    return node.relevance.reshape(len(node.relevance), -1).sum(1)


def last_layer(activations: Array, weight: Array, bias: Array, target: int, eps: float) -> Array:
    """R_j = a_j w_cj z_c / (z_c + eps sign z_c) for the layer before a linear output layer."""
    z = float(weight[target] @ activations + bias[target])
    return activations * weight[target] * (z / (z + (eps if z >= 0 else -eps)))


def _ratio(part: Array, whole: Array) -> Array:
    part = np.broadcast_to(part, np.broadcast_shapes(part.shape, whole.shape))
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole != 0)
