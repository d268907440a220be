"""Slow twin of voting: one batch, one method, one neuron at a time, in plain Python.

Written from the specification (reference/idc.md, section 3.3; the research code's own way: section 3.1,
items 5 and 6): each method lists its m best neurons by (-score, layer, index); removing them raises the
loss by the gain; the batch abstains when no gain is above 0; the winner's list, or the lists weighted by
gain, give m points to the first place and 1 to the m-th.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Neuron = tuple[int, int]
"""(Number of the layer in network order, index)."""

Scores = Mapping[Neuron, float]
Loss = Callable[[frozenset[Neuron]], float]
"""From removed neurons to the mean loss of a batch."""


def normalised(scores: Scores, how: str, sign: str) -> dict[Neuron, float]:
    """Return what is compared between layers, by neuron; only neurons that may be listed."""
    layers = {layer for layer, _ in scores}
    signed = {n: abs(s) if sign == "absolute" else s for n, s in scores.items()}
    found: dict[Neuron, float] = {}
    for layer in layers:
        own = {n: s for n, s in signed.items() if n[0] == layer}
        total = sum(abs(scores[n]) for n in own)
        for neuron, value in own.items():
            if how == "layer-l1":
                found[neuron] = value / total if total else value
            elif how == "rank":
                found[neuron] = (1 + sum(v < value for v in own.values())) / len(own)
            else:
                found[neuron] = value
    if how == "global":
        total = sum(abs(s) for s in scores.values())
        found = {n: value / total if total else value for n, value in found.items()}
    if sign == "signed":
        return found
    return {n: value for n, value in found.items() if signed[n] > 0}


def best(values: Scores, m: int) -> list[Neuron]:
    """Return the m best by (-value, layer, index)."""
    return sorted(values, key=lambda n: (-values[n], n))[:m]


def one_batch(
    methods: Mapping[str, Scores],
    loss: Loss,
    m: int,
    *,
    mode: str,
    how: str,
    sign: str,
    points: str,
) -> tuple[dict[Neuron, float] | None, str, dict[str, float]]:
    """Return the points of one batch (None: it abstains), the winner, and the gain of each method."""
    base = loss(frozenset())
    lists = {a: best(normalised(s, how, sign), m) for a, s in methods.items()}
    lists = {a: found for a, found in lists.items() if found}
    gains = {a: loss(frozenset(found)) - base for a, found in lists.items()}
    winner = ""
    for name in sorted(gains):
        if gains[name] > 0 and (not winner or gains[name] > gains[winner]):
            winner = name
    if mode == "wisdom":
        return _wisdom(methods, lists, gains), winner, gains
    if not winner:
        return None, "", gains
    if mode == "winner":
        order, mean = lists[winner], gains[winner]
    else:
        above = {a: max(0.0, g) for a, g in gains.items()}
        total = sum(above[a] for a in sorted(above))
        weight = {a: above[a] / total for a in above}
        merged: dict[Neuron, float] = {}
        for name in sorted(lists):
            for place, neuron in enumerate(lists[name]):
                merged[neuron] = merged.get(neuron, 0.0) + weight[name] * (m - place)
        order = best({n: v for n, v in merged.items() if v > 0}, m)
        mean = sum(weight[a] * gains[a] for a in sorted(gains))
    found = {}
    for place, neuron in enumerate(order):
        found[neuron] = {"borda": m - place, "one": 1, "gain-weighted": (m - place) * mean}[points]
    return {n: float(v) for n, v in found.items()}, winner, gains


def _wisdom(
    methods: Mapping[str, Scores], lists: Mapping[str, Sequence[Neuron]], gains: Mapping[str, float]
) -> dict[Neuron, float] | None:
    total = sum(gains[a] for a in sorted(gains))
    if not gains or total == 0:
        return None
    merged: dict[Neuron, float] = {}
    for name in sorted(lists):
        for neuron in lists[name]:
            part = gains[name] / total * methods[name][neuron]
            merged[neuron] = merged.get(neuron, 0.0) + part
    order = best(merged, 10)
    return {neuron: float(len(order) - place) for place, neuron in enumerate(order)}
