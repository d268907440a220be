"""Slow twins of the attribution methods, written from the papers with loops over rows and neurons.

A layer cuts the network in two: `before` gives its activations for one input, `after` the class
scores from them. Everything is of one input x, a baseline b and a class c; results have the shape
of the layer's activations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Part = Callable[[Tensor], Tensor]

STEPS = 1000


def gradient(after: Part, h: Tensor, c: int) -> Tensor:
    """The derivative of score c by each neuron, from central differences."""
    flat, step = h.flatten(), 1e-6
    result = torch.zeros_like(flat)
    for i in range(len(flat)):
        up, down = flat.clone(), flat.clone()
        up[i] += step
        down[i] -= step
        result[i] = (after(up.view_as(h))[c] - after(down.view_as(h))[c]) / (2 * step)
    return result.view_as(h)


def _slope(after: Part, h: Tensor, c: int) -> Tensor:
    """The same by autograd, for long sums."""
    h = h.detach().clone().requires_grad_()
    return torch.autograd.grad(after(h)[c], h)[0]


def gradient_x_activation(before: Part, after: Part, x: Tensor, c: int) -> Tensor:
    """Activation times derivative."""
    return before(x) * gradient(after, before(x), c)


def grad_cam(before: Part, after: Part, x: Tensor, c: int) -> Tensor:
    """Activation times the channel's mean derivative (Selvaraju et al. 2017, equation 1)."""
    h, slope = before(x), gradient(after, before(x), c)
    result = torch.zeros_like(h)
    for channel in range(len(h)):
        result[channel] = h[channel] * slope[channel].mean()
    return result


def conductance(before: Part, after: Part, x: Tensor, b: Tensor, c: int) -> Tensor:
    """Sum of derivative by change of the neuron, along the straight path of inputs.

    Dhamdhere, Sundararajan and Yan 2018, equation 2.
    """
    total = torch.zeros_like(before(x))
    for k in range(STEPS):
        start, end = before(b + (x - b) * k / STEPS), before(b + (x - b) * (k + 1) / STEPS)
        middle = before(b + (x - b) * (k + 0.5) / STEPS)
        total += _slope(after, middle, c) * (end - start)
    return total


def internal_influence(before: Part, after: Part, x: Tensor, b: Tensor, c: int) -> Tensor:
    """Mean derivative along the straight path of inputs (Leino et al. 2018, definition 1)."""
    total = torch.zeros_like(before(x))
    for k in range(STEPS):
        total += _slope(after, before(b + (x - b) * (k + 0.5) / STEPS), c)
    return total / STEPS


def integrated_gradients(before: Part, after: Part, x: Tensor, b: Tensor, c: int) -> Tensor:
    """Change of the neuron times mean derivative, along the straight path of activations.

    Sundararajan, Taly and Yan 2017, equation 1, with the layer as input.
    """
    start, end = before(b), before(x)
    total = torch.zeros_like(start)
    for k in range(STEPS):
        total += _slope(after, start + (end - start) * (k + 0.5) / STEPS, c)
    return (end - start) * total / STEPS


def feature_ablation(before: Part, after: Part, x: Tensor, c: int) -> Tensor:
    """Score minus score without the neuron (all its positions 0), one number a neuron."""
    h = before(x)
    result = torch.zeros(len(h), dtype=h.dtype)
    for unit in range(len(h)):
        without = h.clone()
        without[unit] = 0
        result[unit] = after(h)[c] - after(without)[c]
    return result


def deeplift(
    weights: Sequence[Tensor], biases: Sequence[Tensor], h: Tensor, h_base: Tensor, c: int
) -> Tensor:
    """DeepLIFT's rescale rule (Shrikumar et al. 2017, equation 12) from a layer h to score c.

    Args:
        weights, biases: Of the linear layers after h, with a ReLU between them.
        h, h_base: Activations (U,) of input and baseline.
    """
    inputs: list[tuple[Tensor, Tensor]] = []
    value, base = h, h_base
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        z, z_base = weight @ value + bias, weight @ base + bias
        inputs.append((z, z_base))
        value, base = z.clamp(min=0), z_base.clamp(min=0)
    multiplier = weights[-1][c].clone()
    for weight, (z, z_base) in zip(reversed(weights[:-1]), reversed(inputs), strict=True):
        for j in range(len(z)):
            change = z[j] - z_base[j]
            if abs(change) > 1e-10:
                multiplier[j] *= (z[j].clamp(min=0) - z_base[j].clamp(min=0)) / change
            else:
                multiplier[j] *= float(z[j] > 0)
        multiplier = weight.T @ multiplier
    return multiplier * (h - h_base)
