"""Criteria of a user's conftest that fail at the end of the session: one clear failed report."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project
from tests.integration.test_criteria import TEST, text_of
from tests.integration.test_own_criteria import TOY, _forget_own_criteria

__all__ = ["_forget_own_criteria"]
COMPUTE = "return (CriterionRow(self.name, self.unit, int(self.seen.sum()), len(self.seen)),)"
CASES = {
    "compute raises": (COMPUTE, "return 1 / 0", "raised ZeroDivisionError: division by zero ("),
    "merge raises": ("self.seen |= other.seen", "1 / 0", "raised ZeroDivisionError: division by"),
    "no rows": (COMPUTE, "return 0.5", "compute() of criterion POS returned a float, not rows"),
    "too many": (
        COMPUTE, "return (CriterionRow(self.name, self.unit, 5, 1),)",
        "compute() of criterion POS covers 5 of 1 items",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_criterion_that_fails_at_the_end_is_a_failed_report(project: Project, case: str) -> None:
    code, fault, said = CASES[case]
    project.write("test_it.py", TEST)
    project.write("conftest.py", TOY.replace(code, fault))
    result = project.run("--junitxml=junit.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes() == {"passed": 4, "failed": 1}
    assert any(line.startswith("FAILED idc::report - ") for line in result.outlines)
    assert said in text_of(result)
    assert ("conftest.py:" in text_of(result)) == ("raised" in said)
    assert 'failures="1"' in (project.path / "junit.xml").read_text()
