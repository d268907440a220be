"""States of tests and blocks, merged into the final report."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Mapping, Sequence

from pytest_deepimportance import __version__
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.tags import Tags
from pytest_deepimportance.engine.chosen import left_out
from pytest_deepimportance.engine.environment import environment
from pytest_deepimportance.engine.exclusions import exclusions
from pytest_deepimportance.engine.growth import growth
from pytest_deepimportance.engine.pictures import pictures
from pytest_deepimportance.engine.rows import contradictions
from pytest_deepimportance.engine.sessions import SessionState, TestState, vouches
from pytest_deepimportance.engine.slices import too_many_values
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.engine.suites import TOTAL, evaluate
from pytest_deepimportance.formatting import plural
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import (
    Report,
    SettingRow,
    SuiteResult,
    TestRow,
)
from pytest_deepimportance.setting import shown
from pytest_deepimportance.settings import TABLE, Settings


def assemble(profile: Profile, settings: Settings, state: SessionState) -> Report:
    """Merge blocks into suites, suites into the total, and describe everything."""
    apart = {
        key: by_slot if len(by_slot) == 1 else _apart(by_slot)
        for key, by_slot in state.blocks.items()
    }
    state = dataclasses.replace(state, blocks=apart)
    doubtful: set[str] = set()
    names = sorted({test.suite for test in state.tests})
    gated = [name for name in names if name not in state.ungated]
    suites = tuple(
        dataclasses.replace(
            _suite(name, [name], profile, settings, state, doubtful),
            in_total=name in gated,
        )
        for name in names
    )
    if len(names) == 1 and names[0] not in state.criteria:
        # The total of one suite is that suite: nothing to compute again.
        total = dataclasses.replace(suites[0], name=TOTAL)
    else:
        total = _suite(TOTAL, gated or names, profile, settings, state, doubtful)
    counted = counted_states(state, settings)
    total = dataclasses.replace(
        total,
        in_total=bool(gated or not names),
        growth=growth(profile, counted) if total.hits else (),
    )
    notes = [*state.notes, *left_out(profile, settings), *_notes(state, doubtful, gated, names)]
    return Report(
        version=__version__,
        created=_now(),
        model=profile.model,
        reference=profile.reference,
        profile=profile.info(),
        suites=suites,
        total=total,
        tests=tuple(_test_row(test) for test in state.tests),
        exclusions=exclusions(state, settings),
        run=state.run,
        settings=tuple(_setting_row(name, profile, settings) for name in TABLE),
        notes=tuple(notes),
        environment=state.environment or environment(_devices(state)),
        pictures=None if settings.images == "none" else pictures(profile, counted, state.tests),
    )


def _setting_row(name: str, profile: Profile, settings: Settings) -> SettingRow:
    """Return one setting: what is not asked for is as the profile was built."""
    value, origin = getattr(settings, name), settings.origins.get(name, "default")
    built = profile.settings.get(name, value)
    built = tuple(built) if isinstance(built, list) else built
    if origin == "default" and built != value:
        value, origin = built, "profile"
    return SettingRow(name, shown(value), origin)


def _suite(
    name: str,
    members: Sequence[str],
    profile: Profile,
    settings: Settings,
    state: SessionState,
    doubtful: set[str],
) -> SuiteResult:
    tests = [test for test in state.tests if test.suite in members]
    passing = [test for test in tests if vouches(test)]
    counted = _counted(tests, settings)
    fewer = any(test.counts for test in counted if not vouches(test))
    states = _blocks_of(counted, state, doubtful)
    return evaluate(
        name,
        states,
        profile,
        settings,
        outcomes=[test.outcome for test in tests],
        passing=_blocks_of(passing, state, doubtful) if fewer else None,
        criteria=state.criteria.get(name),
        marked=_marked(counted),
    )


def counted_states(
    state: SessionState, settings: Settings, suite: str | None = None
) -> list[BlockState]:
    """Return the blocks that count, of one suite, or (None) of all that are part of the total."""
    names = sorted({test.suite for test in state.tests})
    gated = [name for name in names if name not in state.ungated] or names
    members = gated if suite is None else [suite]
    tests = [test for test in state.tests if test.suite in members]
    return _blocks_of(_counted(tests, settings), state, set())


def _counted(tests: Sequence[TestState], settings: Settings) -> list[TestState]:
    """Return the tests that count for coverage (`idc_count`)."""
    return [test for test in tests if settings.count != "passed" or vouches(test)]


def _marked(tests: Sequence[TestState]) -> list[tuple[str, Tags]]:
    """Return each block that a test with slices of its own claims, with these."""
    sliced = [test for test in tests if test.slice and test.counts]
    return [(key, test.slice) for test in sliced for _, key in test.claims]


def _blocks_of(
    tests: Sequence[TestState], state: SessionState, doubtful: set[str]
) -> list[BlockState]:
    """Return the blocks these tests claim, each once.

    A fixture set up in two workers (or twice in one) gives two states under one key, and so does a
    test that ran in two shards: equal inputs count once, different ones are both kept and the
    fixture or test is named as not reproducible.
    """
    claimed: dict[str, set[str]] = {}
    for test in tests:
        if test.counts:
            for slot, key in test.claims:
                claimed.setdefault(key, set()).add(slot)
    result: list[BlockState] = []
    for key in sorted(claimed):
        by_slot, slots = state.blocks.get(key, {}), claimed[key]
        if len(by_slot) == 1:
            result += [block for slot, block in by_slot.items() if slot in slots]
            continue
        kept = {id(block): block for slot, block in sorted(by_slot.items()) if slot in slots}
        if len(kept) > 1:
            doubtful.add(key)
        result += kept.values()
    return result


def _apart(by_slot: Mapping[str, BlockState]) -> dict[str, BlockState]:
    """Return one state for all slots of a block with equal inputs: the one with the most labels.

    Labels that a test gave to a fixture's passes in one worker hold in every other too.
    """
    kept: list[BlockState] = []
    groups: dict[str, int] = {}
    for slot, state in sorted(by_slot.items()):
        twin = next((at for at, other in enumerate(kept) if other.same_inputs(state)), len(kept))
        groups[slot] = twin
        if twin == len(kept):
            kept.append(state)
        elif (state.labels != UNKNOWN).sum() > (kept[twin].labels != UNKNOWN).sum():
            kept[twin] = state
    return {slot: kept[twin] for slot, twin in groups.items()}


def _test_row(test: TestState) -> TestRow:
    return TestRow(
        nodeid=test.nodeid,
        suite=test.suite,
        outcome=test.outcome,
        passes=test.passes,
        inputs=test.inputs,
        cause=test.cause,
        requirements=test.requirements,
    )


def _notes(
    state: SessionState, doubtful: set[str], gated: Sequence[str], names: Sequence[str]
) -> list[str]:
    notes = []
    train = sum(
        max(block.train_mode_passes for block in by_slot.values())
        for by_slot in state.blocks.values()
        if by_slot
    )
    if train:
        notes.append(
            f"{plural(train, 'pass', 'passes')} ran in training mode, measured in evaluation mode: "
            "call model.eval() in the tests"
        )
    tests = {test.nodeid for test in state.tests}
    notes += [
        f"{key} is not reproducible: it {'ran' if key in tests else 'was set up'} more than once, "
        "with different inputs"
        for key in sorted(doubtful)
    ]
    unsure = contradictions([b for by_worker in state.blocks.values() for b in by_worker.values()])
    if unsure:
        notes.append(
            f"{plural(unsure, 'input')} labelled as different classes in different passes: the "
            "highest class counts"
        )
    everything = [block for by_worker in state.blocks.values() for block in by_worker.values()]
    notes += too_many_values(everything, _marked(state.tests))
    left_out = [name for name in names if name not in gated]
    if left_out and gated:
        notes.append(f"TOTAL leaves out {', '.join(left_out)} (gate=False)")
    return notes


def _now() -> str:
    """Return the time of creation; SOURCE_DATE_EPOCH makes reports reproducible."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    when = (
        datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
        if epoch
        else datetime.datetime.now(datetime.timezone.utc)
    )
    return when.replace(microsecond=0).isoformat()


def _devices(state: SessionState) -> list[str]:
    blocks = [block for by_slot in state.blocks.values() for block in by_slot.values()]
    return sorted({device for block in blocks for device in block.devices})
