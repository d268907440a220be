"""One watched model with its profile, and the blocks recorded for it in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from pytest_deepimportance.criteria.base import Criterion
from pytest_deepimportance.engine.reducing import state_of
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.glue.tally import Tally
from pytest_deepimportance.profile.file import serialise
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.recorder import Recorder
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.thresholds import MEASURED


@dataclass
class Watch:
    """A model, its reference object, its profile and its recorder.

    `model` and `reference` are kept so that their identities stay unique while they serve as key.
    """

    model: Any
    reference: Any
    profile: Profile
    recorder: Recorder
    settings: Settings
    blocks: dict[str, Block] = field(default_factory=dict)
    _states: dict[str, tuple[int, BlockState]] = field(default_factory=dict)
    _sent: dict[str, tuple[int, str]] = field(default_factory=dict)
    _profile_sent: bool = False
    _made: Counter[str] = field(default_factory=Counter)
    _made_sent: dict[str, int] = field(default_factory=dict)

    @cached_property
    def tally(self) -> Tally:
        """What the recorder leaves out, by test and fixture."""
        return Tally(self.recorder.totals)

    @cached_property
    def criteria(self) -> dict[str, Criterion]:
        """Empty criteria; each block is measured with fresh ones made of them."""
        return new_criteria(self.profile, self.settings)

    @cached_property
    def keeps(self) -> bool:
        """Whether all criteria are ours: they may measure the rows of a small block later."""
        return all(name in MEASURED for name in self.criteria)

    def check(self) -> None:
        """Make the criteria, so that what they refuse is said before a test runs.

        Raises:
            IdcError: A setting does not fit, or a criterion of the user's own cannot be made.
        """
        for criterion in self.criteria.values():
            criterion.reset()

    def state(self, key: str) -> BlockState:
        """Measure what a block recorded so far."""
        return state_of(self.blocks[key], self.criteria, self.profile.digests)

    def point_to(self, target: tuple[str, str] | None) -> None:
        """Let the recorder write to the block of (key, kind), made when needed."""
        if target is None:
            self.recorder.block = None
            return
        key, kind = target
        if key not in self.blocks:
            self.blocks[key] = Block(key, kind)
        self.recorder.block = self.blocks[key]

    def start_test(self, nodeid: str) -> int:
        """Drop what an earlier attempt of this test recorded: only the last one counts.

        Returns:
            How many passes that were.
        """
        passes = self.blocks[nodeid].counted_passes if nodeid in self.blocks else 0
        self._drop(nodeid)
        return passes

    def release(self, key: str) -> None:
        """Free a block whose test has ended or whose fixture was torn down; its state is sent."""
        self._drop(key)

    @property
    def fixtures_ran(self) -> bool:
        """Whether the block of a fixture that is set up holds passes: most never change."""
        return bool([b for b in self.blocks.values() if b.version and b.kind == "fixture"])

    def unsent_fixture_passes(self) -> dict[str, int]:
        """Return the passes of each fixture, over all its set-ups, where they changed."""
        if not (self._made or self._made_sent or self.fixtures_ran):
            return {}
        passes = self._made.copy()
        for key, block in self.blocks.items():
            if block.kind == "fixture":
                passes[key] += block.counted_passes
        changed = {k: n for k, n in passes.items() if n != self._made_sent.get(k, 0)}
        self._made_sent.update(changed)
        return changed

    def _drop(self, key: str) -> None:
        block = self.blocks.pop(key, None)
        if block is not None and block.kind == "fixture" and block.counted_passes:
            self._made[key] += block.counted_passes
        self._states.pop(key, None)
        self._sent.pop(key, None)

    def has_passes(self, key: str) -> bool:
        """Whether the block exists and holds at least one pass."""
        block = self.blocks.get(key)
        return block is not None and block.version > 0 and bool(block.passes)

    def closed(self, key: str) -> Block | None:
        """Return a block, None where there is none; no pass is booked to it any more."""
        block = self.blocks.get(key)
        if block is not None:
            block.freeze()
        return block

    def states(self, keys: Sequence[str]) -> list[BlockState]:
        """Return the states of the blocks that hold passes, recomputed only when they changed."""
        result = []
        for key in keys:
            if not self.has_passes(key):
                continue
            block = self.blocks[key]
            known = self._states.get(key)
            if known is None or known[0] != block.version:
                self._states[key] = (block.version, self.state(key))
            result.append(self._states[key][1])
        return result

    def unsent(self, states: Sequence[BlockState], nodeid: str) -> list[BlockState]:
        """Return the states that the collector does not have yet, and note them as sent.

        A state first sent with this very test is sent again: the earlier report may have belonged
        to an attempt that was rerun and is not counted.
        """
        result = []
        for state in states:
            version = self.blocks[state.key].version
            sent = self._sent.get(state.key)
            if sent is None or sent[0] != version or sent[1] == nodeid:
                self._sent[state.key] = (version, nodeid)
                result.append(state)
        return result

    def cause_of_nothing(self, blocks: Sequence[Block]) -> str:
        """Return one sentence on why a marked test with these blocks recorded nothing."""
        # How many unmarked tests this very process ran depends on the distribution; the collecting
        # side knows all of them.
        return self.recorder.cause_of_nothing(*blocks, unmarked=0)

    def profile_bytes_once(self) -> bytes | None:
        """Return the serialised profile the first time, None afterwards."""
        if self._profile_sent:
            return None
        self._profile_sent = True
        return serialise(self.profile)


WATCH = pytest.StashKey[Watch]()
"""On an item: the watch of its own model and reference."""
