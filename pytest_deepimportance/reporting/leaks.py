"""What to say of test inputs that are in the reference too."""

from __future__ import annotations

import dataclasses

from pytest_deepimportance.formatting import clean, count, listed, plural
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import measured
from pytest_deepimportance.results import Report


def leak(report: Report) -> str:
    """Say how many inputs are in the reference too, and the number without them; or nothing."""
    total, found = report.total, report.total.leaks
    if found is None or not found.inputs:
        return ""
    reference = "the reference"
    if report.reference.sampled:
        reference = f"the {plural(report.reference.rows, 'reference input')} that were read"
    are = "is" if found.inputs == 1 else "are"
    of = f"{count(found.inputs)} of {plural(total.inputs, 'input')}"
    text = f"{of}{_suites(report)} {are} in {reference} too"
    if found.inputs == total.inputs:
        return f"{text}: none is left without"
    name = next(row.criterion for row in total.criteria.values())
    shown = measured.value_text(headline(dataclasses.replace(total, criteria=found.criteria), name))
    of_all = measured.value_text(headline(total, name))
    them = "it" if found.inputs == 1 else "them"
    return f"{text}; without {them} {measured.shown_name(name)} {shown} instead of {of_all}"


def _suites(report: Report) -> str:
    """Name the suites they are in, where there are several."""
    leaky = [suite for suite in report.suites if suite.leaks is not None and suite.leaks.inputs]
    if len(report.suites) < 2:
        return ""
    return f" ({listed([f'{clean(s.name)} {count(s.leaks.inputs)}' for s in leaky if s.leaks], 3)})"
