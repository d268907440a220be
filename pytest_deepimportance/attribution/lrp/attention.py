"""Attention: the weights are constants, so relevance goes to the values alone (DESIGN D6).

`F.multi_head_attention_forward` is one function to a mode, so it is computed here again from
functions that have rules (Vaswani et al. 2017, section 3.2); queries and keys, to which nothing
flows back, run outside the graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pytest_deepimportance.attribution.lrp.operation import Operation
from pytest_deepimportance.attribution.lrp.passing import is_signal

_NAMES = (
    "query", "key", "value", "embed_dim_to_check", "num_heads", "in_proj_weight", "in_proj_bias",
    "bias_k", "bias_v", "add_zero_attn", "dropout_p", "out_proj_weight", "out_proj_bias",
    "training", "key_padding_mask", "need_weights", "attn_mask", "use_separate_proj_weight",
    "q_proj_weight", "k_proj_weight", "v_proj_weight", "static_k", "static_v",
    "average_attn_weights", "is_causal",
)  # fmt: skip
_DEFAULTS = {"training": True, "need_weights": True, "average_attn_weights": True}


def scaled_dot_product_attention(op: Operation) -> Any:
    """Take queries, keys and mask, which make the weights, as constants: linear in the values."""
    named = ("query", "key", "value", "attn_mask")
    args = [_constant(item) if place != 2 else item for place, item in enumerate(op.args)]
    kwargs = {
        key: _constant(item) if key in named and key != "value" else item
        for key, item in op.kwargs.items()
    }
    return op.func(*args, **kwargs)


def multi_head_attention(op: Operation) -> Any:
    """Project the values, mix them by constant weights, and project the result."""
    given: dict[str, Any] = dict.fromkeys(_NAMES) | _DEFAULTS
    given |= dict(zip(_NAMES, op.args, strict=False)) | op.kwargs
    batched = given["query"].dim() == 3
    if not batched:
        given |= {key: given[key].unsqueeze(1) for key in ("query", "key", "value")}
        if given["key_padding_mask"] is not None:
            given["key_padding_mask"] = given["key_padding_mask"].unsqueeze(0)
    with op.run.mode:  # inputs first, for the accounts
        given |= {key: given[key].transpose(0, 1) for key in ("query", "key", "value")}
    heads = _projected(op, given)
    weights, mixed = _mixed(op, given, heads)
    with op.run.mode:
        joined = mixed.transpose(1, 2).flatten(2)
        output = F.linear(joined, given["out_proj_weight"], given["out_proj_bias"]).transpose(0, 1)
        if not batched:
            output = output.squeeze(1)
    if weights is None:
        return output, None
    shown = weights.mean(1) if given["average_attn_weights"] else weights
    return output, shown if batched else shown.squeeze(0)


@dataclass(frozen=True)
class _Heads:
    """Queries, keys and values, (N, H, T, D) each; how many keys were added behind the given."""

    query: Tensor
    key: Tensor
    value: Tensor
    added: int


def _projected(op: Operation, given: dict[str, Any]) -> _Heads:
    weights = _projections(given)
    biases = [None] * 3 if given["in_proj_bias"] is None else given["in_proj_bias"].chunk(3)
    query = F.linear(_constant(given["query"]), weights[0], biases[0])
    key = F.linear(_constant(given["key"]), weights[1], biases[1])
    with op.run.mode:
        value = F.linear(given["value"], weights[2], biases[2])
    rows, added = len(query), 0
    if given["bias_k"] is not None:
        key = torch.cat([key, given["bias_k"].expand(rows, 1, -1)], 1)
        with op.run.mode:
            value = torch.cat([value, given["bias_v"].expand(rows, 1, -1)], 1)
        added += 1
    count = given["num_heads"]
    query, key = _split(query, count), _split(key, count)
    with op.run.mode:
        value = _split(value, count)
    if given["static_k"] is not None:
        key = _constant(given["static_k"]).unflatten(0, (rows, count))
    if given["static_v"] is not None:
        with op.run.mode:
            value = given["static_v"].unflatten(0, (rows, count))
    if given["add_zero_attn"]:
        key = F.pad(key, (0, 0, 0, 1))
        with op.run.mode:
            value = F.pad(value, (0, 0, 0, 1))
        added += 1
    return _Heads(query, key, value, added)


def _projections(given: dict[str, Any]) -> list[Tensor]:
    if given["use_separate_proj_weight"]:
        return [given[f"{part}_proj_weight"] for part in "qkv"]
    return list(given["in_proj_weight"].chunk(3))


def _split(tensor: Tensor, heads: int) -> Tensor:
    """Return (N, T, H * D) as (N, H, T, D)."""
    rows, length, width = tensor.shape
    return tensor.reshape(rows, length, heads, width // heads).transpose(1, 2)


def _mixed(op: Operation, given: dict[str, Any], heads: _Heads) -> tuple[Tensor | None, Tensor]:
    mask = _mask(given, heads)
    rate = given["dropout_p"] if given["training"] else 0.0
    if not given["need_weights"]:
        with op.run.mode:
            return None, F.scaled_dot_product_attention(
                heads.query, heads.key, heads.value, mask, rate
            )
    scaled = heads.query * math.sqrt(1.0 / heads.query.shape[-1])
    scores = scaled @ heads.key.transpose(-2, -1)
    weights = torch.softmax(scores if mask is None else scores + mask, -1)
    weights = F.dropout(weights, rate, given["training"])
    with op.run.mode:
        return weights, torch.matmul(weights, heads.value)


def _mask(given: dict[str, Any], heads: _Heads) -> Tensor | None:
    """Return what is added to the scores, broadcastable to (N, H, T, S)."""
    dtype = heads.query.dtype
    mask = _additive(given["attn_mask"], dtype)
    if mask is not None and mask.dim() == 3:
        mask = mask.view(-1, given["num_heads"], *mask.shape[1:])
    padding = _additive(given["key_padding_mask"], dtype)
    if padding is not None:
        padding = padding[:, None, None, :]
        mask = padding if mask is None else mask + padding
    if mask is not None and heads.added:
        mask = F.pad(mask, (0, heads.added))
    return mask


def _additive(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    if mask is None or mask.dtype != torch.bool:
        return mask if mask is None else _constant(mask)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))


def _constant(value: Any) -> Any:
    return value.detach() if is_signal(value) else value
