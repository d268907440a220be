"""Passes in flight: one per thread, from the outermost call of a watched module to its return."""

from __future__ import annotations

import threading
from contextlib import suppress

from pytest_deepimportance.recording.flight import Flight
from pytest_deepimportance.recording.running import runs_around


class Flights:
    """The flights of all threads; each thread sees its own."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._active: set[Flight] = set()

    @property
    def here(self) -> Flight | None:
        """The flight of this thread."""
        flight: Flight | None = getattr(self._local, "flight", None)
        if flight is not None and flight.abandoned:
            self._drop(flight)
            return None
        return flight

    def around(self) -> Flight | None:
        """Return the flight of this thread that a call which begins now is a part of.

        One whose call is gone is forgotten here, and counted with those that nobody saw end.
        """
        flight = self.here
        if flight is None or runs_around(flight.owner.module):
            return flight
        if flight.collecting:
            flight.owner.stop_collecting()
        flight.give_up()
        self._local.flight = None
        return None

    def open(self, flight: Flight) -> None:
        """Begin a flight in this thread."""
        self._local.flight = flight
        self._local.last_site = None
        self._active.add(flight)

    def close(self, flight: Flight) -> None:
        """End this thread's flight."""
        self._local.flight = None
        self._active.discard(flight)

    def abandon_here(self) -> None:
        """Give up this thread's flight: an exit or timeout unwound it past every hook."""
        flight = self.here
        if flight is not None:
            self._drop(flight)

    def abandon_all(self) -> list[Flight]:
        """Give up the flights of all threads and return them: no hook will see them end."""
        lost = []
        while self._active:  # other threads may open and close theirs meanwhile
            with suppress(KeyError):
                lost.append(self._active.pop())
        for flight in lost:
            flight.give_up()
        self.abandon_here()
        return lost

    def starts_partial_call(self, order: int) -> bool:
        """Whether a site visited without a call of the model begins another partial call.

        Args:
            order: Position of the site in execution order.
        """
        last = getattr(self._local, "last_site", None)
        self._local.last_site = order
        return last is None or order <= last

    def _drop(self, flight: Flight) -> None:
        if flight.collecting:
            flight.owner.stop_collecting()
        flight.give_up()
        self.close(flight)
