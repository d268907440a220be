from __future__ import annotations

import json
import threading

from pytest_deepimportance.recording.counters import Counters


def test_wire_is_builtins_with_every_counter_and_the_causes_by_number():
    counters = Counters()
    counters.add("paused_passes", 3)
    counters.add("dropped_passes", cause="passes outside of any test")
    counters.add("dropped_passes", 1200, cause="passes of b")
    counters.note("passes gave no class")
    wire = json.loads(json.dumps(counters.to_wire()))
    assert wire["paused_passes"] == 3
    assert wire["dropped_passes"] == 1201
    assert wire["attack_passes"] == 0
    assert wire["details"] == [
        "1,200 passes of b",
        "1 pass gave no class",
        "1 pass outside of any test",
    ]
    assert "causes" not in wire


def test_any():
    counters = Counters()
    assert not counters.any
    counters.note("something")
    assert counters.any
    other = Counters()
    other.add("raised_passes")
    assert other.any


def test_threads_lose_no_count():
    counters = Counters()

    def count() -> None:
        for _ in range(500):
            counters.add("dropped_passes", cause="c")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.dropped_passes == counters.causes["c"] == 2000
