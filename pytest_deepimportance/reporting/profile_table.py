"""What `deepimportance profile show` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_deepimportance.provenance import ModelInfo, ProfileInfo, ReferenceInfo, SpaceRow
from pytest_deepimportance.reporting.layers_table import columns

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
        f"importance {importance.method}, rule {importance.rule}, target {importance.target}"
        + faithful,
    ]
    lines += ["", *_spaces(profile.spaces)]
    if len(profile.spaces) == 1:
        lines += ["", *_neurons(profile.spaces[0])]
    lines += ["", "settings   " + ", ".join(f"{k}={_short(v)}" for k, v in settings.items())]
    lines += [f"note       {note}" for note in (*model.notes, *reference.notes, *profile.notes)]
    return "\n".join(lines)


def _spaces(spaces: tuple[SpaceRow, ...]) -> list[str]:
    rows = [("combinations of", "m", "total", "reached by the reference", "")]
    for space in spaces[:_MOST_SPACES]:
        reach = f"{space.reach:,} ({100 * space.reach / space.total:.1f} %)"
        rows.append((space.name, str(space.m), f"{space.total:,}", reach, space.m_from))
    lines = columns(rows, right={1, 2, 3})
    hidden = len(spaces) - _MOST_SPACES
    return [*lines, f"... and {hidden} more"] if hidden > 0 else lines


def _neurons(space: SpaceRow) -> list[str]:
    rows = [("rank", "neuron", "relevance", "clusters at", "")]
    for rank, neuron in enumerate(space.neurons, start=1):
        centroids = "  ".join(f"{value:.4g}" for value in neuron.centroids)
        remark = "constant" if neuron.constant else "in use" if rank <= space.m else ""
        name = f"{neuron.layer}[{neuron.index}]"
        rows.append((str(rank), name, f"{neuron.relevance:.5g}", centroids, remark))
    return columns(rows, right={0, 2})


def _short(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
