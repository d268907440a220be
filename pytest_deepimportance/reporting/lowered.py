"""Where fewer important neurons are counted than asked for, and why."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.formatting import clean, listed
from pytest_deepimportance.provenance import SpaceRow

_NAMED = 4


def lowered_notes(spaces: Sequence[SpaceRow]) -> list[str]:
    """Return a sentence for each m that was lowered: of which class or layer, and why.

    Where several spaces have that m, the reason is that of the first one.
    """
    groups: dict[int, list[SpaceRow]] = {}
    for space in spaces:
        if "lowered" in space.m_from or "fewer" in space.m_from:
            groups.setdefault(space.m, []).append(space)
    said = []
    for m, found in groups.items():
        why = found[0].m_from.removeprefix("auto: ")
        if len(spaces) == 1:
            said.append(f"m={m}, {why}")
            continue
        of = listed([_who(space, spaces) for space in found], _NAMED)
        first = f"{_who(found[0], spaces)}: " if len(found) > 1 else ""
        said.append(f"m={m} of {of}; {first}{why}")
    return said


def _who(space: SpaceRow, spaces: Sequence[SpaceRow]) -> str:
    parts = [] if space.class_name is None else [f"class {clean(space.class_name)}"]
    if space.layer is not None and len({other.layer for other in spaces}) > 1:
        parts.append(f"layer {clean(space.layer)}")
    return " in ".join(parts) or clean(space.name)
