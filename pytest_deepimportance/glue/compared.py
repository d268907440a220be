"""The reports of a session beside those of an earlier run (`idc_compare`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_deepimportance.compare_gate import judge, tolerances
from pytest_deepimportance.engine.comparing import compare
from pytest_deepimportance.engine.one_run import opened
from pytest_deepimportance.glue.collector import Collector
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.reporting.base import SHORT_MODEL, model_names
from pytest_deepimportance.reporting.judged import about_model
from pytest_deepimportance.results import GateOutcome, Report
from pytest_deepimportance.store.content import Content
from pytest_deepimportance.store.datafile import read

_HERE = "this run"


def with_comparison(
    reports: Sequence[Report],
    content: Content,
    profiles: Mapping[str, Profile],
    collector: Collector,
) -> list[Report]:
    """Return the reports with what changed, and a gate for each tolerance.

    With `idc_missing = skip` a file that is not there is said, and nothing is judged.

    Raises:
        DataFileError: The earlier run measured nothing that this one did.
    """
    settings = collector.settings
    if settings.compare is None or not reports:
        return list(reports)
    path = Path(settings.compare)
    if settings.missing == "skip" and not path.exists():
        collector.complaints.append(f"not compared: {path} does not exist")
        return list(reports)
    before = opened(path.name, read(path))
    after = opened(_HERE, content, settings, profiles, reports)
    found = {comparison.after.profile: comparison for comparison in compare(before, after)}
    given = tolerances(settings.compare_fail, criteria=None)
    everywhere = {change.suite for comparison in found.values() for change in comparison.changes}
    result = []
    for report, name in zip(reports, model_names(reports, SHORT_MODEL), strict=True):
        comparison = found.get(report.profile.fingerprint)
        gates: tuple[GateOutcome, ...] = ()
        if comparison is not None:
            suites = {change.suite for change in comparison.changes}
            # Of several models, a suite is compared where it ran.
            here = [t for t in given if t.suite in suites or t.suite not in everywhere]
            gates = about_model(judge(comparison, here), name, reports)
        elif given:
            collector.complaints.append(f"not compared: {path.name} does not hold the model {name}")
        gates = (*report.gates, *gates)
        result.append(dataclasses.replace(report, comparison=comparison, gates=gates))
    return result
