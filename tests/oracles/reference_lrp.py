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
        self.absorbed = 0.0


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


def affine(node: Node, matrix: Array, bias: Array, shape: tuple[int, ...], eps: float) -> Node:
    """y = matrix x + bias, reshaped; the epsilon rule."""
    x = node.value.ravel()
    z = matrix @ x + bias

    def divide(relevance: Array) -> tuple[Array, ...]:
        below = z + eps * np.where(z >= 0, 1.0, -1.0)
        share = np.divide(relevance.ravel(), below, out=np.zeros_like(z), where=below != 0)
        return ((x * (matrix.T @ share)).reshape(node.value.shape),)

    return Node(z.reshape(shape), (node,), divide)


def linear(node: Node, weight: Array, bias: Array, eps: float) -> Node:
    """A fully connected layer."""
    return affine(node, weight, bias, (len(weight),), eps)


def conv(node: Node, weight: Array, bias: Array, eps: float, stride: int = 1, pad: int = 0) -> Node:
    """A convolution of (C, H, W), as the dense matrix that it is."""
    channels, height, width = node.value.shape
    out, _, kh, kw = weight.shape
    rows, columns = (height + 2 * pad - kh) // stride + 1, (width + 2 * pad - kw) // stride + 1
    matrix = np.zeros((out, rows, columns, channels, height, width))
    for o, r, c, i, y, x in itertools.product(
        range(out), range(rows), range(columns), range(channels), range(kh), range(kw)
    ):
        at = r * stride + y - pad, c * stride + x - pad
        if 0 <= at[0] < height and 0 <= at[1] < width:
            matrix[o, r, c, i, at[0], at[1]] = weight[o, i, y, x]
    dense = matrix.reshape(out * rows * columns, -1)
    return affine(node, dense, np.repeat(bias, rows * columns), (out, rows, columns), eps)


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
