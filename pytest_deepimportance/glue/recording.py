"""Recording inside pytest: which block a forward pass belongs to, from set-up to call report.

Registered as `idc_session` in every process that runs tests. It keeps the hooks on the model only
while tests or their fixtures run, opens a block for each marked test and each fixture instance, and
puts what a test recorded on its own call report, where serial runs and xdist find it alike.
"""

from __future__ import annotations

import textwrap
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.errors import IdcError
from pytest_deepimportance.glue.blocks import FixtureLedger
from pytest_deepimportance.glue.markers import REQUIREMENTS, SLICE, SUITE, Suite
from pytest_deepimportance.glue.progress import uncaptured
from pytest_deepimportance.glue.thresholds import sentences_before_tests
from pytest_deepimportance.glue.watch import Watch
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings

_SILENT_FIXTURES = frozenset({"idc_model", "idc_reference", "idc_profile", "idc", "request"})
WATCH = pytest.StashKey[Watch]()
"""On an item: the watch of its own model and reference."""


class Recording:
    """The recording side of a session.

    Args:
        marked: The suite of each marked test collected, before any is deselected.
    """

    def __init__(self, config: pytest.Config, settings: Settings, marked: Sequence[Suite]) -> None:
        self.config = config
        self.settings = settings
        self.marked_collected = len(marked)
        self.suites = {suite.name: suite for suite in marked}
        self.marked_deselected = 0
        self.unmarked_tests = 0
        self.watches: list[Watch] = []
        self.failures: dict[tuple[int, int], IdcError] = {}
        self.ledger = FixtureLedger()
        self._stack: list[tuple[str, str]] = []
        self._attached = False

    # --- collection -------------------------------------------------------------------------

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count marked tests that -k, -m or --lf left out."""
        self.marked_deselected += sum(SUITE in item.stash for item in items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Build the profile before the first test when it needs no user fixture."""
        from pytest_deepimportance.glue.resources import prepare_from_specs

        selected = [item for item in session.items if SUITE in item.stash]
        if selected:
            prepare_from_specs(self, selected)

    # --- watches ----------------------------------------------------------------------------

    def add_watch(self, watch: Watch) -> None:
        """Start watching a model, also in the middle of a test's set-up."""
        self.watches.append(watch)
        if self._attached:
            watch.recorder.attach()
            self._point()

    @contextmanager
    def suspended(self) -> Generator[None, None, None]:
        """Keep every hook off the models while a profile is computed with them."""
        attached = self._attached
        for watch in self.watches:
            watch.recorder.detach()
        try:
            yield
        finally:
            if attached:
                self._attach(recording=True)

    def say_before_tests(self, profile: Profile) -> None:
        """Say as soon as the profile exists which thresholds can never be met."""
        if hasattr(self.config, "workerinput"):
            return
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        lines = sentences_before_tests(profile, self.settings, self.suites)
        if reporter is None or not lines:
            return
        with uncaptured(self.config):
            reporter.ensure_newline()
            for line in lines:
                for part in textwrap.wrap(f"idc: {line}", reporter._tw.fullwidth - 1):
                    reporter.write_line(part, yellow=True)

    def _point(self) -> None:
        """Make every recorder write to the innermost open block."""
        for watch in self.watches:
            watch.point_to(self._stack[-1] if self._stack else None)

    def _attach(self, recording: bool) -> None:
        self._attached = recording
        for watch in self.watches:
            watch.recorder.detach()
            if recording:
                watch.recorder.attach()
            else:
                watch.recorder.attach_counter()
        self._point()

    def _detach(self) -> None:
        self._attached = False
        self._stack.clear()
        for watch in self.watches:
            watch.recorder.detach()
            watch.point_to(None)

    # --- one test ---------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Attach the hooks: fixtures set up for this test may run the model."""
        for watch in self.watches:
            watch.start_test(item.nodeid)
        self._attach(recording=True)
        try:
            yield
        except BaseException:
            self._detach()
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: Any, request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Book the passes of a fixture's set-up to that fixture instance."""
        if fixturedef.argname in _SILENT_FIXTURES:
            result = yield
            if fixturedef.argname == "idc_model":
                self._prepare_early(request)
            return result
        instance = self.ledger.begin(fixturedef, request)
        for watch in self.watches:
            watch.release(instance.key)
        # An unmarked test that asks for a shared fixture while it runs sets it up for marked ones.
        only_counting = not self._attached
        if only_counting:
            self._attach(recording=True)
        self._stack.append((instance.key, "fixture"))
        self._point()
        try:
            return (yield)
        finally:
            if self._stack:
                self._stack.pop()
            self.ledger.finish(instance, fixturedef, request)
            if only_counting:
                self._attach(recording=False)
            self._point()

    def pytest_fixture_post_finalizer(self, fixturedef: Any) -> None:
        """Forget a fixture instance that was torn down."""
        key = self.ledger.forget(fixturedef)
        if key is not None:
            for watch in self.watches:
                watch.release(key)

    def _prepare_early(self, request: pytest.FixtureRequest) -> None:
        """Build the profile as soon as a user's model exists.

        A prediction fixture that depends on `idc_model` may be set up for an unmarked test, before
        any marked test asks for the profile; its passes must be recorded all the same.
        """
        from pytest_deepimportance.glue.resources import try_profile

        try_profile(self, request)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Book passes of the call phase to the test; only count those of unmarked tests."""
        if SUITE in item.stash:
            self._stack.append((item.nodeid, "test"))
            self._point()
        else:
            self._attach(recording=False)
            before = sum(watch.recorder.counted for watch in self.watches)
        try:
            return (yield)
        finally:
            if SUITE not in item.stash:
                after = sum(watch.recorder.counted for watch in self.watches)
                self.unmarked_tests += after > before
            self._detach()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """Free what the test recorded: it travels on the report that was made before."""
        try:
            yield
        finally:
            self._detach()
            for watch in self.watches:
                watch.release(item.nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put what the test recorded on its report: builtins and bytes only."""
        report = yield
        if call.when == "call" or (call.when == "setup" and not report.passed):
            try:
                payload = self._payload(item, report, reached_call=call.when == "call")
            except IdcError as error:
                # What it did cannot be measured: the test fails, the session goes on.
                payload = None
                report.outcome, report.longrepr = "failed", f"idc: {error}"
            if payload is not None:
                report.idc = payload  # type: ignore[attr-defined]
        return report

    def _payload(
        self, item: pytest.Item, report: pytest.TestReport, reached_call: bool
    ) -> dict[str, Any] | None:
        if SUITE not in item.stash:
            return self._common() if self.unmarked_tests else None
        counts = bool(reached_call and (report.passed or report.failed or _is_xfail(report)))
        profiles = {}
        own = item.stash.get(WATCH, None)
        for watch in self.watches:
            entry = self._entry(watch, item, counts)
            if watch is own or entry["blocks"] or entry["inputs"]:
                profiles[watch.profile.fingerprint] = entry
        return {
            **self._common(),
            "suite": item.stash[SUITE].to_wire(),
            "outcome": "xfailed" if _is_xfail(report) else report.outcome,
            "reached_call": counts,
            "slice": [list(tag) for tag in item.stash.get(SLICE, ())],
            "requirements": [*item.stash.get(REQUIREMENTS, ())],
            "marked": [self.marked_collected, self.marked_deselected],
            "own": own.profile.fingerprint if own is not None else None,
            "profiles": profiles,
        }

    def _common(self) -> dict[str, Any]:
        """Return what every payload carries: this process' counters so far."""
        totals = {
            watch.profile.fingerprint: {
                **watch.recorder.totals.to_wire(),
                "unclaimed_passes": watch.unclaimed_passes(),
            }
            for watch in self.watches
        }
        worker = getattr(self.config, "workerinput", {}).get("workerid", "main")
        return {"worker": worker, "totals": totals, "unmarked_tests": self.unmarked_tests}

    def _entry(self, watch: Watch, item: pytest.Item, counts: bool) -> dict[str, Any]:
        claims = self.ledger.claimed_by(item) if counts else []
        watch.claim(claims)
        keys = [key for key in claims if watch.has_passes(key)]
        states = watch.states([*keys, item.nodeid]) if counts else []
        inputs = len(set().union(*(state.digests.tolist() for state in states)))
        entry: dict[str, Any] = {
            "claims": [[key, self.ledger.serial(key)] for key in [*keys, item.nodeid]],
            "blocks": [
                {**state.to_wire(), "serial": self.ledger.serial(state.key)}
                for state in watch.unsent(states, item.nodeid)
            ],
            "passes": sum(state.passes for state in states),
            "uncounted": 0 if counts else watch.counted_passes(item.nodeid),
            "inputs": inputs,
            "cause": "" if inputs else watch.cause_of_nothing(item.nodeid, claims),
        }
        if hasattr(self.config, "workerinput"):
            # The controller may be on another machine: it gets the profile itself, once.
            entry["profile"] = watch.profile_bytes_once()
        return entry

    def states_of_test(self, watch: Watch, item: pytest.Item) -> list[BlockState]:
        """Return the block states of a test that is still running."""
        keys = [*self.ledger.claimed_by(item), item.nodeid]
        return [watch.state(key) for key in keys if key in watch.blocks]


def _is_xfail(report: pytest.TestReport) -> bool:
    return hasattr(report, "wasxfail") and not report.passed
