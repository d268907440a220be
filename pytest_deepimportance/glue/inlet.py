"""Where the reports of tests arrive; heavy modules are imported once a test recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_deepimportance.glue.failing import fail
from pytest_deepimportance.glue.keys import runs_nothing
from pytest_deepimportance.glue.unjudged import (
    COLLECTED,
    Collected,
    collected_here,
    failure,
    may_fail,
    reason,
    sentence,
)
from pytest_deepimportance.settings import Settings

if TYPE_CHECKING:
    from pytest_deepimportance.glue.collector import Collector


class Inlet:
    """Listens on the process that sees every report; imports nothing until a test recorded."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._collector: Collector | None = None
        self._crashed: list[str] = []
        self._workers: list[Collected] = []
        self._said = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test recorded off its report: serial runs and xdist use the same path.

        First, so that no plugin that writes reports down (pytest-reportlog) meets it.
        """
        payload = getattr(report, "idc", None)
        if str(report.when) == "???":  # pytest-xdist's own, for a worker that crashed
            self._crashed.append(report.nodeid)
        if payload is None:
            return
        if self._collector is None:
            from pytest_deepimportance.glue.collector import Collector

            self._collector = Collector(self._config, self._settings)
        self._collector.add(report, payload)
        del report.idc  # pytest keeps every report to its end

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hear from a worker of pytest-xdist which marked tests it collected."""
        told = getattr(node, "workeroutput", {}).get(COLLECTED)
        if told is not None:
            self._workers.append(Collected(*told))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Judge the gate before the JUnit file and the last line are written."""
        misspelled = next((told.misspelled for told in self._workers if told.misspelled), "")
        if misspelled:
            fail(session, [("idc::marks", misspelled)])
        if self._collector is not None:
            from pytest_deepimportance.glue.finish import finish

            self._collector.crashed = self._crashed
            finish(self._collector, session, exitstatus)
            if self._collector.ran or self._collector.reports:
                return
        if not runs_nothing(self._config):
            self._finish_without_a_number(session)

    def _finish_without_a_number(self, session: pytest.Session) -> None:
        """Fail what would look like a gate that was passed, or say that none was judged."""
        found = self._collected()
        if found is None:
            return
        why, meant = reason(self._config, self._settings, found)
        thresholds = self._settings.fail_under
        if thresholds and not meant and may_fail(self._settings, session):
            fail(session, [failure(thresholds, why)])
        else:
            self._said = sentence(self._settings, why) or found.skipped

    def _collected(self) -> Collected | None:
        """Return what was collected; None where workers crashed before they could tell."""
        if not self._config.pluginmanager.hasplugin("dsession"):
            return collected_here(self._config)
        return max(self._workers, key=lambda told: told.marked, default=None)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the coverage screen, or why nothing was measured."""
        if self._said:
            terminalreporter.write_line(f"idc: {self._said}", yellow=True)
        if self._collector is not None:
            from pytest_deepimportance.glue.finish import summarise

            summarise(self._collector, terminalreporter)
