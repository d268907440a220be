"""docs/extending.md: its project runs as it stands, its Python prints what stands below it."""

from __future__ import annotations

import contextlib
import io
import json
import re

import pytest

from tests.examples.sessions import DOCS, FILE

PAGE = (DOCS / "extending.md").read_text(encoding="utf-8")


@pytest.fixture
def _forget_own_criteria(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_deepimportance.criteria import base

    base.names()
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))


@pytest.mark.usefixtures("_forget_own_criteria")
def test_the_project_runs_with_all_of_its_extensions(pytester: pytest.Pytester) -> None:
    for how, name, content in FILE.findall(PAGE):
        with (pytester.path / name).open("w" if how == "file" else "a", encoding="utf-8") as file:
            file.write(content)
    result = pytester.runpytest_inprocess("--idc-report=json:idc.json")
    result.assert_outcomes(passed=1)
    report = json.loads((pytester.path / "idc.json").read_text())["reports"][0]
    total = report["total"]
    assert (total["labelled"], total["inputs"]) == (200, 200)
    quiet = total["criteria"]["QUIET"]
    assert 0.5 <= quiet["covered"] / quiet["total"] <= 1
    assert [gate["status"] for gate in report["gates"]] == ["ok", "ok"]
    idc = total["criteria"]["IDC"]
    said = (pytester.path / "share.txt").read_text()
    assert said == f"{idc['exercised_rows'] / idc['reference_rows']:.1%} of 500, unmet: 0\n"


def test_the_python_prints_what_stands_below_it() -> None:
    code = re.findall(r"<!-- python: (\w+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    wanted = dict(re.findall(r"<!-- python: (\w+) printed -->\n```\n(.*?)```", PAGE, re.DOTALL))
    names: dict[str, object] = {}
    for name, block in code:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, f"docs/extending.md, {name}", "exec"), names)
        assert printed.getvalue() == wanted.pop(name)
    assert not wanted
