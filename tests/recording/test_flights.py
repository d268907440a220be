from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.errors import BatchError
from pytest_deepimportance.formatting import describe_error
from pytest_deepimportance.recording.captured import captured_call
from pytest_deepimportance.recording.flight import Flight
from pytest_deepimportance.recording.flights import Flights


class Owner:
    module = None
    stopped = 0

    def stop_collecting(self) -> None:
        self.stopped += 1


def test_a_call_is_read_as_the_same_batch_would_be():
    x, y = torch.randn(3, 4), torch.tensor([1, 0, 2])
    batch = {"ids": x, "mask": torch.ones(3, 4), "labels": y}
    call, wanted = captured_call((), batch), as_call(batch)
    assert call.rows == wanted.rows == 3
    assert call.labels.tolist() == y.tolist()
    assert row_digests(call).tolist() == row_digests(wanted).tolist()
    plain = captured_call((x,), {"flag": True})
    assert row_digests(plain).tolist() == row_digests(as_call(x)).tolist()


def test_lists_of_images_count_one_row_each():
    images = [torch.randn(3, 8, 8), torch.randn(3, 6, 6)]
    assert captured_call((images,), {}).rows == 2


def test_arrays_and_nested_tensors_are_found():
    assert captured_call((np.ones((5, 2), np.float32),), {}).rows == 5
    pair = (torch.randn(4, 2), torch.randn(4, 3))
    call = captured_call((pair,), {})
    assert call.rows == 4
    assert len(set(row_digests(call).tolist())) == 4


@pytest.mark.parametrize("labels", [torch.tensor([1]), "text", torch.rand(3)])
def test_labels_that_do_not_fit_are_no_labels(labels):
    assert captured_call((torch.randn(3, 4),), {"labels": labels}).labels is None


def test_a_call_without_rows_is_refused():
    with pytest.raises(BatchError):
        captured_call((3, torch.tensor(1.0)), {"text": "a"})


def test_each_thread_has_its_own_flight():
    flights = Flights()
    flight = Flight(Owner(), None)
    flights.open(flight)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(flights.here))
    thread.start()
    thread.join()
    assert seen == [None]
    assert flights.here is flight
    flights.close(flight)
    assert flights.here is None
    assert flights.abandon_all() == []


def test_an_abandoned_flight_is_gone_and_stops_collecting():
    flights, owner = Flights(), Owner()
    flight = Flight(owner, None)
    flight.collecting = True
    flights.open(flight)
    flights.abandon_here()
    flights.abandon_here()
    assert flights.here is None
    assert owner.stopped == 1
    other = Flight(owner, None)
    flights.open(other)
    assert flights.abandon_all() == [other]
    assert flights.here is None


def test_partial_calls_are_told_apart_by_execution_order():
    flights = Flights()
    assert [flights.starts_partial_call(order) for order in (0, 1, 4, 0, 1, 1)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


def test_errors_are_described_in_one_line():
    assert describe_error(ValueError("first\nsecond")) == "ValueError: first"
    assert describe_error(KeyError()) == "KeyError"
