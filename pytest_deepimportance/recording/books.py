"""What becomes of a pass that has ended: it is booked to its block, or counted with its cause."""

from __future__ import annotations

from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.counters import Counters
from pytest_deepimportance.recording.flight import Flight
from pytest_deepimportance.recording.gradients import GradientWatch
from pytest_deepimportance.recording.measure import Measure


class Books:
    """The books of a recorder.

    Args:
        totals: Everything left out, whatever the block.
        measure: What is read in each pass.
    """

    def __init__(self, totals: Counters, measure: Measure) -> None:
        self._totals = totals
        self._measure = measure
        self._gradients: list[GradientWatch] = []

    def book(self, flight: Flight) -> None:
        """Book a flight whose call has returned, or raised."""
        if flight.raised:
            flight.gradient.close()
            self.count(flight.block, "raised_passes", "passes raised an exception")
        elif flight.exclusion is not None:
            self.count(flight.block, *flight.exclusion)
        elif flight.failure is not None:
            self._drop(flight, f"passes could not be measured: {flight.failure}")
        elif not flight.visited:
            self._drop(flight, "passes visited no measured layer" + _other_rows(flight))
        else:
            self._commit(flight)

    def count(self, block: Block | None, name: str, cause: str | None) -> None:
        """Add one to a counter, of the block too."""
        self._totals.add(name, cause=cause)
        if block is not None:
            block.counters.add(name, cause=cause)

    def note(self, block: Block, cause: str) -> None:
        """Count something worth saying that left no pass out."""
        self._totals.note(cause)
        block.counters.note(cause)

    def close_gradients(self) -> None:
        """Watch no more whether booked passes turn out to be attack steps."""
        while self._gradients:
            self._gradients.pop().close()

    def _commit(self, flight: Flight) -> None:
        block = flight.block
        assert block is not None
        recorded = flight.recorded(self._measure)
        if not block.commit(recorded):
            self._drop(flight, "passes ended after their test")
            return
        for name in flight.apart:
            self.count(block, name, None)
        for name, rows in flight.skipped.items():
            self.note(block, f"passes gave layer {name} another number of rows, such as {rows}")
        if not flight.sliced:
            self.note(block, "passes have another number of rows than their slices")
        if flight.unscored is not None:
            self.note(block, f"passes gave no class: {flight.unscored}")
        if recorded.gradient is not None:
            recorded.gradient.arm(lambda: self._attacked(block))
            self._gradients.append(recorded.gradient)

    def _attacked(self, block: Block) -> None:
        block.touch()
        self._totals.add("attack_passes")

    def _drop(self, flight: Flight, cause: str) -> None:
        flight.gradient.close()
        self.count(flight.block, "dropped_passes", cause)


def _other_rows(flight: Flight) -> str:
    if not flight.skipped:
        return ""
    name, rows = next(iter(flight.skipped.items()))
    return f" with one row per input ({name} has {rows})"
