"""Token ids that do not fit a model: beyond its vocabulary, or more tokens than positions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pytest_deepimportance.data.batches import ModelCall

FIT = (
    "Use the tokenizer that the model was trained with, and cut texts to the length it takes "
    "(truncation=True, max_length=...)."
)
"""What to do about it."""

_POSITIONS = re.compile(r"(?i)pos|(^|\.)wpe$")


def misfit(model: nn.Module, call: ModelCall) -> str:
    """Return what about the token ids of a call cannot fit the model, or nothing.

    The largest embedding that is not one of positions (by its name) is the vocabulary.
    """
    tables = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.Embedding)
    }
    positions = {name: table for name, table in tables.items() if _POSITIONS.search(name)}
    words = {name: table for name, table in tables.items() if name not in positions}
    for argument, ids in _ids(call):
        for name, table in positions.items():
            if ids.shape[1] > table.num_embeddings:
                return (
                    f"{argument} is {ids.shape[1]} tokens long, and {name} has "
                    f"{table.num_embeddings} entries"
                )
        if words and ids.numel():
            name = max(words, key=lambda key: words[key].num_embeddings)
            low, high = int(ids.min()), int(ids.max())
            if low < 0 or high >= words[name].num_embeddings:
                return (
                    f"{argument} holds token {low if low < 0 else high}, and {name} has "
                    f"{words[name].num_embeddings} entries"
                )
    return ""


def _ids(call: ModelCall) -> Iterator[tuple[str, Tensor]]:
    """Yield integer arguments (N, T) that are no masks."""
    named = {**{f"argument {i}": value for i, value in enumerate(call.args)}, **call.kwargs}
    for name, value in named.items():
        if not isinstance(value, Tensor) or value.dim() != 2 or "mask" in name:
            continue
        if value.dtype in (torch.int64, torch.int32) and "type" not in name:
            yield name, value
