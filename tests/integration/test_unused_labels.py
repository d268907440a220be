"""What comes as labels and holds no classes is not used, and every place says so."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import pytest_deepimportance as idc
from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.engine.measured_data import measure_data
from pytest_deepimportance.settings import Settings
from tests.integration.conftest import Project
from tests.profile.builders import Mlp, rows

X, Y = rows(40, seed=2)
WHY = "holds no classes, which are whole numbers, one a row (y.long() where these are classes)"

FORMS = {
    "a tensor (40,) float64": Y.double(),
    "a list of 40 strs": [str(int(y)) for y in Y],
    "a tensor (40, 1) float32": Y[:, None].float(),
}


@pytest.mark.parametrize("what", FORMS)
def test_measured_inputs(what: str) -> None:
    report = idc.measure(Mlp(), rows(200), (X, FORMS[what]))
    assert report.total.labelled == 0
    assert report.notes == (f"the labels given are not used: {what} {WHY}",)
    profile = idc.build_profile(Mlp(), rows(200))
    data = open_reference((X, FORMS[what]), Settings())
    suites = measure_data(Mlp(), profile, {"a": data}, Settings())
    assert f"a: the labels given are not used: {what} {WHY}" in suites.notes


def test_a_reference_of_floats_is_fitted_whole_and_says_why() -> None:
    x, y = rows(200)
    profile = idc.build_profile(Mlp(), (x, y.float()))
    assert (profile.reference.labelled, profile.reference.fitted) == (False, 200)
    (note,) = profile.reference.notes
    assert note.endswith(f"are not used: a tensor (200,) float32 {WHY}")
    assert any("the reference has no class labels" in text for text in profile.notes)


@pytest.mark.parametrize("source", [X, (X, Y), (X, None), {"x": X, "label": Y}], ids=str)
def test_nothing_is_said_where_nothing_was_dropped(source: Any) -> None:
    data = open_reference(source, Settings())
    assert sum(call.rows for call in data.batches(16)) == 40
    assert (data.unused, data.notes) == ("", [])


def test_a_file_says_it_too(tmp_path: Any) -> None:
    import numpy as np

    from pytest_deepimportance.data.references_by_spec import load_reference

    np.savez(tmp_path / "a.npz", x=X.numpy(), y=torch.rand(40).numpy())
    data = load_reference(str(tmp_path / "a.npz"), Settings())
    assert [call.labels for call in data.batches(64)] == [None]
    assert data.unused == "an array (40,) float32"


def test_a_batch_of_the_fixture(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        from net import suite_points
        X, Y = suite_points()

        def test_it(idc):
            idc((X, Y.double()))
            idc((X[:5], Y[:5]))
        """,
    )
    project.run().assert_outcomes(passed=1)
    report = project.report()
    assert report["total"]["labelled"] == 5
    assert any(
        text.startswith("1 pass came with unused labels: a tensor (60,) float64 holds no classes")
        for text in report["exclusions"]["details"]
    )
