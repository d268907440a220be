"""What one marked test recorded for one profile, as its report carries it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.engine.together import Alone, states_of
from pytest_deepimportance.engine.wire import packed
from pytest_deepimportance.glue.watch import Watch
from pytest_deepimportance.recording.causes import of_uncounted

Plain = dict[str, Any]
"""What a test recorded for one profile, as builtins and bytes."""

if TYPE_CHECKING:
    import pytest

    from pytest_deepimportance.glue.blocks import FixtureLedger
    from pytest_deepimportance.recording.blocks import Block


class Entry:
    """Made when the test ends: its block takes in nothing from then on.

    Where all a test did was to run a few inputs, what they amount to may be found out later, with
    those of the tests around it (`waits`): in a process of its own nothing can be lost meanwhile.

    Args:
        watch: Of the profile.
        ledger: Knows which fixtures the test used.
        item, nodeid: The test.
        counts: Whether that counts.
        skipped: Whether the test was skipped.
    """

    def __init__(
        self,
        watch: Watch,
        ledger: FixtureLedger,
        item: pytest.Item,
        nodeid: str,
        *,
        counts: bool,
        skipped: bool,
    ) -> None:
        claimed = ledger.claimed_by(item) if counts else []
        keys = [key for key in claimed if watch.has_passes(key)]
        self.watch = watch
        self.block = watch.closed(nodeid)
        self._claims = {key: ledger.serial(key) for key in (*keys, nodeid)}
        self._fixtures = watch.states(keys) if keys else []
        self.unsent = watch.unsent(self._fixtures, nodeid) if keys else []
        blocks = watch.blocks
        self._seen = [blocks[key] for key in (nodeid, *claimed) if key in blocks]
        self._counts = counts
        self._skipped = skipped

    @property
    def own_passes(self) -> int:
        """Passes of the test itself."""
        block = self.measurable
        return 0 if block is None else block.counted_passes

    @property
    def waits(self) -> bool:
        """Whether `plain_of` may be asked later, after other tests."""
        block = self.block
        return self._counts and block is not None and self.watch.keeps and block.written

    @property
    def measurable(self) -> Block | None:
        """What the test itself recorded, where that is anything that counts."""
        block = self.block
        return block if self._counts and block is not None and block.passes else None

    def plain(self, own: BlockState | None, unsent: Sequence[tuple[BlockState, bytes]]) -> Plain:
        """Return builtins and bytes only.

        Args:
            own: The state of `measurable`.
            unsent: The states that the collector does not have yet, this one too, and their bytes.
        """
        states = self._fixtures if own is None else [*self._fixtures, own]
        blocks = [[state.key, self._claims[state.key], data] for state, data in unsent]
        uncounted = 0 if self._counts or self.block is None else self.block.counted_passes
        plain = _plain([[*claim] for claim in self._claims.items()], blocks, states, own, uncounted)
        return plain if plain["inputs"] else {**plain, "cause": self._cause(uncounted)}

    def _cause(self, uncounted: int) -> str:
        if self._counts:
            return self.watch.cause_of_nothing(self._seen)
        return of_uncounted(self._skipped, uncounted)


class Waiting:
    """A test that did nothing but run a few inputs at once, as most do that are many.

    Args:
        watch: Of the profile.
        alone: The test's block.
    """

    __slots__ = ("measurable", "watch")

    own_passes = 1
    unsent: Sequence[BlockState] = ()

    def __init__(self, watch: Watch, alone: Alone) -> None:
        self.watch = watch
        self.measurable = alone

    @classmethod
    def of(cls, watch: Watch, nodeid: str) -> Waiting | None:
        """Return what waits of a test; None where there is more to say of it than that.

        So there is where a fixture of any test made a pass, which this one might claim.
        """
        block = watch.closed(nodeid)
        if block is None or not watch.keeps or watch.fixtures_ran:
            return None
        alone = Alone.of(block)
        return cls(watch, alone) if alone is not None and alone.recorded.written else None

    def plain(self, own: BlockState | None, unsent: Sequence[tuple[BlockState, bytes]]) -> Plain:
        """Return what `Entry.plain` does."""
        assert own is not None
        key = own.key
        plain = _plain([[key, 0]], [[key, 0, data] for _, data in unsent], [own], own, 0)
        if plain["inputs"]:
            return plain
        return {**plain, "cause": self.watch.cause_of_nothing([self.measurable.block()])}


def _plain(
    claims: list[Any],
    blocks: list[Any],
    states: Sequence[BlockState],
    own: BlockState | None,
    uncounted: int,
) -> Plain:
    return {
        "claims": claims,
        "blocks": blocks,
        "devices": sorted({device for state in states for device in state.devices}),
        "passes": sum([state.passes for state in states]),
        "own_passes": 0 if own is None else own.passes,
        "uncounted": uncounted,
        "inputs": len({digest for state in states for digest in state.digests.tolist()}),
        "cause": "",
    }


def own_passes(entry: Entry | Waiting | Plain) -> int:
    """Return the passes of the test itself, settled or not."""
    return int(entry["own_passes"]) if isinstance(entry, dict) else entry.own_passes


def plain_of(entries: Sequence[Entry | Waiting]) -> list[Plain]:
    """Return what each of these tests recorded; those of one watch are measured together.

    Raises:
        IdcError: What one of them did cannot be measured.
    """
    found: dict[int, Plain] = {}
    for watch in {id(entry.watch): entry.watch for entry in entries}.values():
        members = [(e, e.measurable) for e in entries if e.watch is watch]
        blocks = [block for _, block in members if block is not None]
        measured = iter(states_of(blocks, watch.criteria, watch.profile.digests))
        own = [None if block is None else next(measured) for _, block in members]
        unsent = [
            [*entry.unsent, *([] if state is None else [state])]
            for (entry, _), state in zip(members, own, strict=True)
        ]
        data = iter(packed([state for states in unsent for state in states]))
        for (entry, _), state, states in zip(members, own, unsent, strict=True):
            found[id(entry)] = entry.plain(state, [(each, next(data)) for each in states])
    return [found[id(entry)] for entry in entries]
