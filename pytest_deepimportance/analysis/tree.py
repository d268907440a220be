"""A model's modules as a tree of blocks, each with its layers, neurons and importance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import nn

from pytest_deepimportance.models.sitemap import Site, SiteMap
from pytest_deepimportance.tree_results import TreeRow

MOST_ROWS = 32
"""Rows of a tree whose depth is not given: with its head and notes it fits on a screen."""


@dataclass
class _Block:
    name: str
    type: str
    parameters: int
    children: list[_Block] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say: no layer, no parameter."""
        return not self.sites and not self.parameters


def tree_rows(
    model: nn.Module,
    sites: SiteMap,
    shares: Mapping[str, float] | None = None,
    depth: int | None = None,
) -> list[TreeRow]:
    """Return the blocks of a model, a parent before its children.

    Args:
        shares: By layer, each one's part of all importance.
        depth: How deep to show; None: as deep as fits in `MOST_ROWS`, at least 1.
    """
    root = _blocks(model, sites)
    if depth is None:
        deepest = max(level for level, _ in _walk(root, 0))
        fitting = (
            d
            for d in range(deepest, 1, -1)
            if sum(at <= d for at, _ in _walk(root, 0)) <= MOST_ROWS
        )
        depth = next(fitting, 1)
    return [
        _row(block, level, shares, level == depth)
        for level, block in _walk(root, 0)
        if level <= depth
    ]


def _row(block: _Block, level: int, shares: Mapping[str, float] | None, last: bool) -> TreeRow:
    known = None if shares is None else [shares[s.name] for s in block.sites if s.name in shares]
    return TreeRow(
        name=block.name,
        depth=level,
        type=block.type,
        layers=len(block.sites),
        neurons=sum(site.units for site in block.sites),
        parameters=block.parameters,
        share=sum(known) if known else None,
        folded=sum(1 for _ in _walk(block, 0)) - 1 if last else 0,
    )


def _walk(block: _Block, level: int) -> Iterator[tuple[int, _Block]]:
    yield level, block
    for child in block.children:
        yield from _walk(child, level + 1)


def _blocks(model: nn.Module, sites: SiteMap) -> _Block:
    blocks = {
        name: _Block(name, type(module).__name__, sum(p.numel() for p in module.parameters()))
        for name, module in model.named_modules()
    }
    for site in sites.sites:
        name = _module_of(site, blocks)
        while True:
            blocks[name].sites.append(site)
            if not name:
                break
            name = name.rpartition(".")[0]
    for name, block in blocks.items():
        if name and not block.empty:
            blocks[name.rpartition(".")[0]].children.append(block)
    return _joined(blocks[""])


def _module_of(site: Site, blocks: Mapping[str, _Block]) -> str:
    """Return the module that a site is named after, or the one that holds it."""
    name = site.name.partition("#")[0]
    if name not in blocks:
        name = site.reading.module
    while name not in blocks:
        name = name.rpartition(".")[0]
    return name


def _joined(block: _Block) -> _Block:
    """Return the tree with chains of only children joined into one block."""
    block.children = [_joined(child) for child in block.children]
    only = block.children[0] if len(block.children) == 1 else None
    if (
        block.name
        and only is not None
        and only.children
        and (len(only.sites), only.parameters) == (len(block.sites), block.parameters)
    ):
        return only
    return block
