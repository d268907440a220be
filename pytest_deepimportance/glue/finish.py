"""The end of a session: judge the gate, write reports, print the screen."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from _pytest.junitxml import xml_key

from pytest_deepimportance import __version__
from pytest_deepimportance.engine.gates import unsteady
from pytest_deepimportance.engine.stored import reports_of
from pytest_deepimportance.errors import DataFileError, IdcError, ReportError
from pytest_deepimportance.gating import SHARD
from pytest_deepimportance.glue.collector import Collector
from pytest_deepimportance.glue.compared import with_comparison
from pytest_deepimportance.glue.failing import fail
from pytest_deepimportance.glue.gathered import gathered
from pytest_deepimportance.glue.markers import Suite
from pytest_deepimportance.glue.places import UNWRITTEN, as_shown, data_path
from pytest_deepimportance.glue.thresholds import session_thresholds, suite_thresholds
from pytest_deepimportance.glue.unjudged import GATE, failure, may_fail, sentence
from pytest_deepimportance.reporting import junit, terminal, writing
from pytest_deepimportance.reporting.audit.reproduce import Invocation
from pytest_deepimportance.reporting.destinations import JUNIT, TERM_MISSING, destinations
from pytest_deepimportance.reporting.gate_hint import GREETING
from pytest_deepimportance.reporting.judged import judged
from pytest_deepimportance.results import Report
from pytest_deepimportance.store.content import Content
from pytest_deepimportance.store.datafile import write

_CACHED_HINT = "idc/gate-hint"


def finish(collector: Collector, session: pytest.Session, exitstatus: int) -> None:
    """Make the reports, judge the gate, and turn each unmet threshold into a failed report."""
    with _without_collections():
        _finish(collector, session, exitstatus)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Put off the search for garbage: ten thousand states are made, and all of them stay."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _finish(collector: Collector, session: pytest.Session, exitstatus: int) -> None:
    collector.settle()
    if collector.foreign:
        fail(session, [("idc::workers", _of_foreign(collector.foreign))])
    try:
        content, profiles = gathered(collector, session, exitstatus)
        thresholds = [
            *session_thresholds(collector.settings),
            *suite_thresholds(Suite.from_wire(suite) for suite in content.run.suites.values()),
        ]
        shown = as_shown(collector.settings, collector.config)
        partial = SHARD if collector.settings.shard else collector.settings.partial
        found = reports_of(content, shown, profiles)
        reports = judged(found, thresholds, partial, unsteady())
        reports = with_comparison(reports, content, profiles, collector)
    except IdcError as error:
        fail(session, [("idc::report", str(error))])
        collector.complaints.append(f"nothing to show: {error.what}")
        return
    collector.reports = reports
    for report in reports:
        session.config.hook.pytest_idc_report(report=report)
    failed = [gate for report in reports for gate in report.gates if gate.status == "failed"]
    if failed and int(exitstatus) in (0, 1) and reports[0].run.complete:
        fail(
            session,
            [(f"idc::{gate.suite}::{gate.threshold}", gate.message) for gate in failed],
        )
    if not reports and collector.ran:
        _fail_unjudged(collector, session)
    write_files(collector, reports)
    write_data(collector, session, content)


def _of_foreign(workers: Mapping[str, str]) -> str:
    found = ", ".join(f"{worker}: {version}" for worker, version in sorted(workers.items()))
    return (
        f"workers with another version of pytest-deepimportance than {__version__}: {found}\n"
        "What their tests recorded cannot be read.\n"
        "Install the same version everywhere."
    )


def write_data(collector: Collector, session: pytest.Session, content: Content) -> None:
    """Write the data file; a file that cannot be written fails the session, as lost data do."""
    path = data_path(collector.config, collector.settings)
    if path is None or not content.profiles:
        return
    try:
        write(content, path)
    except DataFileError as error:
        fail(session, [("idc::data-file", f"{error.what}\n{UNWRITTEN}")])
        collector.complaints.append(error.what)


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


def _silence(collector: Collector, reporter: Any) -> str:
    """Say that there is no profile, why, and what is missing because of it."""
    why = _nothing(reporter)
    return sentence(collector.settings, why) or why


def _nothing(reporter: Any) -> str:
    """Say that there is no profile, and why."""
    failed = [one for one in reporter.stats.get("failed", ()) if one.nodeid != GATE]
    skipped = not (reporter.stats.get("error") or failed)
    why = "every marked test was skipped" if skipped else "see the errors above"
    return f"nothing measured: no marked test got as far as a profile ({why})"


def _fail_unjudged(collector: Collector, session: pytest.Session) -> None:
    """Fail a session that would look as if thresholds were met of which none was judged."""
    settings = collector.settings
    thresholds = [*settings.fail_under]
    thresholds += [f"{s.name}/{t}" for s in collector.suites.values() for t in s.fail_under]
    if thresholds and settings.missing == "fail" and may_fail(settings, session):
        fail(session, [failure(thresholds, "every marked test was skipped")])


def summarise(collector: Collector, reporter: Any) -> None:
    """Print the screen at the end of the session."""
    if not collector.reports:
        if collector.ran:
            said = collector.complaints or [_silence(collector, reporter)]
            for line in said:
                reporter.write_line(f"idc: {line}", yellow=True)
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
