"""What one marked test recorded for one profile, as its report carries it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.engine.reducing import state_of
from pytest_deepimportance.engine.states import BlockState
from pytest_deepimportance.engine.together import states_of
from pytest_deepimportance.engine.wire import packed
from pytest_deepimportance.glue.watch import Watch
from pytest_deepimportance.recording.causes import of_uncounted

if TYPE_CHECKING:
    from pytest_deepimportance.glue.blocks import FixtureLedger


class Entry:
    """Made when the test ends: its block takes in nothing from then on.

    Where all a test did was to run a few inputs, what they amount to may be found out later, with
    those of the tests around it (`waits`): in a process of its own nothing can be lost meanwhile.

    Args:
        watch: Of the profile.
        ledger: Knows which fixtures were set up how often.
        nodeid: The test.
        claimed: Block keys of the fixtures it used, where what it recorded counts.
        counts: Whether that counts.
        skipped: Whether the test was skipped.
    """

    def __init__(
        self,
        watch: Watch,
        ledger: FixtureLedger,
        nodeid: str,
        claimed: Sequence[str],
        *,
        counts: bool,
        skipped: bool,
    ) -> None:
        keys = [key for key in claimed if watch.has_passes(key)]
        self.watch = watch
        self.block = watch.closed(nodeid)
        self._claims = {key: ledger.serial(key) for key in (*keys, nodeid)}
        self._fixtures = watch.states(keys) if keys else []
        self._unsent = watch.unsent(self._fixtures, nodeid) if keys else []
        blocks = watch.blocks
        self._seen = [blocks[key] for key in (nodeid, *claimed) if key in blocks]
        self._counts = counts
        self._skipped = skipped

    @property
    def own_passes(self) -> int:
        """Passes of the test itself."""
        return 0 if self.block is None or not self._counts else self.block.counted_passes

    @property
    def waits(self) -> bool:
        """Whether `plain` may be asked for later, after other tests."""
        block = self.block
        return self._counts and block is not None and self.watch.keeps and block.written

    def plain(self, own: BlockState | None = None) -> dict[str, Any]:
        """Return builtins and bytes only.

        Args:
            own: What the test itself recorded, where that was found out already.

        Raises:
            IdcError: What the test did cannot be measured.
        """
        watch, block = self.watch, self.block
        states, unsent = list(self._fixtures), list(self._unsent)
        if own is None and self._counts and block is not None and block.passes:
            own = state_of(block, watch.criteria, watch.profile.digests)
        if own is not None:
            states.append(own)
            unsent.append(own)
        inputs = len(set().union(*(state.digests.tolist() for state in states)))
        uncounted = 0 if self._counts or block is None else block.counted_passes
        return {
            "claims": [[key, serial] for key, serial in self._claims.items()],
            "blocks": [[s.key, self._claims[s.key], packed(s)] for s in unsent],
            "devices": sorted({device for state in states for device in state.devices}),
            "passes": sum(state.passes for state in states),
            "own_passes": self.own_passes,
            "uncounted": uncounted,
            "inputs": inputs,
            "cause": "" if inputs else self._cause(uncounted),
        }

    def _cause(self, uncounted: int) -> str:
        if self._counts:
            return self.watch.cause_of_nothing(self._seen)
        return of_uncounted(self._skipped, uncounted)


def plain_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return `plain` of entries that wait; what the tests of one watch did is measured together."""
    states: dict[int, BlockState] = {}
    for watch in {id(entry.watch): entry.watch for entry in entries}.values():
        blocks = [e.block for e in entries if e.watch is watch and e.block is not None]
        found = states_of(blocks, watch.criteria, watch.profile.digests)
        states.update(zip(map(id, blocks), found, strict=True))
    return [entry.plain(states.get(id(entry.block))) for entry in entries]
