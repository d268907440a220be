from __future__ import annotations

import numpy as np
import pytest
import torch

from pytest_deepimportance.errors import SettingsError
from tests.profile.builders import Mlp, profile_of, rows


def test_scopes() -> None:
    layer, every, whole = (profile_of(scope=scope) for scope in ("layer", "all", "global"))
    assert [space.name for space in layer.spaces] == ["fc2"]
    assert [space.name for space in every.spaces] == ["fc1", "fc2"]
    (pooled,) = whole.spaces
    assert (pooled.name, pooled.layer, pooled.scope) == ("global", None, "global")
    assert {name for name, _ in pooled.neurons} == {"fc1", "fc2"}
    assert profile_of(layer="fc1").spaces[0].neurons == every.spaces[0].neurons
    assert profile_of(layer=0).spaces[0].neurons == every.spaces[0].neurons


def test_global_scores_are_compared_layer_by_layer_unless_asked_otherwise() -> None:
    importance = profile_of(scope="global").importance.scores
    shares = sorted(
        ((score / np.abs(scores).sum(), name, index)
         for name, scores in importance.items() for index, score in enumerate(scores)),
        key=lambda item: -item[0],
    )  # fmt: skip
    chosen = [(name, index) for _, name, index in shares[:12]]
    assert list(profile_of(scope="global").spaces[0].neurons) == chosen
    raw = sorted(
        ((score, name, index) for name, scores in importance.items()
         for index, score in enumerate(scores)),
        key=lambda item: -item[0],
    )  # fmt: skip
    found = profile_of(scope="global", normalize="none").spaces[0].neurons
    assert list(found) == [(name, index) for _, name, index in raw[:12]]


def test_each_class_has_importance_and_clusters_of_its_own_rows() -> None:
    x, y = rows(300, wrong=30)
    profile = profile_of((x, y), classes="each", class_names="ape,bee,cat")
    labels = sorted(set(y.tolist()))
    assert [space.class_index for space in profile.spaces] == labels
    assert [space.class_name for space in profile.spaces] == [
        ("ape", "bee", "cat")[label] for label in labels
    ]
    for space in profile.spaces:
        label = space.class_index
        assert label is not None
        own = np.flatnonzero(y.numpy() == label)
        fitted = own[own >= 30]
        assert profile.counts[space.name].rows == len(own)
        assert profile.class_importance[label].rows == len(fitted)
        alone = profile_of((x[fitted], y[fitted]))
        assert alone.spaces[0].neurons == space.neurons
        assert alone.spaces[0].ks == space.ks


@pytest.mark.parametrize(("asked", "index"), [("bee", 1), ("1", 1), (1, 1), ("ape", 0)])
def test_one_class_by_name_or_index(asked: object, index: int) -> None:
    profile = profile_of(rows(300), classes=asked, class_names="ape,bee,cat")
    assert [space.class_index for space in profile.spaces] == [index]


def test_a_class_with_too_few_rows_is_left_out_and_said() -> None:
    x, y = rows(300)
    keep = torch.cat([torch.nonzero(y == 0)[:4, 0], torch.nonzero(y != 0)[:, 0]])
    profile = profile_of((x[keep], y[keep]), classes="each")
    assert [space.class_index for space in profile.spaces] == [1, 2]
    assert any("class 0 is not measured: 4 usable" in note for note in profile.notes)


def test_class_filters_need_labels_and_known_classes() -> None:
    with pytest.raises(SettingsError, match="labels"):
        profile_of(rows(100)[0], classes="each")
    with pytest.raises(SettingsError, match="did you mean bee"):
        profile_of(rows(100), classes="bea", class_names="ape,bee,cat")
    with pytest.raises(SettingsError, match="classes: 0, 1, 2"):
        profile_of(rows(100), classes="7")


@pytest.mark.parametrize("m", [3, 12, 13])
def test_more_neurons_are_clustered_when_m_asks_for_them(m: int) -> None:
    assert len(profile_of(m=m).spaces[0].neurons) == max(12, m)


def test_all_neurons_of_a_narrow_layer() -> None:
    model = Mlp(4, 3, 3)
    profile = profile_of(rows(100, model=model), model)
    assert len(profile.spaces[0].neurons) == 3


def test_fixed_k_and_dropped_zeros() -> None:
    assert set(profile_of(k=3).spaces[0].ks) <= {1, 3}
    kept, dropped = profile_of(), profile_of(zeros="drop")
    assert any(
        one.values > other.values
        for one, other in zip(
            kept.spaces[0].clusterings, dropped.spaces[0].clusterings, strict=True
        )
    )
