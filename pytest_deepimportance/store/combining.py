"""Several data files as one: what shards, retries and appended sessions amount to together.

The result depends neither on the order nor on the grouping of the files, and a file combined with
itself is itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from pytest_deepimportance.errors import DataFileError
from pytest_deepimportance.settings import TABLE
from pytest_deepimportance.store.content import (
    DESELECTED,
    LOST,
    RAN,
    WAITING,
    Content,
    Measured,
    Run,
    larger,
)

_DEFAULT, _AND = "default", " and "

_RANK = {state: place for place, state in enumerate((DESELECTED, WAITING, LOST, RAN))}
"""Of two things that became of a test the later one here is kept."""

OF_THE_MACHINE = frozenset({
    "model", "factory", "weights", "allow_pickle", "reference", "data_root", "download", "profile",
    "device", "batch_size", "memory", "missing", "partial", "fail_under", "report", "suites",
    "data_file", "append", "shard", "images", "preset", "context", "compare", "compare_fail",
})  # fmt: skip
"""Settings on which no stored state depends: shards may differ in them."""


def combine(named: Sequence[tuple[str, Content]], *, different_profiles: bool = False) -> Content:
    """Combine the contents of files, each with its name.

    Args:
        different_profiles: Take files of different profiles together; each is reported by itself.

    Raises:
        DataFileError: They belong to different profiles, or were made with different settings.
    """
    _, result = reduce(lambda one, other: _pair(one, other, different_profiles), named)
    return result


def _pair(
    one: tuple[str, Content], other: tuple[str, Content], different_profiles: bool
) -> tuple[str, Content]:
    if not different_profiles:
        refuse_other_profiles(one, other)
    refuse_other_settings(one, other)
    first, second = one[1].profiles, other[1].profiles
    return one[0], Content(
        run=_runs(one[1].run, other[1].run),
        profiles={
            fingerprint: _measured(first[fingerprint], second[fingerprint])
            if fingerprint in first and fingerprint in second
            else first.get(fingerprint) or second[fingerprint]
            for fingerprint in sorted({*first, *second})
        },
    )


def refuse_other_profiles(one: tuple[str, Content], other: tuple[str, Content]) -> None:
    """Refuse data that are not of the same profiles, or of some of them.

    Raises:
        DataFileError: As said, with the identity of each.
    """
    first, second = one[1].profiles, other[1].profiles
    if set(first) <= set(second) or set(second) <= set(first):
        return
    lines = [
        f"  {name}: {_identity(fingerprint, measured)}"
        for name, own, others in ((one[0], first, second), (other[0], second, first))
        for fingerprint, measured in sorted(own.items())
        if fingerprint not in others
    ]
    raise DataFileError(
        "data of different profiles cannot be combined:\n" + "\n".join(lines),
        "What a test covers is counted in items of one profile: one model, one reference, one set "
        "of settings.",
        "Build the profile once and give it to every shard (deepimportance profile build -o "
        "model.idc; pytest --idc-profile=model.idc), or write to another file (--idc-data-file). "
        "Several models on purpose: deepimportance combine --different-profiles.",
    )


def _identity(fingerprint: str, measured: Measured) -> str:
    return (
        f"profile {fingerprint[:12]} (model {measured.spec} {measured.model[:12]}, reference "
        f"{measured.reference[:12]})"
    )


def refuse_other_settings(one: tuple[str, Content], other: tuple[str, Content]) -> None:
    """Refuse runs whose settings count the same test otherwise.

    Raises:
        DataFileError: As said, with both values of each.
    """
    first, second = one[1].run.settings, other[1].run.settings
    differing = [
        f"  {TABLE[name].key}: {_shown(first[name])} in {one[0]}, {_shown(second[name])} in "
        f"{other[0]}"
        for name in TABLE
        if name not in OF_THE_MACHINE
        and not TABLE[name].profile
        and name in first
        and name in second
        and _text(first[name]) != _text(second[name])
    ]
    if differing:
        raise DataFileError(
            "data of different settings cannot be combined:\n" + "\n".join(differing),
            "The same test covers other items, or counts otherwise, under each of them.",
            "Put the settings into pytest's ini file, which all shards read, and run them again.",
        )


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _runs(one: Run, other: Run) -> Run:
    names = sorted({*one.settings, *other.settings})
    chosen = {name: _setting(name, one, other) for name in names}
    states = {**one.tests}
    for nodeid, state in other.tests.items():
        states[nodeid] = max(states.get(nodeid, state), state, key=_RANK.__getitem__)
    return Run(
        created=min(one.created, other.created),
        environments=_distinct([*one.environments, *other.environments]),
        settings={name: value for name, (value, _) in chosen.items()},
        origins={name: origin for name, (_, origin) in chosen.items()},
        suites=dict(sorted(_suites(one.suites, other.suites).items())),
        tests=dict(sorted(states.items())),
        stopped=sorted({*one.stopped, *other.stopped}),
        finished=one.finished or other.finished,
        expected=max(one.expected, other.expected),
    )


def _suites(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the suites of both.

    Raises:
        DataFileError: One name has two different settings.
    """
    result = dict(one)
    for name, suite in other.items():
        known = result.setdefault(name, suite)
        if known != suite and not _plain(known) and not _plain(suite):
            raise DataFileError(
                f"suite {name!r} has two different settings: {known} and {suite}",
                "One name stands for one set of criteria and thresholds.",
                "Give the marker the same arguments everywhere, or use two names.",
            )
        if _plain(known):
            result[name] = suite
    return result


