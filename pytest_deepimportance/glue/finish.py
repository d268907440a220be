"""The end of a session: judge the gate, write reports, print the screen."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest
from _pytest.junitxml import xml_key

from pytest_deepimportance import gating
from pytest_deepimportance.errors import IdcError, ReportError
from pytest_deepimportance.glue.collection import RECORDING
from pytest_deepimportance.glue.collector import Collector
from pytest_deepimportance.glue.thresholds import session_thresholds, suite_thresholds
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.reporting import base, junit, terminal, writing
from pytest_deepimportance.reporting.audit.reproduce import Invocation
from pytest_deepimportance.reporting.destinations import JUNIT, TERM_MISSING, destinations
from pytest_deepimportance.reporting.gate_hint import GREETING
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.traceability import requirement_rows

_CACHED_COUNT = "idc/marked"
_CACHED_HINT = "idc/gate-hint"

_NOT_TOLD = ("session", "lfplugin", "stepwiseplugin", "dsession", "terminalreporter")
"""Plugins that must not hear of the gate's report: they would take it for a test that failed and
remember it, stop at it, count it a second time, or print progress beyond 100 %."""


def finish(collector: Collector, session: pytest.Session, exitstatus: int) -> None:
    """Make the reports, judge the gate, and turn each unmet threshold into a failed report."""
    run = run_info(collector, session, exitstatus)
    recording = collector.config.stash.get(RECORDING, None)
    own: dict[str, Profile] = {}
    if recording is not None:
        own = {watch.profile.fingerprint: watch.profile for watch in recording.watches}
    try:
        reports = [_judged(report, collector) for report in collector.finish(run, own)]
    except IdcError as error:
        _fail(session, [("idc::report", str(error))])
        collector.complaints.append(f"nothing to show: {error.what}")
        return
    collector.reports = reports
    for report in reports:
        session.config.hook.pytest_idc_report(report=report)
    failed = [gate for report in reports for gate in report.gates if gate.status == "failed"]
    if failed and int(exitstatus) in (0, 1) and run.complete:
        _fail(
            session,
            [(f"idc::{gate.suite}::{gate.threshold}", gate.message) for gate in failed],
        )
    write_files(collector, reports)


def run_info(collector: Collector, session: pytest.Session, exitstatus: int) -> RunInfo:
    """Return how much of the suite ran, and why it stopped early if it did."""
    because = ""
    if int(exitstatus) not in (0, 1):
        because = f"the run ended with exit status {int(exitstatus)}"
    if session.shouldstop or session.shouldfail:
        because = str(session.shouldstop or session.shouldfail)
    collected, deselected = _marked(collector)
    return RunInfo(
        marked_collected=collected,
        marked_ran=len(collector.ran),
        deselected=deselected,
        complete=not because,
        incomplete_because=because,
    )


def _marked(collector: Collector) -> tuple[int, int]:
    """Return how many marked tests there are, and how many of them were left out.

    `--lf` drops tests while it collects, without telling anybody; the number of the last run
    without it is remembered in pytest's cache.
    """
    collected, deselected = collector.marked
    cache = getattr(collector.config, "cache", None)
    if cache is None:
        return collected, deselected
    if not collector.config.getoption("lf", False):
        cache.set(_CACHED_COUNT, collected)
        return collected, deselected
    before = max(int(cache.get(_CACHED_COUNT, 0)), collected)
    return before, deselected + before - collected


def _judged(report: Report, collector: Collector) -> Report:
    thresholds = [
        *session_thresholds(collector.settings),
        *suite_thresholds(collector.suites.values()),
    ]
    known = {suite.name for suite in report.suites}
    own = [t for t in thresholds if t.origin != "marker" or t.suite in known]
    gates = gating.judge(report, own, partial=collector.settings.partial)
    remarks = tuple(base.notes(report, every=True))
    judged = dataclasses.replace(report, gates=gates, remarks=remarks)
    return dataclasses.replace(judged, requirements=requirement_rows(judged))


def _fail(session: pytest.Session, failed: list[tuple[str, str]]) -> None:
    """Report failures of ours, as (node id, message), where those of tests are reported."""
    manager = session.config.pluginmanager
    silent = [manager.getplugin(name) for name in _NOT_TOLD]
    caller = manager.subset_hook_caller(
        "pytest_runtest_logreport", remove_plugins=[p for p in silent if p is not None]
    )
    reporter = manager.getplugin("terminalreporter")
    for nodeid, message in failed:
        report = pytest.TestReport(
            nodeid=nodeid,
            location=("idc", None, nodeid),
            keywords={},
            outcome="failed",
            longrepr=message,
            when="call",
        )
        caller(report=report)
        if reporter is not None:
            reporter.stats.setdefault("failed", []).append(report)
        session.testsfailed += 1
    session.exitstatus = pytest.ExitCode.TESTS_FAILED


def write_files(collector: Collector, reports: list[Report]) -> None:
    """Write the report files asked for by --idc-report; a file that cannot be written is said."""
    started = collector.config.invocation_params
    command = ("python", "-m", "pytest", *map(str, started.args))
    for wanted in collector.settings.report if reports else ():
        try:
            for destination in destinations([wanted], "--idc-report"):
                if destination.kind == JUNIT and destination.path is None:
                    _into_pytests_junit(collector.config, reports)
                elif not destination.on_screen:
                    writing.write(destination, reports, Invocation(command, started.dir))
        except (ReportError, OSError) as error:
            collector.complaints.append(f"report {wanted} was not written: {error}")


def _into_pytests_junit(config: pytest.Config, reports: list[Report]) -> None:
    """Add the numbers to the file of `--junitxml` (thresholds are cases of it anyway).

    Raises:
        ReportError: There is no such file.
    """
    log = config.stash.get(xml_key, None)
    if log is None:
        raise ReportError(
            "there is no JUnit file to add to",
            fix="Add --junitxml=PATH, or give a file of its own: --idc-report=junit:PATH",
        )
    for name, value in junit.properties(reports):
        log.add_global_property(name, value)


def _nothing(collector: Collector, reporter: Any) -> str:
    """Say that there is no profile, why, and what is missing because of it."""
    skipped = not (reporter.stats.get("error") or reporter.stats.get("failed"))
    why = "every marked test was skipped" if skipped else "see the errors above"
    gate = "; the gate is not judged" if collector.settings.fail_under else ""
    file = "; no report was written" if collector.settings.report else ""
    return f"nothing measured: no marked test got as far as a profile ({why}){gate}{file}"


def summarise(collector: Collector, reporter: Any) -> None:
    """Print the screen at the end of the session."""
    if not collector.reports:
        if collector.ran:
            said = collector.complaints or [_nothing(collector, reporter)]
            for sentence in said:
                reporter.write_line(f"idc: {sentence}", yellow=True)
        return
    lines = terminal.render(
        collector.reports,
        width=reporter._tw.fullwidth,
        color=reporter._tw.hasmarkup and "NO_COLOR" not in os.environ,
        verbosity=collector.config.option.verbose,
        hint=_wants_hint(collector),
        missing=TERM_MISSING in collector.settings.report,
    )
    _remember_hint(collector, lines)
    lines += [f"idc: {complaint}" for complaint in collector.complaints]
    reporter.ensure_newline()
    for line in lines:
        reporter.write_line(line)


def _wants_hint(collector: Collector) -> bool:
    """Whether nobody set a threshold, and nobody was told yet how to find one."""
    if len(collector.reports) != 1 or collector.settings.fail_under:
        return False
    if any(suite.fail_under for suite in collector.suites.values()):
        return False
    cache = getattr(collector.config, "cache", None)
    return cache is None or not cache.get(_CACHED_HINT, False)


def _remember_hint(collector: Collector, lines: list[str]) -> None:
    cache = getattr(collector.config, "cache", None)
    if cache is not None and any(line.startswith(GREETING) for line in lines):
        cache.set(_CACHED_HINT, True)
