"""Normalisation: each value is scaled by a constant, the statistic; shifts absorb.

That a layer norm subtracts its mean stays linear in the input, so only the division is held
constant (Ali et al. 2022, "XAI for Transformers", section 3.2); batch norm in eval mode has
constants only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pytest_deepimportance.attribution.lrp.autograd import sent_back
from pytest_deepimportance.attribution.lrp.operation import Operation, unknown
from pytest_deepimportance.attribution.lrp.passing import Pass, is_signal

EPSILON = 1e-5
"""Default of torch's normalisations."""


def batch_norm(op: Operation) -> Any:
    """Scale each channel; the shift absorbs, and batch statistics are constants."""
    tensor = op.operand(0, "input")
    if op.func is torch.batch_norm:
        weight, bias, mean, var, training, _, eps = op.args[1:8]
    else:
        mean, var = op.operand(1, "running_mean"), op.operand(2, "running_var")
        weight, bias = op.operand(3, "weight"), op.operand(4, "bias")
        training, eps = op.operand(5, "training"), _or(op.operand(7, "eps"), EPSILON)
    if training or mean is None:
        axes = [axis for axis in range(tensor.dim()) if axis != 1]
        var, mean = torch.var_mean(tensor.detach(), dim=axes, correction=0)
    return _scaled_channels(op.run, tensor, mean, var, weight, bias, eps)


def _scaled_channels(
    run: Pass, tensor: Tensor, mean: Tensor, var: Tensor, weight: Any, bias: Any, eps: float
) -> Tensor:
    value = F.batch_norm(tensor.detach(), mean, var, weight, bias, False, 0.0, eps)
    scale = (var + eps).rsqrt() if weight is None else weight * (var + eps).rsqrt()
    factor = scale.view(-1, *[1] * (tensor.dim() - 2))
    # torch's own backward pass also adds up what statistics in training would need.
    result = sent_back(tensor, value, lambda gradient: gradient * factor)
    _shift(run, result, -mean * scale if bias is None else bias - mean * scale, 1)
    return result


def layer_norm(op: Operation) -> Any:
    """Subtract the mean, scale by a constant; the shift absorbs."""
    tensor, shape = op.operand(0, "input"), op.operand(1, "normalized_shape")
    weight, bias = op.operand(2, "weight"), op.operand(3, "bias")
    if is_signal(weight) or is_signal(bias) or not is_signal(tensor):
        return unknown(op)
    eps = _or(op.operand(4, "eps"), EPSILON)
    value, mean, rstd = torch.native_layer_norm(tensor.detach(), shape, weight, bias, eps)
    axes = tuple(range(-len(shape), 0))

    def send(gradient: Tensor) -> Tensor:
        scaled = (gradient if weight is None else gradient * weight) * rstd
        return scaled.sub_(scaled.mean(axes, keepdim=True))

    result = sent_back(tensor, value, send)
    _shift(op.run, result, bias, None if len(shape) > 1 else -1)
    return (result, mean, rstd) if "native" in str(op.func) else result


def group_norm(op: Operation) -> Any:
    """Subtract each group's mean, scale by a constant; the shift absorbs."""
    tensor, groups = op.operand(0, "input"), op.operand(1, "num_groups")
    weight, bias = op.operand(2, "weight"), op.operand(3, "bias")
    if not isinstance(groups, int) or is_signal(weight) or is_signal(bias):
        return unknown(op)
    eps = _or(op.operand(4, "eps"), EPSILON)
    value = F.group_norm(tensor.detach(), groups, weight, bias, eps)
    return _grouped(op.run, tensor, value, groups, weight, bias, eps)


