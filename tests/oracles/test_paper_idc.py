"""Our whole pipeline against values computed straight from the paper's definition.

shared/oracles/idc: LeNet-1 and LeNet-5 of the DeepImportance paper on all of MNIST, all classes
together and each class by itself, zeros kept and dropped. Nothing there comes from our code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pytest_deepimportance.engine.measuring import record
from pytest_deepimportance.engine.profiles import build_profile
from pytest_deepimportance.profile.model import Profile
from tests.oracles import paper

M = (6, 8, 10, 12)
CASES = [
    (net, zeros, classes)
    for net in ("lenet1", "lenet5")
    for zeros in ("keep", "drop")
    for classes in ("all", "each")
]
Measured = tuple[Profile, dict[int, Any]]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(case))
def measured(request: pytest.FixtureRequest) -> tuple[str, str, str, Profile, dict[int, Any]]:
    """Profile on the 60,000 training images, then the 10,000 test images, once per case."""
    net, zeros, classes = request.param
    model = paper.lenet(net)
    profile = build_profile(
        model, paper.mnist("train"), zeros=zeros, classes=classes, m=12, preset="paper"
    )
    reports = {}
    x, y = paper.mnist("test")
    with record(model, profile) as recording, torch.no_grad():
        for at in range(0, len(x), 1000):
            model(x[at : at + 1000])
        recording.labels(y)
        for m in M:
            recording.profile = profile.with_m(m)
            reports[m] = recording.report()
    return net, zeros, classes, profile, reports


def scopes(classes: str) -> list[str]:
    return ["all"] if classes == "all" else [str(c) for c in range(10)]


def test_importance_neurons_clusters(
    measured: tuple[str, str, str, Profile, dict[int, Any]],
) -> None:
    net, zeros, classes, profile, _ = measured
    arrays = paper.expected_arrays()
    variant = "zeros_kept" if zeros == "keep" else "zeros_dropped"
    for scope, space in zip(scopes(classes), profile.spaces, strict=True):
        oracle = paper.expected()[net]["scopes"][scope]
        importance = profile.importance if scope == "all" else profile.class_importance[int(scope)]
        wanted = arrays[f"{net}_{scope}_importance"]
        assert importance.rows == oracle["n_train"]
        (scores,) = importance.scores.values()
        np.testing.assert_allclose(scores, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
        assert [index for _, index in space.neurons] == oracle["top"]
        np.testing.assert_allclose(space.scores, oracle["importance_top"], rtol=1e-5)
        for ours, theirs in zip(
            space.clusterings, oracle["variants"][variant]["neurons"], strict=True
        ):
            assert ours.k == theirs["k"]
            np.testing.assert_allclose(ours.centroids, theirs["centroids"], rtol=1e-5)


@pytest.mark.parametrize("m", M)
def test_totals_and_covered(
    measured: tuple[str, str, str, Profile, dict[int, Any]], m: int
) -> None:
    net, zeros, classes, _, reports = measured
    variant = "zeros_kept" if zeros == "keep" else "zeros_dropped"
    report = reports[m]
    for scope, space in zip(scopes(classes), report.profile.spaces, strict=True):
        oracle = paper.expected()[net]["scopes"][scope]
        wanted = oracle["variants"][variant]["result"][str(m)]
        row = report.criteria["IDC" if scope == "all" else f"IDC:{scope}"]
        assert (row.total, row.covered) == (wanted["INCC"], wanted["covered"]), scope
        assert space.fit_reached == wanted["train_reached"], scope
        assert row.inputs == oracle["n_test"], scope
        assert [neuron.k for neuron in space.neurons[:m]] == wanted["k"]


def test_mean_over_classes_is_the_papers_number(
    measured: tuple[str, str, str, Profile, dict[int, Any]],
) -> None:
    net, zeros, classes, _, reports = measured
    if classes == "all":
        assert reports[12].criteria["IDC"].details["fit_reached"] == (
            reports[12].profile.spaces[0].fit_reached
        )
        return
    variant = "zeros_kept" if zeros == "keep" else "zeros_dropped"
    for m in M:
        mean = reports[m].criteria["IDC"].details["mean"] * 100
        wanted = paper.expected()[net]["per_class_mean"][variant][str(m)]["idc_percent"]
        assert mean == pytest.approx(wanted, abs=1e-9)
