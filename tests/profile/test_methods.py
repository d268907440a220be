"""Profiles whose important neurons are found by any attribution method, from any number of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.data.sampling import choose_rows
from pytest_deepimportance.engine.measuring import measure
from pytest_deepimportance.engine.profiles import describe_model
from pytest_deepimportance.errors import AttributionError, MethodUnavailable, ReferenceDataError
from pytest_deepimportance.methods import METHOD_NAMES
from pytest_deepimportance.profile.build import build
from pytest_deepimportance.reporting.profile_table import render
from pytest_deepimportance.reporting.terminal import render as screen
from pytest_deepimportance.settings import from_keywords
from tests.attribution.method_nets import run
from tests.profile.builders import Mlp, content, profile_of, rows

FAST = {"attribution_steps": 4, "attribution_samples": 3}


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_the_neurons_are_those_with_the_largest_sum_of_attributions(method: str) -> None:
    x, y = rows(60, wrong=10)
    profile = profile_of((x, y), importance_method=method, **FAST)
    assert profile.settings["importance_method"] == method
    assert profile.importance.method == method
    assert profile.importance.rows == 50
    if method in ("gradient-shap", "deeplift-shap"):
        return  # what they draw is compared below
    attributed = run(method, Mlp(), (x, y), layers=["fc2"], steps=4).relevance["fc2"]
    sums = attributed[10:].double().sum(0).numpy()
    np.testing.assert_allclose(profile.importance.scores["fc2"], sums, rtol=1e-4, atol=1e-4)
    ranked = sorted(range(14), key=lambda index: (-sums[index], index))
    assert [index for _, index in profile.spaces[0].neurons] == ranked[:12]


@pytest.mark.parametrize("method", [m for m in METHOD_NAMES if m != "gradient-shap"])
def test_batch_size_and_memory_do_not_matter(method: str) -> None:
    data, settings = rows(40, wrong=5), {"importance_method": method, **FAST}
    wanted = profile_of(data, **settings)
    for change in ({"batch_size": 7}, {"memory": 4}):
        found = profile_of(data, **settings, **change)
        assert content(found) == content(wanted)


def test_the_sample_of_inputs_is_drawn_from_the_whole_reference_by_the_seed() -> None:
    data = rows(300)
    data = (data[0] + torch.arange(300)[:, None] / 100, data[1])
    settings: dict[str, Any] = {
        "importance_method": "ldl", "attribution_baseline": "mean", "attribution_samples": 8,
    }  # fmt: skip
    one, again = profile_of(data, **settings), profile_of(data, **settings, batch_size=50)
    np.testing.assert_allclose(
        one.importance.scores["fc2"], again.importance.scores["fc2"], rtol=1e-4, atol=1e-3
    )
    other = profile_of(data, **settings, seed=3)
    assert not np.allclose(one.importance.scores["fc2"], other.importance.scores["fc2"], rtol=1e-2)
    assert not any("first batch" in note for note in one.notes)


def test_of_a_stream_the_first_batch_and_the_first_rows_are_taken() -> None:
    x, y = rows(100)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(x.split(30), y.split(30), strict=True)

    profile = profile_of(batches, importance_method="lgs", attribution_samples=3)
    assert any("drawn from the first batch alone" in note for note in profile.notes)
    some = profile_of(batches, importance_samples=40)
    assert some.importance.rows == 40
    first = run("lrp", Mlp(), x[:40], layers=["fc2"]).relevance["fc2"].double().sum(0).numpy()
    np.testing.assert_allclose(some.importance.scores["fc2"], first, rtol=1e-4, atol=1e-4)
    assert any("40 reference inputs (the first)" in note for note in some.notes)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("lrp", "lrp, epsilon 1e-06; balance "),
        ("lig", "integrated-gradients, 4 steps, baseline 0; balance not applicable"),
        ("ldls", "deeplift-shap, 3 baselines, seed 0; balance not applicable"),
        ("lgxa", "gradient-x-activation; balance not applicable"),
        ("random", "random, seed 0; balance not applicable"),
    ],
)
def test_the_report_says_method_parameters_and_no_balance(method: str, words: str) -> None:
    x, y = rows(60)
    settings = {"importance_method": method, "criteria": "IDC", "random_orders": 0, **FAST}
    report = measure(Mlp(), (x, y), x[:9], **settings)
    assert f"importance {words}" in "\n".join(screen([report], width=120, color=False, verbosity=0))
    profile = profile_of((x, y), importance_method=method, **FAST)
    text = render(profile.model, profile.reference, profile.info(), profile.settings)
    what = words.partition(";")[0].replace("lrp, ", "lrp, rule ")
    assert f"importance {what}, target predicted" in text


@pytest.mark.parametrize("batch_size", [7, 256])
def test_importance_from_some_rows_and_clusters_from_all(batch_size: int) -> None:
    x, y = rows(200, wrong=20)
    settings = {"importance_samples": 60, "seed": 2, "batch_size": batch_size}
    profile, whole = profile_of((x, y), **settings), profile_of((x, y))
    chosen = choose_rows(200, 60, None, 2)
    kept = chosen[chosen >= 20]
    relevance = run("lrp", Mlp(), (x, y), layers=["fc2"]).relevance["fc2"]
    wanted = relevance[torch.from_numpy(kept)].double().sum(0).numpy()
    np.testing.assert_allclose(profile.importance.scores["fc2"], wanted, rtol=1e-4, atol=1e-4)
    assert profile.importance.rows == len(kept)
    assert profile.reference.fitted == 180
    ours = dict(zip(profile.spaces[0].neurons, profile.spaces[0].clusterings, strict=True))
    theirs = dict(zip(whole.spaces[0].neurons, whole.spaces[0].clusterings, strict=True))
    for neuron in set(ours) & set(theirs):
        # The last digits of a pass may depend on the batch size.
        np.testing.assert_allclose(ours[neuron].centroids, theirs[neuron].centroids, rtol=1e-6)
    assert any("computed from 60 reference inputs (seeded)" in note for note in profile.notes)
    assert content(profile_of((x, y), importance_samples=200)) == content(whole)


def test_importance_of_a_class_from_some_rows() -> None:
    x, y = rows(200)
    profile = profile_of((x, y), importance_samples=8, classes="each", min_values=3)
    counted = [scores.rows for scores in profile.class_importance.values()]
    missing = [note for note in profile.notes if "importance is computed from" in note]
    assert sum(counted) == 8
    assert 0 not in counted
    assert len(missing) >= 1


def test_no_row_left_to_compute_importance_from() -> None:
    x, y = rows(60, wrong=40)
    seed = next(seed for seed in range(99) if choose_rows(60, 1, None, seed)[0] < 40)
    with pytest.raises(ReferenceDataError, match="none of the 1 reference inputs"):
        profile_of((x, y), importance_samples=1, seed=seed)


class Regression(nn.Module):
    """One number for each input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).relu())


