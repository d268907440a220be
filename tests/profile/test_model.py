from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from pytest_deepimportance.errors import LayerError, ProfileError, SettingsError
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import from_keywords
from tests.profile.builders import Mlp, profile_of, rows


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of(rows(200), class_names="ape,bee,cat")


def test_with_m_counts_a_prefix_and_changes_nothing_else(profile: Profile) -> None:
    for m in (1, 5, 12):
        found = profile.with_m(m)
        assert found.fingerprint == profile.fingerprint
        (space,) = found.spaces
        assert (space.m, space.m_from) == (m, "as asked")
        assert space.total() == int(np.prod(space.ks[:m], dtype=object))
        assert found.info().spaces[0].reach == len(
            {tuple(row) for row in profile.counts["fc2"].codes[:, :m].tolist()}
        )


def test_auto_m_leaves_ten_rows_for_each_combination(profile: Profile) -> None:
    found = profile.with_m("auto").spaces[0]
    ks = found.ks
    assert int(np.prod(ks[: found.m])) * 10 <= 200
    assert int(np.prod(ks[: found.m + 1])) * 10 > 200
    assert "lowered from 6" in found.m_from


def test_m_beyond_the_clustered_neurons_of_a_wider_layer(profile: Profile) -> None:
    with pytest.raises(SettingsError, match="clusters for 12 of 14 neurons"):
        profile.with_m(13)
    with pytest.raises(SettingsError, match="clusters for 12 of 24 neurons"):
        profile_of(rows(200), scope="global").with_m(13)


def test_m_beyond_a_narrow_layer_is_lowered_and_said() -> None:
    model = Mlp(4, 3, 3)
    found = profile_of(rows(100, model=model), model).with_m(50).spaces[0]
    assert (found.m, found.m_from) == (3, "lowered from 50: there are only 3 neurons")


def test_settings_that_contradict_the_profile_are_refused(profile: Profile) -> None:
    profile.check_settings(from_keywords(m=3, fail_under="0.5", zeros="keep", k="auto"))
    for name, value in (("zeros", "drop"), ("k", 2), ("scope", "all"), ("preset", "paper"),
                        ("reference_samples", 100), ("correct", "all")):  # fmt: skip
        with pytest.raises(ProfileError, match="was built with") as caught:
            profile.check_settings(from_keywords(**{name: value}))
        assert "profile build" in caught.value.fix


@pytest.mark.parametrize("layer", ["fc2", "1", 1, -1])
def test_the_same_layer_by_another_name_is_no_contradiction(
    profile: Profile, layer: str | int
) -> None:
    profile.check_settings(from_keywords(layer=layer))
    profile_of(rows(60), layer=layer).check_settings(from_keywords(layer="fc2"))


def test_another_layer_is_refused(profile: Profile) -> None:
    with pytest.raises(ProfileError, match="layer = 'fc1' is asked for"):
        profile.check_settings(from_keywords(layer="fc1"))
    with pytest.raises(LayerError, match="fc2"):
        profile.check_settings(from_keywords(layer="fc22"))


def test_a_callable_is_known_by_its_file_and_name(profile: Profile) -> None:
    built = dataclasses.replace(
        profile, settings={**profile.settings, "output": "/home/a/app/head.py:scores"}
    )
    for same in ("head.py:scores", "src/head.py:scores", r"C:\src\head.py:scores"):
        built.check_settings(from_keywords(output=same))
    for other in ("head.py:logits", "tail.py:scores"):
        with pytest.raises(ProfileError, match="output"):
            built.check_settings(from_keywords(output=other))
    built.check_settings(from_keywords(reference_id="only for the cache"))


def test_settings_are_plain_data(profile: Profile) -> None:
    assert json.loads(json.dumps(dict(profile.settings))) == dict(profile.settings)


def test_layers_are_those_that_tests_must_record() -> None:
    assert profile_of(rows(60)).layers == ("fc2",)
    assert profile_of(rows(60), scope="all").layers == ("fc1", "fc2")
    assert profile_of(rows(60), scope="global").layers == ("fc1", "fc2")


def test_class_names(profile: Profile) -> None:
    assert profile.class_names == ("ape", "bee", "cat")
    assert [profile.class_name(index) for index in (0, 2, 3, -1)] == ["ape", "cat", "3", "-1"]


def test_info_shows_neurons_clusters_and_importance(profile: Profile) -> None:
    info = profile.with_m(4).info()
    (row,) = info.spaces
    assert (row.m, row.layer, row.class_name, len(row.neurons)) == (4, "fc2", None, 12)
    assert row.total == int(np.prod([neuron.k for neuron in row.neurons[:4]]))
    assert [neuron.relevance for neuron in row.neurons] == sorted(
        (neuron.relevance for neuron in row.neurons), reverse=True
    )
    assert all(len(neuron.centroids) == neuron.k for neuron in row.neurons)
    assert info.importance.method == "lrp"
    assert info.importance.balance is not None
    assert info.importance.balance < 1e-3
    shares = [layer.share_of_importance or 0.0 for layer in info.layers]
    assert sum(shares) == pytest.approx(1)
