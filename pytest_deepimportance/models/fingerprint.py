"""What makes two models the same: their weights and structure by content, never by address."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

_FORMAT = b"model 1"
_IGNORED = "num_batches_tracked"  # counts training batches; no output depends on it in eval mode

_SCALARS = (
    "in_channels", "out_channels", "in_features", "out_features", "num_features", "kernel_size",
    "stride", "padding", "dilation", "groups", "transposed", "output_padding", "padding_mode",
    "eps", "affine", "elementwise_affine", "track_running_stats", "normalized_shape", "num_groups",
    "num_parameters", "ceil_mode", "count_include_pad", "divisor_override", "output_size",
    "return_indices", "norm_type", "scale_factor", "size", "mode", "align_corners",
    "upscale_factor", "downscale_factor", "negative_slope", "alpha", "beta", "threshold", "value",
    "min_val", "max_val", "lambd", "lower", "upper", "approximate", "dim", "start_dim", "end_dim",
    "unflattened_size", "embed_dim", "num_heads", "batch_first", "norm_first", "add_zero_attn",
    "num_embeddings", "embedding_dim", "padding_idx", "max_norm", "hidden_size", "input_size",
    "num_layers", "bidirectional", "proj_size", "nonlinearity", "activation",
)  # fmt: skip


def fingerprint(model: nn.Module) -> str:
    """Return the SHA-256 of weights and structure, as 64 hexadecimal digits.

    Weights: name, dtype, shape and bytes of every entry of the state_dict but
    `num_batches_tracked` (packed weights of quantised layers and extra state included).
    Structure: name, class and settings of every submodule. Settings of torch's own modules are read
    from a fixed list of attributes, because their printed form changes between versions of torch;
    other classes add what their `extra_repr` prints (without addresses). Only what matters in eval
    mode counts: neither the mode, nor dropout rates, nor momentum.

    Equal for a deep copy, on any device, in train and eval mode, tied or not; different when one
    weight differs. Parameters without data (lazy, meta) count by name alone.
    """
    digest = hashlib.sha256(_FORMAT)
    for name, module in sorted(model.named_modules(remove_duplicate=False), key=lambda m: m[0]):
        _add(digest, "module", name, type(module).__qualname__, _settings(module))
    for name, entry in sorted(model.state_dict(keep_vars=True).items()):
        if name.rpartition(".")[2] != _IGNORED:
            _add_entry(digest, name, entry)
    return digest.hexdigest()


def _add(digest: Any, *parts: str) -> None:
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)


def _add_entry(digest: Any, name: str, entry: Any) -> None:
    if isinstance(entry, Tensor):
        _add_tensor(digest, name, entry)
    elif isinstance(entry, Mapping):
        for key in sorted(entry, key=str):
            _add_entry(digest, f"{name}[{key}]", entry[key])
    elif isinstance(entry, (tuple, list)):
        for index, part in enumerate(entry):
            _add_entry(digest, f"{name}[{index}]", part)
    else:
        _add(digest, "entry", name, _plain(entry) or type(entry).__qualname__)


def _add_tensor(digest: Any, name: str, tensor: Tensor) -> None:
    if is_lazy(tensor) or tensor.is_meta:
        _add(digest, "without data", name)
        return
    _add(digest, "tensor", name, str(tensor.dtype).removeprefix("torch."), str(tuple(tensor.shape)))
    digest.update(_bytes(tensor))


def _bytes(tensor: Tensor) -> Any:
    """Return the bytes of `tensor` in row-major order, without a copy where it lies so already."""
    with torch.no_grad():
        plain = tensor.detach()
        if plain.is_quantized:  # equal integers at another scale are other weights
            plain = plain.dequantize()
        if plain.layout is not torch.strided:
            plain = plain.to_dense()
        plain = plain.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        return plain.view(torch.uint8).numpy().data


def _settings(module: nn.Module) -> str:
    parts = []
    if any(_is_torchs(kind) for kind in type(module).__mro__):
        found = {name: _plain(getattr(module, name, None)) for name in _SCALARS}
        parts = [f"{name}={value}" for name, value in found.items() if value is not None]
    printer = type(module).extra_repr
    if not (printer.__module__ or "").startswith("torch."):
        parts.append(re.sub(r" at 0x[0-9a-fA-F]+", "", module.extra_repr()))
    return ", ".join(parts)


def _is_torchs(kind: type) -> bool:
    return kind is not nn.Module and kind.__module__.startswith("torch.nn.modules.")


def _plain(value: Any) -> str | None:
    """Return numbers, text, functions and sequences of them as text, None for everything else."""
    if isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        parts = [_plain(part) for part in value]
        return None if None in parts else f"({', '.join(map(str, parts))})"
    return getattr(value, "__name__", None)
