"""One profile's part of a data file, opened to be compared with that of another run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.sessions import SessionState
from pytest_deepimportance.engine.stored import settings_of, states_of
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import Report
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.store.content import Content


@dataclass(frozen=True)
class Opened:
    """One profile's part of a data file, ready to be compared."""

    name: str
    profile: Profile
    settings: Settings
    state: SessionState
    report: Report
    created: str


def opened(
    name: str,
    content: Content,
    settings: Settings | None = None,
    profiles: Mapping[str, Profile] | None = None,
    reports: Sequence[Report] = (),
) -> list[Opened]:
    """Return what a data file holds, profile by profile.

    Args:
        name: What it is called in the comparison.
        settings: Of the run, where they are known; else the stored ones.
        profiles: By fingerprint, those that need not be read from the file.
        reports: Those that are made already.
    """
    chosen = settings or settings_of(content.run)
    made = {report.profile.fingerprint: report for report in reports}
    found = []
    for profile, state in states_of(content, chosen, profiles):
        report = made.get(profile.fingerprint) or assemble(profile, chosen, state)
        found.append(Opened(name, profile, chosen, state, report, content.run.created))
    return found
