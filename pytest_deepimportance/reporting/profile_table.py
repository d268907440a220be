"""What `deepimportance profile show` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from pytest_deepimportance.formatting import clean
from pytest_deepimportance.provenance import ModelInfo, ProfileInfo, ReferenceInfo, SpaceRow
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.reporting.wrapping import wrapped

_MOST_SPACES = 12


def render(
    model: ModelInfo, reference: ReferenceInfo, profile: ProfileInfo, settings: Mapping[str, Any]
) -> str:
    """Return the profile as text: identity, reference, importance, spaces, neurons, settings."""
    importance = profile.importance
    faithful = ""
    if importance.balance is not None and importance.input_share is not None:
        faithful = (
            f", balance {importance.balance:.1e}, explained by the input "
            f"{100 * importance.input_share:.1f} %"
        )
    lines = [
        f"profile    {profile.fingerprint[:16]}",
        f"model      {model.spec} ({model.type}, {model.parameters:,} parameters) "
        f"{model.fingerprint[:16]}",
        f"reference  {reference.descriptor}",
        f"           {reference.usable:,} usable of {reference.rows:,} rows, "
        f"{reference.fitted:,} fitted (correctly classified)",
    ]
    if importance.method or importance.source:
        rule = "rule " if importance.method == "lrp" else ""
        named = (
            ("", importance.method), (rule, importance.rule), ("target ", importance.target),
            ("read from ", importance.source),
        )  # fmt: skip
        said = ", ".join(f"{label}{clean(value)}" for label, value in named if value)
        lines.append(f"importance {said}{faithful}")
    if profile.statistics:
        rows = [("statistics", ""), *((clean(n), clean(text)) for n, text in profile.statistics)]
        lines += ["", *columns(rows, right=set())]
    if profile.spaces:
        lines += ["", *_spaces(profile.spaces)]
    if len(profile.spaces) == 1:
        lines += ["", *_neurons(profile.spaces[0])]
    chosen = ", ".join(f"{k}={_short(v)}" for k, v in settings.items() if v not in (None, False))
    lines += ["", *wrapped("settings", chosen)]
    for note in (*model.notes, *reference.notes, *profile.notes, *importance.notes):
        lines += wrapped("note", note)
    return "\n".join(lines)


def _spaces(spaces: tuple[SpaceRow, ...]) -> list[str]:
    rows = [("combinations of", "m", "total", "reached by the reference")]
    for space in spaces[:_MOST_SPACES]:
        reach = f"{space.reach:,} ({100 * space.reach / space.total:.1f} %)"
        rows.append((space.name, str(space.m), f"{space.total:,}", reach))
    lines = columns(rows, right={1, 2, 3})
    if len(spaces) == 1:
        lines += textwrap.wrap(f"m: {spaces[0].m_from}", 80)
    hidden = len(spaces) - _MOST_SPACES
    return [*lines, f"... and {hidden} more"] if hidden > 0 else lines


def _neurons(space: SpaceRow) -> list[str]:
    rows = [("rank", "neuron", "relevance", "clusters at", "")]
    for rank, neuron in enumerate(space.neurons, start=1):
        centroids = "  ".join(f"{value:.4g}" for value in neuron.centroids)
        remark = "constant" if neuron.constant else "in use" if rank <= space.m else ""
        name = f"{neuron.layer}[{neuron.index}]"
        rows.append((str(rank), name, f"{neuron.relevance:.4g}", centroids, remark))
    return columns(rows, right={0, 2})


def _short(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
