"""Profiles and reports by scores that are given: from a file, from Python, from a vote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance import Importance, Profile, build_profile, importance, measure, vote
from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.engine.profiles import load_profile, obtain_profile
from pytest_deepimportance.errors import AttributionError, LayerError, ProfileError, SettingsError
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.settings import from_keywords
from tests.profile.builders import Mlp, content, rows


def scores(**changes: Any) -> Importance:
    fc1, fc2 = np.arange(10.0), np.arange(14.0)[::-1].copy()
    return Importance({"fc1": fc1, "fc2": fc2, **changes})


def test_the_same_scores_give_the_same_profile(tmp_path: Path) -> None:
    x, y = rows(200, wrong=10)
    computed = build_profile(Mlp(), (x, y), scope="all")
    own = importance(Mlp(), [(x[10:], y[10:])])
    path = tmp_path / "scores.csv"
    own.save(path)
    for given in (own, path, str(path), computed.importance):
        found = build_profile(Mlp(), (x, y), scope="all", importance=given)
        assert content(found) == content(computed)
    read = build_profile(Mlp(), (x, y), importance=path)
    assert read.importance.source == str(path)
    assert read.settings["importance"] == str(path)
    assert read.info().importance.source == str(path)
    assert f"importance from {path}, lrp" in read.importance.notes
    assert build_profile(Mlp(), (x, y), importance=own).importance.source == "given in Python"


def test_given_scores_choose_the_neurons() -> None:
    profile = build_profile(Mlp(), rows(200), importance=scores(), m=3)
    assert profile.spaces[0].neurons[:3] == (("fc2", 0), ("fc2", 1), ("fc2", 2))
    other = build_profile(
        Mlp(), rows(200), importance=scores(), m=2, scope="global", normalize="none"
    )
    assert other.spaces[0].neurons[:2] == (("fc2", 0), ("fc2", 1))
    each = build_profile(Mlp(), rows(200), importance=scores(), scope="all")
    assert [space.layer for space in each.spaces] == ["fc1", "fc2"]


def test_a_layer_without_scores_is_not_looked_in() -> None:
    only = Importance({"fc1": np.arange(10.0)})
    profile = build_profile(Mlp(), rows(200), importance=only, scope="global")
    assert profile.layers == ("fc1",)
    assert any("no importance for fc2" in note for note in profile.importance.notes)
    with pytest.raises(LayerError, match="has no scores for layer 'fc2'") as caught:
        build_profile(Mlp(), rows(200), importance=only)
    assert 'layer="fc1"' in caught.value.fix
    silent = scores(fc2=np.zeros(14))
    profile = build_profile(Mlp(), rows(200), importance=silent, scope="all")
    assert profile.layers == ("fc1",)
    assert any("every score of fc2 is 0" in note for note in profile.importance.notes)
    with pytest.raises(AttributionError, match="every score of fc2 is 0"):
        build_profile(Mlp(), rows(200), importance=silent)


def test_few_scores_are_said() -> None:
    few = scores(fc2=np.eye(14)[3])
    profile = build_profile(Mlp(), rows(200), importance=few)
    assert any("only 1 of 14 neurons of fc2" in note for note in profile.importance.notes)


def test_every_class_by_its_own_scores_where_there_are_any() -> None:
    data = rows(300)
    plain = build_profile(Mlp(), data, importance=scores(), classes="each", m=2)
    assert {space.neurons[:1] for space in plain.spaces} == {(("fc2", 0),)}
    assert any("every class has the important neurons of all" in n for n in plain.importance.notes)
    by_class = {1: {"fc1": np.ones(10), "fc2": np.arange(14.0)}, 2: {"fc2": np.zeros(14)}}
    mixed = Importance(scores().scores, by_class=by_class)
    own = build_profile(Mlp(), data, importance=mixed, classes="each", m=2)
    first = {space.class_index: space.neurons[0] for space in own.spaces}
    assert first[1] == ("fc2", 13)
    assert first[2] == ("fc2", 0)
    assert any(
        note.startswith("class 2 has the important neurons of all") for note in own.importance.notes
    )
    named = build_profile(
        Mlp(), data, importance=mixed, classes="bee", class_names="ape,bee,cat", m=2
    )
    assert named.spaces[0].neurons[0] == ("fc2", 13)


@pytest.mark.parametrize(
    "method",
    ["lrp", "conductance", "activation", "internal-influence", "gradient-x-activation", "grad-cam",
     "deeplift", "deeplift-shap", "gradient-shap", "integrated-gradients", "feature-ablation", "random"],
)  # fmt: skip
@pytest.mark.parametrize("scope", ["layer", "all", "global"])
def test_every_method_every_scope_one_class_by_name(method: str, scope: str) -> None:
    kept = {"scope": scope, "classes": "bee", "class_names": "ape,bee,cat", "attribution_steps": 5}
    profile = build_profile(Mlp(), rows(120), importance_method=method, **kept)
    assert [space.class_index for space in profile.spaces] == [1] * (2 if scope == "all" else 1)
    x, y = rows(120)
    own = importance(
        Mlp(), [(x[y == 1], y[y == 1])], method=method,
        **({"steps": 5} if method in ("conductance", "internal-influence", "integrated-gradients") else {}),
    )  # fmt: skip
    if method in ("deeplift-shap", "gradient-shap"):
        return  # their baselines are drawn from other rows
    for name, values in profile.class_importance[1].scores.items():
        np.testing.assert_allclose(values, own.scores[name], rtol=1e-4, atol=1e-4)


def test_points_of_a_vote_are_compared_as_they_are() -> None:
    data = rows(200)
    batches = list(zip(data[0].split(50), data[1].split(50), strict=True))
    found = vote(Mlp(), batches, "lrp,activation", 4)
    profile = build_profile(Mlp(), data, importance=found, scope="global", m=3)
    top = found.top(3, normalize="none")
    assert profile.spaces[0].neurons[:3] == tuple((name, index) for name, index, _ in top)
    assert profile.settings["normalize"] == "none"
    asked = build_profile(Mlp(), data, importance=found, scope="global", normalize="layer")
    assert asked.settings["normalize"] == "layer"
    report = measure(Mlp(), data, rows(40, seed=3), importance=found, scope="global")
    shown = {row.name: (row.value, row.origin) for row in report.settings}
    assert shown["normalize"] == ("none", "profile")
    assert report.profile.importance.method == "vote of activation, lrp"


def test_measure_takes_scores_and_files(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    scores().save(path)
    data, inputs = rows(200), rows(40, seed=3)
    one = measure(Mlp(), data, inputs, importance=scores(), m=3)
    two = measure(Mlp(), data, inputs, importance=path, m=3)
    assert one.criteria["IDC"].covered == two.criteria["IDC"].covered
    shown = {row.name: row.value for row in two.settings}
    assert shown["importance"] == str(path)
    assert two.profile.importance.source == str(path)
    assert any("no fingerprint" in note for note in two.profile.importance.notes)
    with pytest.raises(SettingsError, match="Importance is not the path of a file"):
        from_keywords(importance=scores())


def test_scores_of_other_weights_are_refused() -> None:
    other = Importance(scores().scores, fingerprint=fingerprint(Mlp(seed=9)))
    with pytest.raises(AttributionError, match="was computed for a model with fingerprint"):
        build_profile(Mlp(), rows(200), importance=other)
    own = Importance(scores().scores, fingerprint=fingerprint(Mlp()))
    assert build_profile(Mlp(), rows(200), importance=own).importance.fingerprint


def test_positions_as_neurons_do_not_fit_scores_of_channels() -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.last = nn.Conv2d(1, 2, 3), nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.relu(self.conv(x)).mean((2, 3)))

    x = torch.rand(60, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    given = Importance({"conv": np.array([2.0, 1.0])})
    assert build_profile(Small(), x, importance=given, correct="all")
    with pytest.raises(LayerError, match="read as 18 neurons"):
        build_profile(Small(), x, importance=given, correct="all", reduce="none")


def test_a_model_without_class_scores_needs_none_when_scores_are_given() -> None:
    class Regression(Mlp):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[:, 0]

    profile = build_profile(Regression(), rows(200)[0], importance=scores(), correct="all")
    assert profile.spaces


def test_the_cache_goes_by_the_content_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"

    def obtain() -> Profile:
        settings = from_keywords(importance=path)
        reference = open_reference(rows(60), settings)
        return obtain_profile(Mlp(), reference, settings, cache=tmp_path / "cache")

    scores().save(path)
    assert obtain().origin == "built"
    assert obtain().origin == "cached"
    scores(fc2=np.arange(14.0)).save(path)
    again = obtain()
    assert again.origin == "built"
    assert again.spaces[0].neurons[0] == ("fc2", 13)


def test_a_stored_profile_is_checked_against_the_file(tmp_path: Path) -> None:
    path, kept = tmp_path / "scores.csv", tmp_path / "net.idc"
    scores().save(path)
    built = build_profile(Mlp(), rows(100), importance=path)
    built.save(kept)
    assert Profile.load(kept).importance.source == str(path)
    asked = from_keywords(importance=path)
    assert load_profile(kept, Mlp(), asked).fingerprint == built.fingerprint
    scores(fc2=np.arange(14.0)).save(path)
    with pytest.raises(ProfileError, match="other importance scores for fc2"):
        load_profile(kept, Mlp(), asked)
    path.unlink()
    assert load_profile(kept, Mlp(), asked)
    with pytest.raises(ProfileError, match="importance = "):
        load_profile(kept, Mlp(), from_keywords(importance="other.csv"))


def test_all_neurons_of_a_layer() -> None:
    profile = build_profile(Mlp(), rows(200), m=-1)
    assert len(profile.spaces[0].neurons) == profile.spaces[0].m == 14
    assert from_keywords(m="all").m == from_keywords(m=-1).m == "all"
    report = measure(Mlp(), rows(200), rows(40, seed=3), m="all")
    assert report.criteria["IDC"].total == profile.spaces[0].total()
