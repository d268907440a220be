"""Thumbnails: which calls hold images, what a PNG of one shows, and how large it may be."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.thumbnails import SIDE, Thumbnail, thumbnails
from tests.oracles import reference_thumbnails


def pixels_of(image: Thumbnail) -> np.ndarray:
    """Read a PNG as (H, W, C), chunk by chunk, checking what a viewer would check."""
    data = image.png
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert int.from_bytes(data[at + 8 + size : at + 12 + size], "big") == zlib.crc32(
            kind + body
        )
        chunks[kind], at = body, at + 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    head = chunks[b"IHDR"]
    width, height = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
    channels = {0: 1, 2: 3}[head[9]]
    assert head[8] == 8
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, channels)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 20), (3, 128, 64), (1, 96, 200)])
def test_an_image_equals_plain_loops(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    images = torch.randn(3, *shape) * 2 + 1
    found = thumbnails(as_call(images))
    assert found is not None
    for row in range(3):
        expected, low, high = reference_thumbnails.thumbnail(images[row].tolist(), SIDE)
        image = found.of(row)
        assert (image.low, image.high) == pytest.approx((low, high), abs=1e-4)
        own = pixels_of(image)
        assert own.shape[:2] == np.shape(expected)[:2]
        assert max(own.shape[:2]) <= SIDE
        assert np.abs(own.astype(int) - np.array(expected)).max() <= 1


def test_values_from_0_to_1_and_bytes_keep_their_brightness() -> None:
    dim = torch.full((2, 3, 8, 8), 0.2)
    dim[1] = 0.4
    found = thumbnails(as_call(dim))
    assert found is not None
    assert [set(pixels_of(found.of(row)).ravel()) for row in (0, 1)] == [{51}, {102}]
    assert (found.of(0).low, found.of(0).high) == (0, 1)
    found = thumbnails(as_call(torch.full((1, 1, 8, 8), 7, dtype=torch.uint8)))
    assert found is not None
    assert set(pixels_of(found.of(0)).ravel()) == {7}


@pytest.mark.filterwarnings("error")
def test_images_of_one_value_and_broken_ones_have_a_picture_too() -> None:
    images = torch.full((2, 1, 8, 8), 5.0)
    images[1, 0, 0, 0] = float("nan")
    found = thumbnails(as_call(images))
    assert found is not None
    assert set(pixels_of(found.of(0)).ravel()) == {128}
    assert pixels_of(found.of(1)).max() == 255


def test_a_row_has_the_same_picture_in_every_batch() -> None:
    images = torch.randn(9, 3, 80, 80)
    whole, part = thumbnails(as_call(images)), thumbnails(as_call(images[4:6].clone()))
    assert whole is not None
    assert part is not None
    assert whole.of(4) == part.of(0)


@pytest.mark.parametrize(
    "batch",
    [
        torch.randn(4, 2), torch.randn(4, 10, 16), torch.randn(4, 4, 8, 8),
        torch.randn(4, 1, 1, 300), torch.randint(0, 9, (4, 1, 8, 8)),
        {"input_ids": torch.ones(4, 9, dtype=torch.long)},
    ],
)  # fmt: skip
def test_what_is_no_image_has_none(batch: object) -> None:
    assert thumbnails(as_call(batch)) is None


def test_named_and_second_arguments_are_found() -> None:
    images = torch.rand(2, 3, 8, 8).double()
    assert thumbnails(as_call({"ids": torch.ones(2, 3), "pixel_values": images})) is not None
