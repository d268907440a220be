"""Scores from elsewhere, fitted to a model's layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pytest_deepimportance import Importance
from pytest_deepimportance.attribution.importance_fit import fitted_to, load_for
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import AttributionError, LayerError
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.nets import LeNet, Residual

OWNER = "f" * 64


@pytest.fixture(scope="module")
def lenet() -> SiteMap:
    return find_sites(LeNet(), as_call(torch.rand(2, 1, 28, 28)))


def scores(**widths: int) -> Importance:
    return Importance({name: np.arange(1.0, width + 1) for name, width in widths.items()})


def test_layers_in_network_order_whatever_the_file_has(lenet: SiteMap) -> None:
    found = fitted_to(scores(fc2=20, conv1=6, fc1=32, conv2=16), lenet, OWNER)
    assert list(found.scores) == ["conv1", "conv2", "fc1", "fc2"]
    assert found.source == "given in Python"
    assert "no fingerprint" in found.notes[0]
    known = Importance({"fc2": np.ones(20)}, fingerprint=OWNER, source="votes.csv", method="vote")
    found = fitted_to(known, lenet, OWNER)
    assert found.notes[0] == "importance from votes.csv, vote"
    assert found.notes[1] == (
        "no importance for conv1, conv2, fc1: no important neuron is looked for there"
    )


def test_a_layer_may_be_named_by_its_activation(lenet: SiteMap) -> None:
    assert list(fitted_to(scores(relu4=20), lenet, OWNER).scores) == ["fc2"]


def test_another_models_scores_are_refused_with_both_fingerprints(lenet: SiteMap) -> None:
    other = Importance({"fc2": np.ones(20)}, fingerprint="a" * 64, source="votes.csv")
    with pytest.raises(AttributionError, match=r"votes.csv .*a{16}.*f{16}") as caught:
        fitted_to(other, lenet, OWNER)
    assert caught.value.why
    assert "deepimportance vote" in caught.value.fix


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ({"fc2": 19}, "19 scores for layer 'fc2' of 20 neurons"),
        ({"fc22": 20}, "no layer 'fc22'"),
        ({"-1": 20}, "no layer '-1'"),
        ({"0": 6}, "no layer '0'"),
        ({"=1+1": 20}, "no layer '=1\\+1'"),
    ],
)
def test_scores_that_do_not_fit_are_refused(lenet: SiteMap, widths: Any, words: str) -> None:
    with pytest.raises(LayerError, match=words) as caught:
        fitted_to(scores(**widths), lenet, OWNER)
    assert caught.value.why
    assert caught.value.fix


def test_one_layer_under_two_names_is_refused(lenet: SiteMap) -> None:
    with pytest.raises(AttributionError, match="fc2 and relu4 are one layer"):
        fitted_to(scores(fc2=20, relu4=20), lenet, OWNER)


def test_the_output_layer_is_set_aside_and_said(lenet: SiteMap) -> None:
    found = fitted_to(scores(fc2=20, fc3=10), lenet, OWNER)
    assert list(found.scores) == ["fc2"]
    assert "importance of fc3 is not used: no hidden layer" in found.notes
    with pytest.raises(AttributionError, match="every score of the model's hidden layers is 0"):
        fitted_to(scores(fc3=10), lenet, OWNER)


def test_zeros_rank_nothing(lenet: SiteMap) -> None:
    with pytest.raises(AttributionError, match=r"every score .* is 0"):
        fitted_to(Importance({"fc2": np.zeros(20)}), lenet, OWNER)


def test_both_ends_of_a_residual_add_are_summed() -> None:
    class Downsampled(Residual):
        def __init__(self) -> None:
            super().__init__()
            self.short = nn.Conv2d(4, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.stem(x))
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return self.head(torch.relu(y + self.short(x)).mean((2, 3)))

    sites = find_sites(Downsampled(), as_call(torch.rand(2, 2, 6, 6)))
    site = sites.find("conv2")
    assert set(site.feeders) == {"conv2", "short"}
    found = fitted_to(scores(stem=4, conv2=4, short=4), sites, OWNER)
    assert found.scores[site.name].tolist() == [2.0, 4.0, 6.0, 8.0]
    assert f"importance of {site.name}: the sum of conv2 and short" in found.notes


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["fc22,3,1"], "no layer 'fc22'"),
        ([f"fc2,{index},1" for index in range(19)] + ["fcc2,19,1"], "no layer 'fcc2'"),
        (["fc2,3,1"], None),
    ],
)
def test_an_unknown_layer_is_told_before_a_missing_neuron(
    lenet: SiteMap, tmp_path: Path, rows: list[str], told: str | None
) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(["LayerName,NeuronIndex,Score", *rows]))
    kind, words = (LayerError, told) if told else (AttributionError, "no row for neuron 0")
    with pytest.raises(kind, match=words) as caught:
        load_for(str(path), lambda: lenet)
    if told:
        assert "did you mean fc2" in caught.value.fix
