"""The mean silhouette from its definition (Rousseeuw 1987), all pairs."""

from __future__ import annotations

from collections.abc import Sequence


def mean_silhouette(values: Sequence[float], labels: Sequence[int]) -> float:
    scores = []
    for i, (value, label) in enumerate(zip(values, labels, strict=True)):
        distances: dict[int, list[float]] = {}
        for j, (other, cluster) in enumerate(zip(values, labels, strict=True)):
            if i != j:
                distances.setdefault(cluster, []).append(abs(value - other))
        own = distances.pop(label, [])
        if not own:
            scores.append(0.0)
            continue
        a = sum(own) / len(own)
        b = min(sum(d) / len(d) for d in distances.values())
        scores.append((b - a) / max(a, b) if max(a, b) > 0 else 0.0)
    return sum(scores) / len(scores)
