"""The tree of blocks against sums over names."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from pytest_deepimportance.analysis.tree import MOST_ROWS, tree_rows
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.reporting.tree_table import render
from tests.oracles.reference_tree import block_sums
from tests.profile.builders import Mlp


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(x + self.second(torch.relu(self.first(x))))


class Deep(nn.Module):
    """Residual blocks in a wrapper that holds nothing else."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6)
        self.body = nn.Sequential(nn.Sequential(*(Block(6) for _ in range(blocks))))
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(torch.relu(self.stem(x))))


def sites_of(model: nn.Module) -> SiteMap:
    return find_sites(model, as_call(torch.randn(2, 4, generator=torch.Generator().manual_seed(0))))


@pytest.mark.parametrize("depth", [1, 2, 3, 9, None])
def test_every_row_holds_what_lies_below_it(depth: int | None) -> None:
    model = Deep(3)
    sites = sites_of(model)
    shares = {site.name: 1 / (n + 2) for n, site in enumerate(sites.candidates())}
    rows = tree_rows(model, sites, shares, depth)
    parameters = {name: p.numel() for name, p in model.named_parameters()}
    neurons = {site.name: site.units for site in sites.sites}
    for row in rows:
        layers, units, held, share = block_sums(row.name, neurons, parameters, shares)
        assert (row.layers, row.neurons, row.parameters) == (layers, units, held), row
        assert (row.share or 0.0) == pytest.approx(share)
    assert rows[0].layers == len(sites.sites)
    assert max(row.depth for row in rows) <= (depth or 99)


def test_a_chain_of_only_children_is_one_row() -> None:
    model = Deep(3)
    names = [row.name for row in tree_rows(model, sites_of(model), depth=1)]
    assert names == ["", "stem", "body.0", "head"]


def test_the_output_layer_has_no_share() -> None:
    model = Mlp()
    rows = {row.name: row for row in tree_rows(model, sites_of(model), {"fc1": 0.25, "fc2": 0.75})}
    assert (rows["fc1"].share, rows["fc3"].share, rows[""].share) == (0.25, None, 1.0)
    assert all(row.share is None for row in tree_rows(model, sites_of(model)))


def test_a_deep_model_is_folded_and_says_how_much() -> None:
    model = Deep(30)
    rows = tree_rows(model, sites_of(model))
    assert len(rows) <= MOST_ROWS
    everything = tree_rows(model, sites_of(model), depth=99)
    assert len(rows) + sum(row.folded for row in rows) == len(everything)
    assert not any(row.folded for row in everything)
    wide = [dataclasses.replace(row, type="AVeryLongNameOfAType" * 2, share=0.5) for row in rows]
    lines = render(wide, ["a note " * 30]).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 40


def test_even_one_level_of_many_blocks_is_shown() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for number in range(60):
                setattr(self, f"layer{number}", nn.Linear(4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for module in self.children():
                x = torch.relu(module(x))
            return x

    model = Wide()
    assert len(tree_rows(model, sites_of(model))) == 61
