"""Functions that are made of others with rules: computed again from those, under the mode."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pytest_deepimportance.attribution.lrp.linear import product
from pytest_deepimportance.attribution.lrp.operation import Operation, unknown
from pytest_deepimportance.attribution.lrp.passing import is_signal


def glu(op: Operation) -> Any:
    """Let one half of the channels weight the other: a gate, constant."""
    tensor, dim = op.operand(0, "input"), op.operand(1, "dim")
    with op.run.mode:
        first, second = tensor.chunk(2, -1 if dim is None else dim)
        return first * torch.sigmoid(second)


def lerp(op: Operation) -> Any:
    """Add a weighted difference: start + weight (end - start)."""
    begin, end = op.operand(0, "input", "self"), op.operand(1, "end")
    weight = op.operand(2, "weight")
    with op.run.mode:
        return _written(op, begin, begin + (end - begin) * weight)


def addcmul(op: Operation) -> Any:
    """Add a product of two tensors."""
    base, value = op.operand(0, "input", "self"), op.kwargs.get("value", 1)
    first, second = op.operand(1, "tensor1"), op.operand(2, "tensor2")
    with op.run.mode:
        return _written(op, base, base + (first * second) * value)


def addcdiv(op: Operation) -> Any:
    """Add a ratio of two tensors; the divisor is constant."""
    base, value = op.operand(0, "input", "self"), op.kwargs.get("value", 1)
    first, second = op.operand(1, "tensor1"), op.operand(2, "tensor2")
    with op.run.mode:
        return _written(op, base, base + (first / second) * value)


def addr(op: Operation) -> Any:
    """Add an outer product."""
    base = op.operand(0, "input", "self")
    first, second = op.operand(1, "vec1"), op.operand(2, "vec2")
    beta, alpha = op.kwargs.get("beta", 1), op.kwargs.get("alpha", 1)
    with op.run.mode:
        return _written(op, base, base * beta + torch.outer(first, second) * alpha)


def added_product(op: Operation) -> Any:
    """Add a product: a linear operation's rule where one factor is constant, else half to each."""
    base, first = op.operand(0, "input", "self"), op.operand(1, "mat1", "batch1", "mat")
    second = op.operand(2, "mat2", "batch2", "vec")
    if not is_signal(base) and not (is_signal(first) and is_signal(second)):
        return product(op)
    beta, alpha = op.kwargs.get("beta", 1), op.kwargs.get("alpha", 1)
    with op.run.mode:
        multiplied = torch.matmul(first, second) * alpha
        if op.spelled.name == "addbmm":
            multiplied = multiplied.sum(0)
        return _written(op, base, base * beta + multiplied if beta else multiplied)


def ldexp(op: Operation) -> Any:
    """Scale by a power of two."""
    tensor, other = op.operand(0, "input", "self"), op.operand(1, "other")
    if is_signal(other):
        return unknown(op)
    with op.run.mode:
        return _written(op, tensor, tensor * torch.pow(2.0, other))


def cosine_similarity(op: Operation) -> Any:
    """Multiply two vectors, each divided by its norm, a constant."""
    dim, eps = op.operand(2, "dim"), op.operand(3, "eps")
    dim, eps = 1 if dim is None else dim, 1e-8 if eps is None else eps
    both = op.operand(0, "x1"), op.operand(1, "x2")
    first, second = torch.broadcast_tensors(*both)  # type: ignore[no-untyped-call]
    with op.run.mode:
        return (_to_length_one(first, dim, eps) * _to_length_one(second, dim, eps)).sum(dim)


def _to_length_one(tensor: Tensor, dim: int, eps: float) -> Tensor:
    norm = torch.linalg.vector_norm(tensor.detach(), 2, dim, keepdim=True)
    return torch.div(tensor, norm.clamp_min(eps))


def pairwise_distance(op: Operation) -> Any:
    """Take the norm of a difference."""
    first, second = op.operand(0, "x1"), op.operand(1, "x2")
    p, eps, keepdim = op.operand(2, "p"), op.operand(3, "eps"), op.operand(4, "keepdim")
    with op.run.mode:
        difference = first - second + (1e-6 if eps is None else eps)
        return torch.linalg.vector_norm(difference, 2.0 if p is None else p, -1, bool(keepdim))


def lp_pool(op: Operation) -> Any:
    """Take the p-norm of each window: powers, a sum, a root."""
    tensor, p = op.operand(0, "input"), float(op.operand(1, "norm_type"))
    size, stride = op.operand(2, "kernel_size"), op.operand(3, "stride")
    dims = int(op.spelled.name[-2])
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[dims - 1]
    count = size**dims if isinstance(size, int) else int(torch.tensor(size).prod())
    with op.run.mode:
        mean = pool(tensor.pow(p), size, stride, 0, bool(op.operand(4, "ceil_mode")))
        return (mean * count).pow(1.0 / p)


def bilinear(op: Operation) -> Any:
    """Give half to each of the two inputs; the bias absorbs."""
    first, second = op.operand(0, "input1"), op.operand(1, "input2")
    weight, bias = op.operand(2, "weight"), op.operand(3, "bias")
    if is_signal(weight):
        return unknown(op)
    result = F.bilinear(first, second, weight)
    if is_signal(first) and is_signal(second):
        op.run.port(result).transforms.append(lambda gradient: gradient * 0.5)
    if bias is None:
        return result
    with op.run.mode:
        return result + bias


def prod(op: Operation) -> Any:
    """Give an equal part to each of the factors."""
    result = op.call()
    tensor, dim = op.operand(0, "input", "self"), op.operand(1, "dim")
    factors = tensor.numel() if dim is None else tensor.shape[dim]
    op.run.port(result).transforms.append(lambda gradient: gradient / factors)
    return result


def cumprod(op: Operation) -> Any:
    """Give an equal part to each of the factors so far."""
    result, dim = op.call(), op.operand(1, "dim")
    shape = [1] * result.dim()
    shape[dim] = -1
    factors = torch.arange(1, result.shape[dim] + 1, device=result.device).view(shape)
    op.run.port(result).transforms.append(lambda gradient: gradient / factors)
    return result


def sample_at(op: Operation) -> Any:
    """Take where an image is sampled as constant; linear in the image."""
    grid = op.operand(1, "grid")
    if not is_signal(op.operand(0, "input")):
        return unknown(op)
    if len(op.args) > 1:
        return op.func(op.args[0], grid.detach(), *op.args[2:], **op.kwargs)
    return op.func(*op.args, **{**op.kwargs, "grid": grid.detach()})


def _written(op: Operation, target: Tensor, result: Tensor) -> Tensor:
    """Write the result where the function that was called would have."""
    return op.run.write(target, result) if op.spelled.writes else result