def _plain(suite: Mapping[str, Any]) -> bool:
    """Whether only the name was given: such a marker agrees with any settings."""
    return not (suite["criteria"] or suite["fail_under"] or suite["reason"]) and suite["gate"]


def _measured(one: Measured, other: Measured) -> Measured:
    tests = {
        nodeid: _attempts([*one.tests.get(nodeid, ()), *other.tests.get(nodeid, ())])
        for nodeid in sorted({*one.tests, *other.tests})
    }
    blocks = {
        key: dict(sorted({**one.blocks.get(key, {}), **other.blocks.get(key, {})}.items()))
        for key in sorted({*one.blocks, *other.blocks})
    }
    return Measured(
        model=one.model,
        reference=min(one.reference, other.reference),
        spec=min(one.spec, other.spec),
        # Equal fingerprints, equal numbers; what else the bytes say (notes, paths) may differ.
        profile=min(
            p for p in (one.profile, other.profile) if p or not (one.profile or other.profile)
        ),
        tests=tests,
        blocks=blocks,
        counters={
            owner: larger(one.counters.get(owner, {}), other.counters.get(owner, {}))
            for owner in sorted({*one.counters, *other.counters})
        },
        fixtures=larger(one.fixtures, other.fixtures),
    )


def _attempts(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the runs of one test told, once where they told the same, the last one last."""
    found: dict[str, dict[str, Any]] = {}
    for entry in sorted(entries, key=lambda entry: str(entry["at"])):
        found[_text({**entry, "at": ""})] = entry
    return sorted(found.values(), key=lambda entry: (entry["at"], _text(entry)))


def _setting(name: str, one: Run, other: Run) -> tuple[Any, str]:
    """Return value and origin of a setting: of two values the smaller as text; all thresholds."""
    found = [
        (run.settings[name], run.origins.get(name, _DEFAULT))
        for run in (one, other)
        if name in run.settings
    ]
    if name == "fail_under":
        return _thresholds(found)
    return min(found, key=lambda pair: (_text(pair[0]), pair[1] == _DEFAULT, pair[1]))


def _thresholds(found: Sequence[tuple[Any, str]]) -> tuple[list[str], str]:
    """Return the thresholds of both: what one of them asked for is judged."""
    lists = [list(value) for value, _ in found]
    joint = sorted({text for texts in lists for text in texts})
    origins = {part for value, origin in found if value for part in origin.split(_AND)}
    if not joint:
        return joint, min(origin for _, origin in found)
    return lists[0] if lists[0] == lists[-1] else joint, _AND.join(sorted(origins))


def _distinct(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each entry once, in the order of their text."""
    found = {_text(entry): entry for entry in entries}
    return [found[text] for text in sorted(found)]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
