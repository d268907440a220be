"""A profile against plain loops, and what is said when the data or the model does not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pytest_deepimportance.errors import (
    LayerError,
    ProfileError,
    ReferenceDataError,
)
from tests.oracles.reference_idc import combination
from tests.profile.builders import Mlp, content, profile_of, rows


def hidden_values(x: torch.Tensor) -> np.ndarray:
    model = Mlp()
    with torch.no_grad():
        values: np.ndarray = torch.relu(model.fc2(torch.relu(model.fc1(x)))).double().numpy()
    return values


def test_counts_are_those_of_plain_loops() -> None:
    x, y = rows(300, wrong=60)
    profile = profile_of((x, y))
    (space,) = profile.spaces
    assert space.layer == "fc2"
    assert len(space.neurons) == 12
    values = hidden_values(x)
    centroids = [list(clustering.centroids) for clustering in space.clusterings]
    wanted: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for number, (row, label) in enumerate(zip(values, y.tolist(), strict=True)):
        combo = combination([row[index] for _, index in space.neurons], centroids)
        wanted.setdefault((combo, label), []).append(number)
    counts = profile.counts["fc2"]
    got = {
        (tuple(int(code) for code in codes), int(label)): (int(n), int(fitted), int(first))
        for codes, label, n, fitted, first in zip(
            counts.codes, counts.classes, counts.counts, counts.fit_counts, counts.first_index,
            strict=True,
        )
    }  # fmt: skip
    assert got == {
        key: (len(found), sum(number >= 60 for number in found), found[0])
        for key, found in wanted.items()
    }


def test_clusters_are_fitted_on_the_correctly_classified_rows_only() -> None:
    x, y = rows(300, wrong=100)
    both, correct = profile_of((x, y)), profile_of((x[100:], y[100:]))
    assert both.spaces[0].neurons == correct.spaces[0].neurons
    for one, other in zip(both.spaces[0].clusterings, correct.spaces[0].clusterings, strict=True):
        np.testing.assert_allclose(one.centroids, other.centroids, rtol=1e-5)
        assert one.values == 200
    assert both.reference.usable == 300
    assert both.reference.fitted == 200


@pytest.mark.parametrize(
    "settings",
    [{}, {"scope": "all"}, {"scope": "global", "classes": "each"}, {"tap": "pre", "zeros": "drop"}],
    ids=str,
)
def test_batch_size_and_memory_do_not_matter(settings: dict[str, Any]) -> None:
    data = rows(90, wrong=20)
    wanted = profile_of(data, **settings)
    for change in ({"batch_size": 1}, {"batch_size": 7}, {"memory": 4}):
        found = profile_of(data, **settings, **change)
        assert content(found) == content(wanted)
        for one, other in zip(found.spaces, wanted.spaces, strict=True):
            np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4, atol=1e-4)
    assert profile_of(data, **settings).fingerprint == wanted.fingerprint


def test_the_fingerprint_follows_weights_data_and_settings() -> None:
    data = rows(200)
    prints = {
        profile_of(data).fingerprint,
        profile_of(rows(200, seed=2)).fingerprint,
        profile_of(data, zeros="drop").fingerprint,
        profile_of(data, scope="all").fingerprint,
        profile_of(data, Mlp(seed=3), correct="all").fingerprint,
    }
    assert len(prints) == 5
    assert profile_of(data, batch_size=256, device="cpu").fingerprint in prints


def test_a_reference_without_labels_is_fitted_whole() -> None:
    x, _ = rows(200)
    profile = profile_of(x)
    assert not profile.reference.labelled
    assert profile.reference.fitted == 200
    assert any("no class labels" in note for note in profile.notes)
    labelled = profile_of((x, rows(200)[1]))
    assert content(profile) == content(labelled)  # all are right: the classes are the predictions


def test_rows_without_a_label_in_a_labelled_reference() -> None:
    x, y = rows(200)
    y[::2] = -1
    for batch_size in (1, 256):
        profile = profile_of((x, y), batch_size=batch_size)
        assert (profile.reference.usable, profile.reference.fitted) == (200, 100)
        assert any("100 reference inputs have no label" in note for note in profile.notes)


def test_rows_with_nan_are_left_out_and_said() -> None:
    x, y = rows(200)
    x[::20] = float("nan")
    profile = profile_of((x, y))
    assert (profile.reference.rows, profile.reference.usable) == (200, 190)
    assert profile.reference.non_finite == 10
    assert any("10 reference inputs left out" in note for note in profile.notes)


def test_a_sample_points_at_rows_of_the_whole_data() -> None:
    x, y = rows(400)
    profile = profile_of((x, y), reference_samples=60)
    assert (profile.reference.rows, profile.reference.available) == (60, 400)
    values, space = hidden_values(x), profile.spaces[0]
    counts = profile.counts["fc2"]
    centroids = [list(clustering.centroids) for clustering in space.clusterings]
    for codes, label, first in zip(counts.codes, counts.classes, counts.first_index, strict=True):
        row = [values[first][index] for _, index in space.neurons]
        assert combination(row, centroids) == tuple(codes)
        assert y[first] == label
    assert counts.first_index.max() >= 60


def test_no_samples_keeps_no_row_numbers() -> None:
    counts = profile_of(no_samples=True).counts["fc2"]
    assert (counts.first_index == -1).all()
    assert counts.rows == 200


class NoHidden(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x)


class Pair(Mlp):
    def forward(self, x: torch.Tensor) -> Any:
        return {"boxes": super().forward(x).sum(), "n": 1}


def test_without_class_scores_only_what_needs_a_class_is_left_out() -> None:
    profile = profile_of(model=Pair())
    held = profile.provided()
    assert {"layers", "bounds", "moments", "distances"} <= set(held)
    assert not {"spaces", "traces", "class_moments"} & set(held)
    assert any(n.startswith("IDC left out: the model's output is a dict") for n in profile.notes)
    assert any("no reference input has a class" in note for note in profile.notes)


@pytest.mark.parametrize("scope", ["layer", "all", "global"])
def test_without_a_hidden_layer_idc_is_left_out_unless_asked_for(scope: str) -> None:
    profile = profile_of(model=nn.Linear(4, 3), scope=scope)
    assert {"layers", "bounds", "moments"} <= set(profile.provided())
    assert any(note.startswith("IDC left out: the model has no hidden") for note in profile.notes)
    assert not any("IDC" in n for n in profile_of(model=nn.Linear(4, 3), criteria="NC").notes)


CASES: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "empty": (ReferenceDataError, "empty", lambda: profile_of(rows(0))),
    "few": (ReferenceDataError, "only 9 of 9", lambda: profile_of(rows(9))),
    "all wrong": (ReferenceDataError, "0 of 50", lambda: profile_of(rows(50, wrong=50))),
    "no hidden layer": (LayerError, "no hidden layer", lambda: profile_of(model=NoHidden())),
    "one linear": (
        LayerError, "no hidden layer", lambda: profile_of(model=nn.Linear(4, 3), criteria="IDC"),
    ),
    "one linear, all": (
        LayerError, "no hidden layer",
        lambda: profile_of(model=nn.Linear(4, 3), criteria="IDC", scope="all"),
    ),
    "unknown layer": (LayerError, "fc2", lambda: profile_of(layer="fc22")),
    "forward raises": (LayerError, "shape", lambda: profile_of((torch.zeros(20, 7), rows(20)[1]))),
    "classes too small": (
        ProfileError, "class 0 .* 150 needed", lambda: profile_of(classes="each", min_values=150),
    ),
    "class absent": (
        ProfileError, "no class has enough",
        lambda: profile_of(rows(200), Mlp(4, 10, 14, 4), classes="dog", class_names="ape,bee,cat,dog"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_refused_with_a_reason(case: str) -> None:
    error, hint, call = CASES[case]
    with pytest.raises(error, match=hint) as caught:
        call()
    assert caught.value.what  # type: ignore[attr-defined]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    model, data = Mlp().train(training), rows(50)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    profile_of(data, model)
    assert model.training is training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_reference_that_the_model_gets_mostly_wrong_is_said():
    import torch

    from pytest_deepimportance import build_profile

    generator = torch.Generator().manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    ).eval()
    x = torch.randn(200, 3, generator=generator)
    with torch.no_grad():
        right = model(x).argmax(1)
    wrong = torch.where(torch.arange(200) < 60, right, (right + 1) % 3)
    said = [n for n in build_profile(model, (x, wrong)).notes if "classified correctly" in n]
    assert said == [
        "only 60 of 200 labelled reference inputs are classified correctly: "
        "check that scale, order of classes and labels fit the model"
    ]
    assert not [n for n in build_profile(model, (x, right)).notes if "classified correctly" in n]
