"""DESIGN D1: without a model the plugin costs nothing and says nothing."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

HEAVY = ["torch", "numpy", "captum", "sklearn", "rich", "safetensors", "filelock"]


def test_no_heavy_import_and_no_output_without_a_model(project: Project) -> None:
    project.ini(model="", reference="")
    project.write(
        "test_plain.py",
        f"""
        import sys

        def test_nothing_heavy_is_loaded():
            assert [name for name in {HEAVY!r} if name in sys.modules] == []
        """,
    )
    result = project.pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert "idc" not in result.stdout.str().lower().replace("deepimportance", "")
    assert "neural" not in result.stdout.str().lower()


def test_marker_without_a_model_changes_nothing(project: Project) -> None:
    project.ini(model="", reference="")
    project.write(
        "test_plain.py",
        """
        import sys
        import pytest

        @pytest.mark.idc_suite
        def test_nothing_heavy_is_loaded():
            assert "torch" not in sys.modules
        """,
    )
    result = project.pytester.runpytest_subprocess("--strict-markers")
    result.assert_outcomes(passed=1)
    assert "Importance" not in result.stdout.str()


def test_active_without_a_marked_test_loads_no_model(project: Project) -> None:
    project.write(
        "test_plain.py",
        """
        import sys

        def test_nothing_heavy_is_loaded():
            assert "torch" not in sys.modules
            assert "net" not in sys.modules
        """,
    )
    result = project.pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert [line for line in result.outlines if line.startswith("idc: model net:Net")]
    assert "Importance-Driven" not in result.stdout.str()


def test_no_idc_wins_and_fixtures_keep_working(project: Project) -> None:
    project.write(
        "test_marked.py",
        """
        import pytest
        from net import suite_points

        @pytest.mark.idc_suite
        def test_it(idc):
            x, y = suite_points()
            assert idc(x, labels=y).shape == (60, 3)
            with idc.paused():
                idc.model(x)
        """,
    )
    result = project.run("--no-idc", "--idc-fail-under", "0.99")
    result.assert_outcomes(passed=1)
    assert "Importance" not in result.stdout.str()
    assert not [line for line in result.outlines if line.startswith("idc")]


@pytest.mark.parametrize("option", ["--help", "--markers", "--fixtures"])
def test_listed_where_pytest_lists_things(project: Project, option: str) -> None:
    result = project.pytester.runpytest_inprocess(option)
    assert result.ret == 0
    assert "idc" in result.stdout.str()


def test_collect_only_loads_no_model(project: Project) -> None:
    project.write(
        "test_marked.py",
        """
        import pytest

        @pytest.mark.idc_suite
        def test_it(idc):
            raise AssertionError
        """,
    )
    project.ini(model="absent.pth")
    result = project.pytester.runpytest_inprocess("--collect-only", "-q")
    assert result.ret == 0
