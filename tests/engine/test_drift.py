"""New data against a profile, recounted row by row."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.drift_results import DriftReport
from pytest_deepimportance.engine.drift import drift
from pytest_deepimportance.errors import ProfileError, RecordingError
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import from_keywords
from tests.oracles.reference_drift import homogeneity
from tests.oracles.reference_idc import combination
from tests.profile.builders import Mlp, profile_of, rows

MODEL = Mlp()


def compared(data: Any, profile: Profile | None = None) -> DriftReport:
    settings = from_keywords()
    profile = profile_of().with_m(3) if profile is None else profile
    return drift(MODEL, profile, open_reference(data, settings), settings)


def behaviour(x: torch.Tensor, profile: Profile) -> list[tuple[int, ...]]:
    """The combination of each row, from the centroids by hand."""
    (space,) = profile.spaces
    with torch.no_grad():
        values = torch.relu(MODEL.fc2(torch.relu(MODEL.fc1(x)))).double().numpy()
    chosen = values[:, [index for _, index in space.neurons[: space.m]]]
    centroids = [c.centroids.tolist() for c in space.clusterings[: space.m]]
    return [combination(row, centroids) for row in chosen]


def test_every_number_recounted() -> None:
    profile = profile_of(rows(200, wrong=10)).with_m(6)
    x, _ = rows(150, seed=9)
    x = x * 1.5
    report = compared(x, profile)
    (found,) = report.spaces
    before = Counter(behaviour(rows(200)[0], profile))
    now = Counter(behaviour(x, profile))
    assert (found.inputs, found.reach, found.reference_rows) == (150, len(before), 200)
    assert found.exercised_rows == sum(n for c, n in before.items() if c in now)
    assert found.unknown_inputs == sum(n for c, n in now.items() if c not in before)
    assert found.unknown_inputs > 0
    assert found.expected_unknown == sum(n == 1 for n in before.values()) / 200
    every = [*sorted(before), *sorted(set(now) - set(before))]
    wanted = homogeneity([before[c] for c in every], [now[c] for c in every])
    assert wanted is not None
    assert found.chi_square.statistic == pytest.approx(float(wanted[0]))
    assert (found.chi_square.dof, found.chi_square.pooled) == (wanted[1], wanted[3])
    with torch.no_grad():
        classes = Counter(MODEL(x).argmax(1).tolist())
    assert {row.index: row.inputs for row in found.classes if row.inputs} == dict(classes)
    assert sum(row.unknown_inputs for row in found.classes) == found.unknown_inputs
    assert sum(row.exercised_rows for row in found.classes) == found.exercised_rows
    assert report.classes_from == "labels"


def test_the_reference_itself_does_not_drift() -> None:
    (found,) = compared(rows(200)[0]).spaces
    assert (found.exercised_rows, found.unknown_inputs) == (200, 0)
    assert found.expected_share == 1.0
    assert found.chi_square.statistic == 0
    assert found.chi_square.p == 1.0


def test_the_expected_share_is_that_of_random_rows() -> None:
    profile = profile_of(rows(200)).with_m(3)
    x, _ = rows(200)
    generator = np.random.default_rng(0)
    before = behaviour(x, profile)
    drawn = []
    for _ in range(2000):
        chosen = {before[i] for i in generator.choice(200, 20, replace=False)}
        drawn.append(sum(c in chosen for c in before) / 200)
    expected = compared(rows(20, seed=5)[0], profile).spaces[0].expected_share
    assert expected == pytest.approx(np.mean(drawn), abs=0.005)


def test_repeated_inputs_count_once_and_are_said() -> None:
    x, _ = rows(30, seed=3)
    once, twice = compared(x), compared(torch.cat([x, x[:7]]))
    assert once.spaces == twice.spaces
    assert (twice.rows, twice.inputs) == (37, 30)
    assert "7 of 37 rows repeat an input: left out" in twice.notes


def test_more_inputs_than_reference_rows() -> None:
    report = compared(rows(500, seed=3)[0])
    assert report.spaces[0].expected_share is None
    assert any(note.startswith("not comparable: 500 inputs") for note in report.notes)


def test_rows_with_nan_are_left_out_and_said() -> None:
    x, _ = rows(30, seed=3)
    x[4] = float("nan")
    report = compared(x)
    assert report.inputs == 29
    assert any("NaN" in note for note in report.notes)


@pytest.mark.parametrize("count", [1, 2])
def test_at_least_two_inputs(count: int) -> None:
    x = rows(1, seed=3)[0].repeat(count, 1)
    with pytest.raises(RecordingError, match="1 distinct input"):
        compared(x)


def test_a_profile_by_class_has_nothing_to_compare_with() -> None:
    profile = profile_of(rows(200), classes="each").with_m(2)
    with pytest.raises(ProfileError, match="--classes all"):
        compared(rows(30)[0], profile)


def test_every_layer_by_itself() -> None:
    profile = profile_of(rows(200), scope="all").with_m(2)
    assert [space.name for space in compared(rows(30)[0], profile).spaces] == ["fc1", "fc2"]
