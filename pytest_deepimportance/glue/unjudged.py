"""A session of which no number came: what becomes of its thresholds and reports.

A gate that looks at nothing must not look like one that was passed. Whoever leaves marked tests out
on purpose (`-k`, `--lf`, one file of many, a shard) is told; otherwise the session fails.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_deepimportance.glue.keys import (
    MARKED,
    MISSPELLED,
    SKIPPED,
    UNWATCHED,
    runs_nothing,
    selects_in_silence,
)
from pytest_deepimportance.settings import Settings

GATE = "idc::gate"
"""Node id of the failure of a gate that judged nothing."""

COLLECTED = "idc_collected"
"""Key of a worker's output under which the controller finds it."""


@dataclass(frozen=True)
class Collected:
    """What the processes that collect know of the marked tests.

    Attributes:
        marked: Marked tests, before any is deselected.
        watched: Whether there is a model to watch.
        skipped: Why the measurement was skipped (idc_missing = skip), "" where it was not.
        misspelled: What is wrong with a mark that was meant to be ours, or "".
    """

    marked: int = 0
    watched: bool = True
    skipped: str = ""
    misspelled: str = ""

    def to_wire(self) -> list[Any]:
        """Return plain data for the controller of pytest-xdist."""
        return [self.marked, self.watched, self.skipped, self.misspelled]


def collected_here(config: pytest.Config) -> Collected:
    """Return what this process knows."""
    stash = config.stash
    return Collected(
        stash.get(MARKED, 0),
        UNWATCHED not in stash,
        stash.get(SKIPPED, ""),
        stash.get(MISSPELLED, ""),
    )


def reason(config: pytest.Config, settings: Settings, found: Collected) -> tuple[str, bool]:
    """Return why no marked test ran, and whether that was meant.

    Args:
        found: Of a session in which no marked test ran.
    """
    if found.skipped:
        return found.skipped, True
    if found.marked and not found.watched:
        return "no model is named (--idc-model, or a fixture idc_model)", False
    if found.marked:
        return f"no marked test ran: none of {found.marked} was selected", True
    if settings.shard or selects_in_silence(config) or config.getoption("ignore", None):
        return "no marked test is among those selected", True
    if _names_a_part(config) and not _typed(config, settings):
        return "no marked test is among those selected", True
    return "no test is marked", False


def sentence(settings: Settings, why: str) -> str:
    """Say what is missing because nothing was measured, "" where nothing is."""
    gate = "the gate is not judged" if settings.fail_under else ""
    file = "no report was written" if any(":" in text for text in settings.report) else ""
    missing = "; ".join(filter(None, (gate, file)))
    return f"{why}; {missing}" if missing else ""


def failure(thresholds: Sequence[str], why: str) -> tuple[str, str]:
    """Return the failure of a gate that judged nothing, as (node id, message)."""
    message = (
        f"{', '.join(thresholds)}: not judged, since {why}",
        "A gate that looks at nothing would pass whatever the tests do.",
        "Mark the tests (@pytest.mark.idc_suite, or idc_suites in the ini file) and let one run. "
        "Where that cannot be: idc_missing = skip for absent files, idc_partial = warn to be told "
        "only, --idc-fail-under=none for no gate.",
    )
    return GATE, "\n".join(message)


def may_fail(settings: Settings, session: pytest.Session) -> bool:
    """Whether thresholds that judged nothing fail this session, which is green otherwise."""
    return (
        int(session.exitstatus) == 0
        and not runs_nothing(session.config)
        and not (session.shouldstop or session.shouldfail)
        and not settings.shard
        and settings.partial == "fail"
    )


def _names_a_part(config: pytest.Config) -> bool:
    """Whether the folders and files that were named leave out a part of the test paths."""
    given = [Path(config.invocation_params.dir, text).resolve() for text in config.args]
    patterns = [str(config.rootpath / text) for text in config.getini("testpaths")]
    paths = [path for pattern in patterns for path in glob.glob(pattern)]
    roots = [Path(path).resolve() for path in paths or [str(config.rootpath)]]
    return not all(any(one in (root, *root.parents) for one in given) for root in roots)


def _typed(config: pytest.Config, settings: Settings) -> bool:
    """Whether a threshold was typed for this very session, not read from the ini file."""
    arguments = map(str, config.invocation_params.args)
    return bool(settings.fail_under) and any(a.startswith("--idc-fail-under") for a in arguments)
