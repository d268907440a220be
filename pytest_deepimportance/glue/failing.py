"""Failures of ours, told where those of tests are told."""

from __future__ import annotations

import pytest

_NOT_TOLD = ("session", "lfplugin", "stepwiseplugin", "dsession", "terminalreporter")
"""Plugins that must not hear of the gate's report: they would take it for a test that failed and
remember it, stop at it, count it a second time, or print progress beyond 100 %."""


def fail(session: pytest.Session, failed: list[tuple[str, str]]) -> None:
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
