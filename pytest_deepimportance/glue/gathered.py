"""What a session recorded, as the content of a data file.

No trace is left of which process ran what.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import reduce

import pytest

from pytest_deepimportance.engine.environment import environment
from pytest_deepimportance.engine.stored import plain_settings
from pytest_deepimportance.glue.appending import appended
from pytest_deepimportance.glue.collection import RECORDING
from pytest_deepimportance.glue.collector import Collector, Traffic
from pytest_deepimportance.glue.keys import selects_in_silence
from pytest_deepimportance.glue.places import as_shown
from pytest_deepimportance.profile.file import serialise
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.store.content import Content, Measured, Run, larger, slot_of

_CACHED_COUNT = "idc/marked"


def gathered(
    collector: Collector, session: pytest.Session, exitstatus: int
) -> tuple[Content, dict[str, Profile]]:
    """Return the content of the session, with what the data file held before where that is asked.

    Returns:
        The content, and the profiles of this session by fingerprint.

    Raises:
        DataFileError: The data file is damaged, or belongs to another profile.
    """
    run = run_of(collector, session, exitstatus)
    profiles, measured = _profiles(collector), {}
    for fingerprint, traffic in sorted(collector.traffic.items()):
        if fingerprint in profiles and traffic.tests:
            measured[fingerprint] = measured_of(traffic, profiles[fingerprint], run.created)
    content = Content(run, measured)
    return appended(collector.config, collector.settings, content), profiles


def run_of(collector: Collector, session: pytest.Session, exitstatus: int) -> Run:
    """Return what became of the tests, and why the run stopped early if it did."""
    because = ""
    if int(exitstatus) not in (0, 1):
        because = f"the run ended with exit status {int(exitstatus)}"
    if session.shouldstop or session.shouldfail:
        because = str(session.shouldstop or session.shouldfail)
    settings = as_shown(collector.settings, collector.config)
    return Run(
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(),
        environments=[environment(sorted(collector.devices))],
        settings=plain_settings(settings),
        origins=dict(settings.origins),
        suites={name: suite.to_wire() for name, suite in sorted(collector.suites.items())},
        tests=dict(sorted(collector.tests.items())),
        stopped=[because] if because else [],
        finished=not because,
        expected=_expected(collector),
    )


def _expected(collector: Collector) -> int:
    """Return how many marked tests there are.

    Some options drop tests while they are collected, without telling anybody; the number of the
    last run without them is remembered in pytest's cache.
    """
    collected = len(collector.tests)
    cache = getattr(collector.config, "cache", None)
    if cache is None:
        return collected
    if selects_in_silence(collector.config):
        collected = max(int(cache.get(_CACHED_COUNT, 0)), collected)
    cache.set(_CACHED_COUNT, collected)
    return collected


def _profiles(collector: Collector) -> dict[str, Profile]:
    """Return the profiles of this very process (serial runs), and those that workers sent."""
    recording = collector.config.stash.get(RECORDING, None)
    watches = () if recording is None else recording.watches
    found = {watch.profile.fingerprint: watch.profile for watch in watches}
    for fingerprint, traffic in collector.traffic.items():
        if traffic.profile is not None:
            found[fingerprint] = traffic.profile.with_m(collector.settings.m)
    return found


def measured_of(traffic: Traffic, profile: Profile, at: str) -> Measured:
    """Return what was received for one profile.

    Args:
        at: When the session began, ISO 8601.
    """
    names: dict[tuple[str, str], str] = {}
    blocks: dict[str, dict[str, bytes]] = {}
    for key, by_slot in sorted(traffic.blocks.items()):
        named = {slot: slot_of(state) for slot, state in by_slot.items()}
        names |= {(key, slot): name for slot, name in named.items()}
        by_name = {name: by_slot[slot] for slot, name in named.items()}
        blocks[key] = dict(sorted(by_name.items())) if len(by_name) > 1 else by_name
    tests = {}
    for nodeid, test in sorted(traffic.tests.items()):
        claims = [[key, names[key, s]] for key, s in test["claims"] if (key, s) in names]
        tests[nodeid] = [{**test, "claims": claims, "at": at}]
    return Measured(
        model=profile.model.fingerprint,
        reference=profile.reference.fingerprint,
        spec=profile.model.spec,
        profile=traffic.sent or serialise(profile),
        tests=tests,
        blocks=blocks,
        counters=_merged(traffic.counters),
        fixtures=reduce(larger, traffic.fixtures.values(), {}),
    )


def _merged(by_worker: Mapping[str, Mapping[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    result: dict[str, dict[str, int]] = {}
    for owners in by_worker.values():
        for owner, counts in owners.items():
            result[owner] = larger(result.get(owner, {}), counts)
    return dict(sorted(result.items()))
