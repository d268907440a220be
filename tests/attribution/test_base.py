"""Conservation merges by addition; methods are found by name."""

from __future__ import annotations

import pytest
from torch import nn

from pytest_deepimportance.attribution.base import Conservation, create
from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.nets import noise


def test_conservation_adds_up() -> None:
    first = Conservation(4.0, 6.0, 0.3, 3.0, 1.0, -0.5, 0.25, 2)
    second = Conservation(2.0, 2.0, 0.1, 2.5, -0.5, 0.0, 0.0, 1)
    total = first + second
    assert total == Conservation(6.0, 8.0, 0.4, 5.5, 0.5, -0.5, 0.25, 3)
    assert total.balance == pytest.approx(0.05)
    assert total.input_share == pytest.approx(5.5 / 6)
    assert first + Conservation() == first


def test_nothing_accounted_for_is_no_number() -> None:
    assert Conservation().balance is None
    assert Conservation().input_share is None


def test_methods_by_name() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    sites = find_sites(net, as_call(noise(2, 4).float()))
    made = create("lrp", model=net, sites=sites, layers=["0"], rule="z")
    assert isinstance(made, LrpAttribution)
    assert (made.name, made.rule, made.notes) == ("lrp", "z", ())
    with pytest.raises(AttributionError, match=r"'lrpp'.*\ndid you mean lrp"):
        create("lrpp")
