"""`--idc-importance FILE` in a pytest run: used, said, refused, kept in a profile."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_deepimportance import Importance
from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    @pytest.mark.idc_suite
    def test_it(idc):
        x, y = suite_points()
        idc(x, labels=y)
"""


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_it.py", TEST)
    save(project)
    return project


def save(project: Project, name: str = "scores.csv", first: int = 5, **more: str) -> None:
    scores = np.arange(8.0)
    scores[first] = 99.0
    Importance({"fc2": scores}, **more).save(project.path / name)  # type: ignore[arg-type]


def first_neuron(project: Project) -> int:
    return int(project.report()["profile"]["spaces"][0]["neurons"][0]["index"])


def test_the_files_scores_choose_the_neurons_and_the_report_says_so(suite: Project) -> None:
    result = suite.run("-v", "--idc-importance=scores.csv")
    result.assert_outcomes(passed=1)
    assert first_neuron(suite) == 5
    info = suite.report()["profile"]["importance"]
    assert info["source"] == "scores.csv"
    assert any("no fingerprint" in note for note in info["notes"])
    assert "importance from scores.csv" in result.stdout.str()
    suite.run()
    assert suite.report()["profile"]["importance"]["source"] == ""


def test_the_ini_files_path_is_beside_it_and_new_content_is_seen(suite: Project) -> None:
    suite.ini("idc_importance = scores.csv")
    suite.run()
    assert first_neuron(suite) == 5
    assert suite.report()["profile"]["origin"] == "built"
    suite.run()
    assert suite.report()["profile"]["origin"] == "cached"
    save(suite, first=2)
    suite.run()
    assert first_neuron(suite) == 2


def test_scores_of_other_weights_stop_the_measurement(suite: Project) -> None:
    save(suite, "other.json", fingerprint="a" * 64)
    result = suite.run("--idc-importance=other.json")
    assert result.ret != 0
    result.stderr.fnmatch_lines(["*other.json was computed for a model with fingerprint aaaa*"])
    assert "deepimportance vote" in result.stderr.str()


def test_an_absent_file_is_named_with_its_neighbours(suite: Project) -> None:
    result = suite.run("--idc-importance=score.csv")
    assert result.ret != 0
    assert "importance file not found: score.csv" in result.stderr.str()
    assert "scores.csv" in result.stderr.str()


def test_workers_read_the_file_too(suite: Project) -> None:
    pytest.importorskip("xdist")
    suite.run_apart("-n", "2", "--idc-importance=scores.csv").assert_outcomes(passed=1)
    assert first_neuron(suite) == 5
