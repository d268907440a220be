from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_deepimportance.profile.spool import Spool


def chunks(dtype: type, sizes: tuple[int, ...] = (3, 1, 0, 7, 5)) -> list[NDArray[np.floating]]:
    generator = np.random.default_rng(0)
    return [generator.normal(size=(size, 4)).astype(dtype) for size in sizes]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("budget", [0, 1, 60, 1 << 20])
def test_memory_and_disk_hold_the_same_columns(dtype: type, budget: int) -> None:
    parts = chunks(dtype)
    spool = Spool(budget)
    for part in parts:
        spool.append(part)
    whole = np.concatenate(parts)
    assert len(spool) == len(whole)
    assert spool.on_disk is (budget < whole.nbytes)
    for indices in ([2], [3, 0], [1, 1], []):
        columns = spool.columns(indices)
        assert columns.dtype == dtype
        np.testing.assert_array_equal(columns, whole[:, indices])
    spool.close()


def test_rows_may_be_appended_between_readings() -> None:
    first, second = chunks(np.float32, (4, 4))
    for budget in (0, 1 << 20):
        spool = Spool(budget)
        spool.append(first)
        np.testing.assert_array_equal(spool.columns([0]), first[:, [0]])
        spool.append(second)
        np.testing.assert_array_equal(spool.columns([3])[:, 0], [*first[:, 3], *second[:, 3]])
        spool.close()


def test_a_transposed_chunk_is_written_row_by_row() -> None:
    values = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    spool = Spool(0)
    spool.append(values)
    np.testing.assert_array_equal(spool.columns([0, 1, 2, 3]), values)
    spool.close()


def test_nothing_appended() -> None:
    spool = Spool(0)
    assert len(spool) == 0
    assert not spool.on_disk
    assert spool.columns([0, 1]).shape == (0, 2)


def test_the_temporary_file_is_gone_after_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    open_files = Path("/proc/self/fd")
    before = len(os.listdir(open_files)) if open_files.exists() else 0
    spool = Spool(0)
    spool.append(chunks(np.float32)[0])
    columns = spool.columns([1])
    spool.close()
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    if open_files.exists():
        assert len(os.listdir(open_files)) == before
    np.testing.assert_array_equal(columns, chunks(np.float32)[0][:, [1]])  # a copy, still there
