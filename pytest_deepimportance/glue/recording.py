"""Recording inside pytest: which block a forward pass belongs to, from set-up to call report.

Registered as `idc_session` in every process that runs tests. It keeps the hooks on the model only
while tests or their fixtures run, opens a block for each marked test and each fixture instance, and
puts what a test recorded on its own call report, where serial runs and xdist find it alike.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.errors import IdcError
from pytest_deepimportance.glue.blocks import FixtureLedger, is_parameter
from pytest_deepimportance.glue.collection import overrides_resources
from pytest_deepimportance.glue.keys import PART_FAILED, node_id
from pytest_deepimportance.glue.markers import SUITE
from pytest_deepimportance.glue.payload import Sender
from pytest_deepimportance.glue.progress import say, uncaptured
from pytest_deepimportance.glue.thresholds import sentences_before_tests
from pytest_deepimportance.glue.watch import WATCH, Watch
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings

_SILENT_FIXTURES = frozenset({"idc_model", "idc_reference", "idc_profile", "idc", "request"})


class Recording:
    """The recording side of a session.

    Args:
        marked: The marked tests collected, before any is deselected.

    Attributes:
        collected: Node ids of these.
        deselected: Node ids of those that -k, -m or --lf left out.
        given: Lists of fixture names that `idc_profile` was put into, by their identity.
    """

    def __init__(
        self, config: pytest.Config, settings: Settings, marked: Sequence[pytest.Item]
    ) -> None:
        self.config = config
        self.settings = settings
        self.suites = {item.stash[SUITE].name: item.stash[SUITE] for item in marked}
        self.collected = [node_id(item) for item in marked]
        self.deselected: list[str] = []
        self.sender = Sender(self)
        self.watches: list[Watch] = []
        self.failures: dict[tuple[int, int], IdcError] = {}
        self.given: dict[int, list[str]] = {}
        self.ledger = FixtureLedger()
        self._stack: list[tuple[str, str]] = []
        self._item = ""
        self._running = False
        self._attached = False
        self._counting = False
        self._awaited = False

    # --- collection -------------------------------------------------------------------------

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count marked tests that -k, -m or --lf left out."""
        self.deselected += [node_id(item) for item in items if SUITE in item.stash]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Build the profile before the first test when it needs no user fixture."""
        from pytest_deepimportance.glue.resources import prepare_from_specs

        selected = [item for item in session.items if SUITE in item.stash]
        self._awaited = bool(selected)
        watch = prepare_from_specs(self, selected) if selected else None
        if watch is not None:
            self._spare_fixture(session.items, watch)

    def _spare_fixture(self, items: Sequence[pytest.Item], watch: Watch) -> None:
        """Take `idc_profile` off tests that did not ask for it and whose watch is known.

        A fixture costs each test more than recording does.
        """
        spared: dict[int, bool] = {}  # the tests that `parametrize` makes of one share their names
        for item in items:
            key = id(getattr(item, "fixturenames", None))
            if key not in spared:
                spared[key] = key in self.given and not overrides_resources(item)
                if spared[key]:
                    self.given[key].remove("idc_profile")
            if spared[key] and SUITE in item.stash:
                item.stash[WATCH] = watch

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
        lines = sentences_before_tests(profile, self.settings, self.suites)
        if self.sender.travels:
            self.sender.before += lines  # the controller says them
        else:
            with uncaptured(self.config):
                say(self.config, lines)

    def _point(self) -> None:
        """Make every recorder write to the innermost open block."""
        for watch in self.watches:
            watch.point_to(self._stack[-1] if self._stack else None)
            watch.tally.turn(self._stack[-1][0] if self._stack else self._item)

    def _attach(self, recording: bool) -> None:
        self._attached, self._counting = recording, not recording
        for watch in self.watches:
            if recording:
                watch.recorder.attach()
            else:
                watch.recorder.attach_counter()
        self._point()

    def _rest(self) -> None:
        """Record no more; the hooks stay on, for another test may follow at once."""
        if not self._attached and not self._stack:
            return
        self._attached = False
        self._stack.clear()
        for watch in self.watches:
            watch.recorder.rest()
            watch.point_to(None)

    def _detach(self) -> None:
        self._rest()
        self._counting = False
        for watch in self.watches:
            watch.recorder.detach()

    # --- one test ---------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Attach the hooks: fixtures set up for this test may run the model."""
        self._item = node_id(item)
        self.sender.look_around()
        for watch in self.watches:
            if passes := watch.start_test(self._item):
                self.sender.count_unseen(watch.profile.fingerprint, self._item, passes)
        self._attach(recording=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: Any, request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Book the passes of a fixture's set-up to that fixture instance."""
        if fixturedef.argname in _SILENT_FIXTURES or is_parameter(fixturedef):
            result = yield
            if fixturedef.argname == "idc_model" and self._awaited:
                self._prepare_early(request, result)
            return result
        instance = self.ledger.begin(fixturedef, request)
        for watch in self.watches:
            watch.release(instance.key)
        # An unmarked test that asks for a shared fixture while it runs sets it up for marked ones.
        recording, counting = self._attached, self._counting
        if not recording:
            self._attach(recording=True)
        self._stack.append((instance.key, "fixture"))
        self._point()
        try:
            return (yield)
        finally:
            if self._stack:
                self._stack.pop()
            self.ledger.finish(instance, fixturedef, request)
            if counting:
                self._attach(recording=False)
            elif not recording:
                self._detach()
            self._point()

    def pytest_fixture_post_finalizer(self, fixturedef: Any) -> None:
        """Forget a fixture instance that was torn down."""
        key = self.ledger.forget(fixturedef)
        if key is not None:
            for watch in self.watches:
                watch.release(key)

    def _prepare_early(self, request: pytest.FixtureRequest, model: object) -> None:
        """Build the profile as soon as a user's model exists.

        A prediction fixture that depends on `idc_model` may be set up for an unmarked test, before
        any marked test asks for the profile; its passes must be recorded all the same.
        """
        from pytest_deepimportance.glue.resources import try_profile

        try_profile(self, request, model)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Book passes of the call phase to the test; only count those of unmarked tests."""
        marked, self._running = SUITE in item.stash, True
        item.stash[PART_FAILED] = False
        if marked:
            self._stack.append((node_id(item), "test"))
            self._point()
        else:
            self._attach(recording=False)
        try:
            return (yield)
        finally:
            self._running = False
            if marked:
                self._rest()
            else:
                self._detach()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> None:
        """Take the hooks off unless a marked test is next."""
        if nextitem is None or SUITE not in nextitem.stash:
            self._detach()
        else:
            self._rest()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Take the hooks off where the session was stopped between two tests, or inside one."""
        self._detach()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put what the test recorded on its report: builtins and bytes only."""
        if call.when == "setup" and call.excinfo is not None:
            self._detach()
        report = yield
        if self._running:  # the report of a subtest: its test goes on, and reports for all of them
            item.stash[PART_FAILED] = report.failed or item.stash[PART_FAILED]
            return report
        try:
            payload = self._payload(item, call.when, report)
        except IdcError as error:
            # What it did cannot be measured: the test fails, the session goes on.
            payload = None
            report.outcome, report.longrepr = "failed", f"idc: {error}"
        if payload is not None:
            report.idc = payload  # type: ignore[attr-defined]
        if self.sender.forked:  # it ends with its test, and another process hands its reports on
            self.sender.hand_on(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Let a report bring what belongs to no single test, before anybody takes it."""
        if report.when != "teardown" and not self._running:
            self.sender.hand_on(report)

    def _payload(
        self, item: pytest.Item, when: str, report: pytest.TestReport
    ) -> dict[str, Any] | None:
        if when == "setup" and report.passed:
            return None
        if when == "teardown":
            for watch in self.watches:
                watch.release(node_id(item))  # it travels on the report that was made before
            return None
        if SUITE not in item.stash:
            return None
        return self.sender.of_marked(item, report, reached_call=when == "call")

    def states_of_test(self, watch: Watch, item: pytest.Item) -> list[BlockState]:
        """Return the block states of a test that is still running."""
        keys = [*self.ledger.claimed_by(item), node_id(item)]
        return [watch.state(key) for key in keys if key in watch.blocks]
