"""Important neurons by class as a stored report names them."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, listed, plural
from pytest_deepimportance.importance_results import TopSets
from pytest_deepimportance.provenance import ModelInfo, ReferenceInfo
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.text import shorten

_NAME = 18


def render(model: ModelInfo, reference: ReferenceInfo, found: Sequence[TopSets]) -> list[str]:
    """Return the lines: whose neurons these are, then each layer's, class by class."""
    lines = [
        f"model      {clean(model.spec)} {model.fingerprint[:8]}",
        f"reference  {clean(reference.descriptor)}, {plural(reference.fitted, 'input')}",
    ]
    for sets in found:
        width = "" if sets.neurons is None else f" (of {plural(sets.neurons, 'neuron')})"
        head = f"{clean(sets.layer)}: most important neurons, by rank{width}"
        rows = [
            (shorten(clean(name), _NAME), "  ".join(map(str, top)))
            for name, top in sets.tops.items()
        ]
        lines += ["", *columns([("class", head), *rows], right=set()), *_common(sets)]
    return lines


def _common(sets: TopSets) -> list[str]:
    classes = len(sets.tops)
    if classes < 2:
        return []
    counts = Counter(neuron for top in sets.tops.values() for neuron in top)
    shared = sorted(neuron for neuron, number in counts.items() if number == classes)
    own = sum(number == 1 for number in counts.values())
    every = f" ({listed(map(str, shared), 12)})" if shared else ""
    return textwrap.wrap(
        f"common: {plural(len(shared), 'neuron')} of all {classes} classes{every}, {own} of one "
        "class only",
        80,
    )
