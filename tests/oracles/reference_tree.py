"""Blocks of a model counted by their names alone."""

from __future__ import annotations

from collections.abc import Mapping


def inside(name: str, block: str) -> bool:
    """Whether something called `name` belongs to `block` ("" is everything)."""
    plain = name.split("#")[0]
    return not block or plain == block or plain.startswith(block + ".")


def block_sums(block: str, neurons: Mapping[str, int], parameters: Mapping[str, int], shares: Mapping[str, float]
) -> tuple[int, int, int, float]:  # fmt: skip
    """Layers, neurons, parameters and share of importance of a block."""
    own = [name for name in neurons if inside(name, block)]
    held = sum(size for name, size in parameters.items() if inside(name, block))
    return (
        len(own),
        sum(neurons[name] for name in own),
        held,
        sum(shares[name] for name in own if name in shares),
    )
