"""A seeded sample of a stream of batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.drawn import drawn
from pytest_deepimportance.errors import SettingsError


def rows(size: int, count: int, seed: int, total: int = 40) -> list[int]:
    x = torch.arange(total)[:, None].float()
    calls = (as_call((part, part[:, 0].long())) for part in x.split(size))
    found = list(drawn(calls, count, seed))
    assert all(torch.equal(call.args[0][:, 0].long(), call.labels) for call in found)
    return [int(value) for call in found for value in call.args[0][:, 0]]


def test_the_same_rows_at_any_batch_size_in_their_order() -> None:
    found = rows(7, 12, seed=1)
    assert len(found) == 12
    assert found == sorted(found)
    assert rows(1, 12, seed=1) == rows(40, 12, seed=1) == found
    assert rows(7, 12, seed=2) != found


def test_all_rows_where_there_are_no_more() -> None:
    assert rows(7, 99, seed=0) == list(range(40))


def test_each_row_is_as_likely_as_any_other() -> None:
    times = np.zeros(10)
    for seed in range(2000):
        times[rows(3, 3, seed, total=10)] += 1
    assert abs(times / 2000 - 0.3).max() < 0.04


def test_nothing_is_no_sample() -> None:
    with pytest.raises(SettingsError, match="samples = 0"):
        rows(7, 0, seed=0)
