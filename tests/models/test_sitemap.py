"""Finding a site by name, alias and index; plain data and back."""

from __future__ import annotations

import json

import pytest

from pytest_deepimportance.errors import LayerError
from pytest_deepimportance.models.sitemap import Reading, Site, SiteMap, Unmeasured


def site(name, **options):
    reading = Reading("module", name)
    return Site(name, options.pop("aliases", ()), "Linear", 4, -1, reading, reading, **options)


SITES = SiteMap(
    (
        site("conv1", aliases=("relu",)),
        site("region", rows_are_inputs=False),
        site("fc1"),
        site("fc2", aliases=("relu4",)),
        site("out", is_output=True),
    ),
    (Unmeasured("lstm", "LSTM", "recurrent"),),
    "fc2",
    "softmax",
    ("a note",),
)


def test_by_name_alias_index_and_default():
    assert SITES.find("fc1").name == "fc1"
    assert SITES.find("relu4").name == "fc2"
    assert SITES.find(None).name == "fc2"
    assert SITES.find(0).name == "conv1"
    assert SITES.find("-1").name == "fc2"
    assert SITES.find("out").is_output
    assert [SITES.find(at) for at in range(len(SITES.sites))] == list(SITES.sites)


def test_candidates_are_hidden_and_have_one_row_an_input():
    assert [item.name for item in SITES.candidates()] == ["conv1", "fc1", "fc2"]


def test_messages_teach():
    with pytest.raises(LayerError, match="did you mean fc1"):
        SITES.find("fc11")
    with pytest.raises(LayerError, match=r"outside 0\.\.4"):
        SITES.find(5)
    with pytest.raises(LayerError, match="cannot be measured: recurrent"):
        SITES.find("lstm")
    with pytest.raises(LayerError, match="no hidden layer"):
        SiteMap((site("out", is_output=True),)).find(None)


def test_plain_data_and_back():
    reading = Reading("module", "fc", 1, "leaky_relu", 0, (("negative_slope", 0.3),))
    full = SiteMap(
        (site("fc", graph_reading=reading, row_axis=1, feeders=("fc", "down")), *SITES.sites),
        SITES.unmeasured, "fc", None, SITES.notes,
    )  # fmt: skip
    for sites in (full, SITES, SiteMap(())):
        assert SiteMap.from_json(json.loads(json.dumps(sites.to_json()))) == sites