def price(output: Tensor) -> Tensor:
    """What the regression is about."""
    return output[:, 0]


@pytest.mark.parametrize("method", ["lrp", "ldl"])
def test_a_regression_is_ranked_by_a_callable_target(method: str) -> None:
    x, y = rows(80)[0], torch.arange(80) % 3
    settings: dict[str, Any] = {"target": price, "importance_method": method, "min_values": 5}
    profile = profile_of((x, y), Regression(), **settings)
    assert profile.settings["target"] == f"{__name__}:price"
    assert profile.importance.target == f"{__name__}:price"
    assert profile.reference.fitted == 80
    assert any("gives no class scores: importance and clusters" in n for n in profile.notes)
    assert not any("classified correctly" in note for note in profile.notes)
    wanted = run(method, Regression(), x, layers=["body"], target=price).relevance["body"]
    np.testing.assert_allclose(
        profile.importance.scores["body"], wanted.double().sum(0).numpy(), rtol=1e-4, atol=1e-4
    )


def test_without_a_target_it_is_said_how_idc_comes_back() -> None:
    profile = profile_of(rows(80)[0], Regression())
    note = next(note for note in profile.notes if note.startswith("IDC left out"))
    assert "idc_target = pkg.mod:callable" in note


def test_a_method_that_cannot_run_stops_the_profile_and_nothing_takes_its_place() -> None:
    model = nn.Sequential(
        nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3)
    )
    ids = torch.randint(0, 5, (40, 3), generator=torch.Generator().manual_seed(0))
    with pytest.raises(MethodUnavailable, match="conductance needs inputs of floating numbers"):
        profile_of(ids, model, importance_method="lc")
    assert (
        profile_of(ids, model, importance_method="lig").importance.method == "integrated-gradients"
    )


def test_a_bad_target_is_refused_before_anything_runs() -> None:
    with pytest.raises(AttributionError, match="'best'"):
        profile_of(rows(60), target="best")


def test_memory_that_runs_out_is_said_in_the_profile() -> None:
    class Small(Mlp):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) > 16:
                raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")
            return super().forward(x)

    data = rows(60)
    settings = from_keywords(batch_size=32)
    reference = open_reference(data, settings)
    profile = build(Small(), reference, settings, describe_model(Small()))
    assert content(profile) == content(profile_of(data))
    assert "memory ran out with 32 inputs in one pass: 16 are taken at a time" in profile.notes
