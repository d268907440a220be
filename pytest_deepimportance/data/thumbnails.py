"""Thumbnails of a call's rows, where these are images by their shape."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from pytest_deepimportance.data.batches import ModelCall

SIDE = 64
"""Pixels of the longer side at most, so that a thumbnail needs 12 KiB before it is compressed."""

_SMALLEST = 4
"""Pixels of the shorter side at least: what is smaller shows nothing."""

_COLOURS = {1: 0, 3: 2}
"""PNG's number for grey and for RGB, by channels."""


@dataclass(frozen=True)
class Thumbnail:
    """One image as a PNG file, and the values that are black and white in it."""

    png: bytes
    low: float
    high: float


@dataclass(frozen=True)
class Thumbnails:
    """The images of N rows.

    Attributes:
        pixels: (N, H, W, C), C is 1 or 3.
        low, high: The value shown as 0 and the one shown as 255, for each row, (N,).
    """

    pixels: NDArray[np.uint8]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    def of(self, row: int) -> Thumbnail:
        """Return one row's image."""
        return Thumbnail(_png(self.pixels[row]), float(self.low[row]), float(self.high[row]))


def thumbnails(call: ModelCall) -> Thumbnails | None:
    """Return small copies of the first argument that holds images, None where none does.

    Images are floating or uint8 tensors (N, C, H, W) with 1 or 3 channels. They are made smaller by
    averaging. Values from 0 to 1, and bytes, keep their brightness; those of an image with others
    (it was normalised) are stretched from its smallest to its largest.
    """
    found = (value for value in (*call.args, *call.kwargs.values()) if _images(value, call.rows))
    images = next(found, None)
    if images is None:
        return None
    small = _smaller(images.detach()).cpu().numpy().transpose(0, 2, 3, 1)
    if images.dtype == torch.uint8:
        low, high = np.zeros(len(small), np.float32), np.full(len(small), 255, np.float32)
    else:
        small = np.nan_to_num(small, posinf=0.0, neginf=0.0)
        low, high = _ranges(small)
    scaled = (small - low[:, None, None, None]) / (high - low)[:, None, None, None] * 255
    return Thumbnails(scaled.clip(0, 255).round().astype(np.uint8), low, high)


def _images(value: object, rows: int) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and (value.is_floating_point() or value.dtype == torch.uint8)
        and value.dim() == 4
        and 0 < len(value) == rows
        and value.shape[1] in _COLOURS
        and min(value.shape[2:]) >= _SMALLEST
    )


def _smaller(images: Tensor) -> Tensor:
    """Return (N, C, h, w) in single precision, the longer side `SIDE` at most."""
    height, width = images.shape[2:]
    longer = max(height, width)
    if longer <= SIDE:
        return images.float()
    size = [max(1, round(side * SIDE / longer)) for side in (height, width)]
    return interpolate(images.float(), size=size, mode="area")


def _ranges(images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return which value is black and which is white, for each row, (N,) each."""
    low, high = images.min(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))
    plain = (low >= 0) & (high <= 1)
    low, high = np.where(plain, np.float32(0), low), np.where(plain, np.float32(1), high)
    # An image of one value is a grey area.
    flat = ~(high > low)
    return np.where(flat, low - 1, low), np.where(flat, high + 1, high)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Return (H, W, C) as a PNG file."""
    height, width, channels = pixels.shape
    # A byte before each line says that it is written as it is.
    lines = np.zeros((height, 1 + width * channels), np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)