def instance_norm(op: Operation) -> Any:
    """Subtract each channel's mean, scale by a constant; the shift absorbs."""
    tensor = op.operand(0, "input")
    mean, var = op.operand(1, "running_mean"), op.operand(2, "running_var")
    weight, bias = op.operand(3, "weight"), op.operand(4, "bias")
    if is_signal(weight) or is_signal(bias):
        return unknown(op)
    own = op.operand(5, "use_input_stats")
    eps = _or(op.operand(7, "eps"), EPSILON)
    if own is not None and not own and mean is not None:
        return _scaled_channels(op.run, tensor, mean, var, weight, bias, eps)
    value = F.instance_norm(tensor.detach(), None, None, weight, bias, True, 0.0, eps)
    return _grouped(op.run, tensor, value, tensor.shape[1], weight, bias, eps)


def _grouped(
    run: Pass, tensor: Tensor, value: Tensor, groups: int, weight: Any, bias: Any, eps: float
) -> Tensor:
    grouped = (len(tensor), groups, -1)
    var = tensor.detach().reshape(grouped).var(-1, correction=0, keepdim=True)
    rstd = (var + eps).rsqrt()
    factor = None if weight is None else weight.view(-1, *[1] * (tensor.dim() - 2))

    def send(gradient: Tensor) -> Tensor:
        scaled = gradient if factor is None else gradient * factor
        scaled = scaled.reshape(grouped) * rstd
        return scaled.sub_(scaled.mean(-1, keepdim=True)).view(gradient.shape)

    result = sent_back(tensor, value, send)
    _shift(run, result, bias, 1)
    return result


def rms_norm(op: Operation) -> Any:
    """Scale by a constant, the root mean square; nothing is absorbed."""
    tensor, shape = op.operand(0, "input"), op.operand(1, "normalized_shape")
    weight, eps = op.operand(2, "weight"), op.operand(3, "eps")
    if is_signal(weight) or not is_signal(tensor):
        return unknown(op)
    plain = tensor.detach()
    value = F.rms_norm(plain, shape, weight, eps)
    square = plain.square().mean(tuple(range(-len(shape), 0)), keepdim=True)
    scale = (square + _or(eps, torch.finfo(plain.dtype).eps)).rsqrt()

    def send(gradient: Tensor) -> Tensor:
        weighted = gradient if weight is None else gradient * weight
        return torch.mul(weighted, scale)

    return sent_back(tensor, value, send)


def local_response_norm(op: Operation) -> Any:
    """Divide by a constant: what the neighbouring channels say."""
    tensor, size = op.operand(0, "input"), op.operand(1, "size")
    alpha, beta = _or(op.operand(2, "alpha"), 1e-4), _or(op.operand(3, "beta"), 0.75)
    k = _or(op.operand(4, "k"), 1.0)
    plain = tensor.detach()
    squares = F.pad(plain.square().movedim(1, -1), (size // 2, (size - 1) // 2))
    mean = squares.unfold(-1, size, 1).mean(-1).movedim(-1, 1)
    divisor = (k + alpha * mean) ** beta
    value = F.local_response_norm(plain, size, alpha, beta, k)
    return sent_back(tensor, value, lambda gradient: gradient / divisor)


def normalize(op: Operation) -> Any:
    """Divide by a constant, the norm."""
    tensor = op.operand(0, "input")
    p, dim = _or(op.operand(1, "p"), 2.0), _or(op.operand(2, "dim"), 1)
    norm = tensor.detach().norm(p, dim, keepdim=True)
    return tensor / norm.clamp_min(_or(op.operand(3, "eps"), 1e-12)).expand_as(tensor)


def _shift(run: Pass, result: Tensor, bias: Any, axis: int | None) -> None:
    """Book an added `bias`: one value per channel along `axis`, or (None) for the last axes."""
    ledger = run.ledger
    if ledger is None or bias is None:
        return
    if axis is None:
        read = lambda g: ledger.dot("shift", g, bias.expand_as(g))  # noqa: E731
    else:
        read = lambda g: ledger.channels("shift", g, bias, axis)  # noqa: E731
    run.port(result).readers.append(read)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
