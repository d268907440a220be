"""Slices by context, marker, fixture and per row: coverage, share and accuracy of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.conftest import Project
from tests.oracles import reference_slices as oracle

TESTS = """
import pytest
from net import suite_points

X, Y = suite_points()
Y = Y.clone()
Y[:10] = (Y[:10] + 1) % 3


@pytest.fixture(scope="module")
def shared(idc_model):
    idc_model(X[50:55])


@pytest.mark.idc_suite("a")
def test_context(idc):
    with idc.slice(weather="fog"):
        idc(X[:20], labels=Y[:20])
        with idc.slice(time="night"):
            idc(X[15:30], labels=Y[15:30])


@pytest.mark.idc_suite("a")
def test_rows(idc):
    weather = ["fog", "sun"] * 5
    idc(X[30:40], labels=Y[30:40], slices={"weather": weather, "sensor": [1] * 9 + [2]})


@pytest.mark.idc_suite("b", slice={"weather": "sun", "origin": "lab"})
def test_marker(idc, shared):
    idc(X[40:50], labels=Y[40:50])


@pytest.mark.idc_suite("b")
def test_no_slice(idc, shared):
    idc(X[55:])
"""


def expected_rows() -> list[tuple[int, dict[str, str]]]:
    """(number of the input, its tags), as a reader of the tests above would write them down."""
    rows = [(at, {"weather": "fog"}) for at in range(20)]
    rows += [(at, {"weather": "fog", "time": "night"}) for at in range(15, 30)]
    for at in range(30, 40):
        rows.append(
            (at, {"weather": "sun" if at % 2 else "fog", "sensor": "2" if at == 39 else "1"})
        )
    rows += [(at, {"weather": "sun", "origin": "lab"}) for at in range(40, 55)]
    return rows


def by_key(slices: list[dict[str, Any]]) -> dict[oracle.Key, dict[str, Any]]:
    return {frozenset(row["tags"].items()): row for row in slices}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "xdist"])
def test_slices_are_what_the_slow_twin_counts(project: Project, workers: tuple[str, ...]) -> None:
    project.write("test_net.py", TESTS)
    result = (project.run_apart if workers else project.run)(*workers)
    result.assert_outcomes(passed=4)
    total = project.report()["total"]
    found, wanted = by_key(total["slices"]), oracle.members(expected_rows())
    assert set(found) == set(wanted)
    assert [len(row["tags"]) for row in total["slices"]] == [1] * 6 + [2] * 5
    for key, members in wanted.items():
        row = found[key]
        labelled = {at for at in members if not 50 <= at < 55}
        right = {at for at in labelled if at >= 10}
        counts = (row["inputs"], row["labelled"], row["correct"])
        assert counts == (len(members), len(labelled), len(right)), key
    text = result.stdout.str()
    assert "more (in the JSON report); one input only: sensor=2" in text
    assert "weather=fog      35" in text
    b = next(suite for suite in project.report()["suites"] if suite["name"] == "b")
    assert {key for key in by_key(b["slices"])} == {
        frozenset({("weather", "sun")}),
        frozenset({("origin", "lab")}),
        frozenset({("weather", "sun"), ("origin", "lab")}),
    }


def test_coverage_and_share_of_a_slice_are_those_of_a_suite_of_its_inputs(
    project: Project,
) -> None:
    project.write("test_net.py", TESTS)
    project.run()
    found = by_key(project.report()["total"]["slices"])
    head = TESTS.partition("@pytest.mark")[0]
    for key, members in oracle.members(expected_rows()).items():
        chosen = sorted(members)  # type: ignore[type-var]
        project.write(
            "test_net.py",
            head + f"@pytest.mark.idc_suite\ndef test_it(idc):\n    idc(X[{chosen}])\n",
        )
        project.run()
        row = project.report()["total"]["criteria"]["IDC"]
        names = ("covered", "total", "exercised_rows", "reference_rows")
        assert {n: found[key][n] for n in names} == {n: row[n] for n in names}, key


def test_without_slices_nothing_is_said(project: Project) -> None:
    project.write("test_net.py", TESTS.partition('@pytest.mark.idc_suite("a")')[0] + (
        "@pytest.mark.idc_suite\ndef test_it(idc):\n    idc(X)\n"
    ))  # fmt: skip
    assert "slice" not in project.run("-v").stdout.str().replace("test_without_slices", "")
    assert project.report()["total"]["slices"] == []


@pytest.mark.parametrize(
    ("marker", "hint"),
    [
        ('"a", slice="fog"', "names no slice"),
        ('"a", slice={}', "names no slice"),
        ('"a", slice={"weather": None}', "neither text nor a number"),
    ],
)
def test_a_marker_that_names_no_slice_is_refused(project: Project, marker: str, hint: str) -> None:
    project.write(
        "test_net.py",
        f"import pytest\n\n@pytest.mark.idc_suite({marker})\ndef test_it(idc):\n    pass\n",
    )
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert hint in text
    assert "test_net.py:3" in text


def test_a_column_of_another_length_fails_the_test_before_the_model_runs(project: Project) -> None:
    project.write(
        "test_net.py",
        """
        import pytest
        from net import suite_points

        @pytest.mark.idc_suite
        def test_it(idc):
            idc(suite_points()[0], slices={"weather": ["fog"]})
        """,
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "slice weather has 1 value for 60 rows" in result.stdout.str()
    assert project.report()["total"]["rows"] == 0


def test_a_skipped_test_puts_nothing_into_its_slice(project: Project) -> None:
    project.write(
        "test_net.py",
        """
        import pytest
        from net import suite_points

        @pytest.fixture(scope="module")
        def shared(idc_model):
            idc_model(suite_points()[0])

        @pytest.mark.idc_suite
        def test_all(shared):
            pass

        @pytest.mark.idc_suite(slice={"weather": "fog"})
        def test_skips(shared):
            pytest.skip("no fog today")
        """,
    )
    project.run()
    assert project.report()["total"]["inputs"] == 60
    assert project.report()["total"]["slices"] == []


def test_a_slice_of_rows_that_are_not_finite_is_none(project: Project) -> None:
    project.write(
        "test_net.py",
        """
        import pytest
        from net import suite_points

        @pytest.mark.idc_suite(slice={"weather": "fog"})
        def test_nan(idc):
            idc(suite_points()[0] * float("nan"))
        """,
    )
    project.run()
    report = project.report()
    assert report["exclusions"]["non_finite_rows"] == 60
    assert report["total"]["slices"] == []


def test_an_identifier_is_no_slice(project: Project) -> None:
    project.write(
        "test_net.py",
        """
        import pytest
        from net import suite_points

        @pytest.mark.idc_suite
        def test_it(idc):
            x, _ = suite_points()
            idc(x, slices={"id": list(range(60)), "half": [at // 30 for at in range(60)]})
        """,
    )
    result = project.run("-v")
    assert [row["tags"] for row in project.report()["total"]["slices"]] == [
        {"half": "0"}, {"half": "1"},
    ]  # fmt: skip
    assert "slice id is not shown: it has 60 values, more than 50" in result.stdout.str()


def test_measure_and_record_have_slices_too() -> None:
    import torch

    from pytest_deepimportance import build_profile, measure, record
    from pytest_deepimportance.errors import RecordingError
    from tests.profile.builders import Mlp

    model = Mlp().eval()
    x = torch.randn(200, model.fc1.in_features, generator=torch.Generator().manual_seed(3))
    inputs = x[:30] + 1
    column = np.array(["fog", "sun", "sun"] * 10)
    report = measure(model, x, inputs, correct="all", batch_size=7, slices={"weather": column})
    assert [(row.tags["weather"], row.inputs) for row in report.total.slices] == [
        ("fog", 10), ("sun", 20),
    ]  # fmt: skip
    assert report.total.slices[0].accuracy is None
    assert 0 < (report.total.slices[0].share or 0) < 1
    with pytest.raises(RecordingError, match="5 values, but 30 inputs"):
        measure(model, x, inputs, correct="all", slices={"weather": ["fog"] * 5})
    with record(model, build_profile(model, x, correct="all")) as recording, torch.no_grad():
        with recording.slice(weather="fog"):
            model(inputs[:10])
        model(inputs)
    assert [row.inputs for row in recording.report().total.slices] == [10]


def test_the_page_shows_what_its_tests_print(project: Project) -> None:
    page = (Path(__file__).parents[2] / "docs" / "beside-coverage.md").read_text(encoding="utf-8")
    code = page.partition("<!-- slices -->\n```python\n")[2].partition("```")[0]
    shown = page.partition("<!-- slices screen -->\n```\n")[2].partition("```")[0].splitlines()
    project.write("test_net.py", code)
    lines = project.run("-v").stdout.lines
    start = lines.index(shown[0])
    assert lines[start : start + len(shown)] == shown
