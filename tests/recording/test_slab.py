from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
import torch

from pytest_deepimportance.recording import slab
from pytest_deepimportance.recording.slab import Slab

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16,
    torch.int64, torch.int32, torch.uint8, torch.bool,
]  # fmt: skip
SHAPES = [(1,), (7,), (3, 5), (1, 1)]


def example(dtype: torch.dtype, shape: tuple[int, ...] = (3, 5)) -> torch.Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 9).to(dtype)


def keep(keeper: Slab, tensor: torch.Tensor) -> torch.Tensor:
    (copy,) = keeper.keep_rows([tensor])
    return copy


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_copy_equals_its_source(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    source, keeper = example(dtype, shape), Slab()
    keep(keeper, torch.zeros(3, dtype=torch.uint8))  # what comes before must not matter
    copy = keep(keeper, source)
    assert copy.dtype == source.dtype
    assert copy.shape == source.shape
    assert torch.equal(copy, source)
    assert copy.data_ptr() != source.data_ptr()


def test_copies_start_at_aligned_places_and_never_overlap() -> None:
    keeper = Slab()
    copies = [keep(keeper, example(dtype, (size,))) for size in (1, 3, 64, 65) for dtype in DTYPES]
    places = [(copy.data_ptr(), copy.data_ptr() + copy.nbytes) for copy in copies]
    base = places[0][0]
    assert all((start - base) % 64 == 0 for start, _ in places)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(places))
    for copy in copies:
        assert torch.equal(copy, example(copy.dtype, tuple(copy.shape)))


def test_a_copy_does_not_follow_its_source() -> None:
    tensor = torch.ones(6)
    kept = keep(Slab(), tensor)
    tensor.zero_()
    assert kept.tolist() == [1.0] * 6
    kept += 1
    assert tensor.tolist() == [0.0] * 6


def test_strides_of_the_source_do_not_matter() -> None:
    source = torch.arange(24.0).reshape(4, 6).t()[::2]
    copy = keep(Slab(), source)
    assert torch.equal(copy, source)
    assert copy.is_contiguous()


def test_large_and_empty_ones_are_left_where_they_are() -> None:
    keeper = Slab()
    large = torch.zeros(slab._LARGEST // 4 + 1)
    empty = torch.zeros(0, 5)
    assert keep(keeper, large) is large
    assert keep(keeper, empty) is empty
    largest = torch.zeros(slab._LARGEST // 4)
    assert keep(keeper, largest) is not largest


def test_tensors_of_other_devices_are_left_where_they_are() -> None:
    elsewhere = torch.empty(4, device="meta")
    assert keep(Slab(), elsewhere) is elsewhere


def test_a_full_slab_is_followed_by_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slab, "_SIZE", 1024)
    keeper = Slab()
    copies = [keep(keeper, torch.full((60,), float(n))) for n in range(20)]
    assert all(copy.tolist() == [float(n)] * 60 for n, copy in enumerate(copies))
    steps = np.diff([copy.data_ptr() for copy in copies])
    assert [at for at, step in enumerate(steps, 1) if step != 256] == [4, 8, 12, 16]


def test_a_slab_lives_as_long_as_a_copy_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slab, "_SIZE", 512)
    keeper = Slab()
    kept = keep(keeper, torch.arange(20.0))
    for _ in range(50):
        keep(keeper, torch.full((100,), -1.0))
    del keeper
    assert kept.tolist() == list(range(20))


def test_several_threads_share_a_slab() -> None:
    keeper, found = Slab(), {}

    def work(number: int) -> None:
        found[number] = [keep(keeper, torch.full((17,), float(number))) for _ in range(200)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    for number, copies in found.items():
        assert all(copy.eq(number).all() for copy in copies)
    assert len({copy.data_ptr() for copies in found.values() for copy in copies}) == 1200


def test_rows_are_copied_side_by_side_whatever_their_kinds() -> None:
    keeper = Slab()
    sources = [
        torch.rand(5, 3), torch.rand(5), torch.rand(5, 2).double(), torch.rand(2, 5).t(),
        torch.empty(5, 2, device="meta"), torch.zeros(5, slab._LARGEST // 20 + 1), torch.rand(5, 0),
    ]  # fmt: skip
    kept = keeper.keep_rows(sources)
    for copy, source in zip(kept[:4], sources[:4], strict=True):
        assert torch.equal(copy, source)
        assert copy.dtype == source.dtype
        assert copy.data_ptr() != source.data_ptr()
    assert all(copy is source for copy, source in zip(kept[4:], sources[4:], strict=True))
    assert kept[1].data_ptr() - kept[0].data_ptr() == 12
    later = keeper.keep_rows([torch.full((5, 3), 7.0)])
    assert torch.equal(kept[3], sources[3])
    assert later[0].tolist() == [[7.0] * 3] * 5
    assert Slab().keep_rows([]) == []


def test_memory_without_large_pages_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(slab.mmap, "MADV_HUGEPAGE", raising=False)
    assert keep(Slab(), torch.ones(3)).tolist() == [1.0] * 3
