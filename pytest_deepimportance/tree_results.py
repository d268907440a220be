"""A model as a tree of blocks: what `deepimportance layers --tree` shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TreeRow:
    """One block (module) of a model, everything below it included.

    Attributes:
        name: Qualified name of the module, "" for the model itself; a chain of modules that hold
            nothing but one another is one row, named by the last.
        depth: Rows above it in the tree.
        layers: Measured layers. neurons: of these.
        parameters: Of the module; parameters that two modules share count in both.
        share: Part of the sum of all absolute scores; None where nothing is scored.
        folded: Rows below it that are not shown.
    """

    name: str
    depth: int
    type: str
    layers: int
    neurons: int
    parameters: int
    share: float | None = None
    folded: int = 0
