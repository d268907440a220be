"""Thumbnails by plain loops over pixels."""

from __future__ import annotations

import math


def thumbnail(image: list[list[list[float]]], side: int) -> tuple[list, float, float]:
    """Return [C][H][W] as [h][w][C] with values 0..255, and which values are 0 and 255.

    A pixel is the mean of the pixels that its area touches.
    """
    height, width = len(image[0]), len(image[0][0])
    factor = min(1.0, side / max(height, width))
    rows, columns = max(1, round(height * factor)), max(1, round(width * factor))
    small = [
        [[_mean(plane, r, rows, c, columns) for plane in image] for c in range(columns)]
        for r in range(rows)
    ]
    values = [value for row in small for pixel in row for value in pixel]
    low, high = min(values), max(values)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scaled = [[[(v - low) / (high - low) * 255 for v in pixel] for pixel in row] for row in small]
    return scaled, low, high


def _mean(plane: list[list[float]], r: int, rows: int, c: int, columns: int) -> float:
    found = [
        plane[y][x] for y in _range(r, rows, len(plane)) for x in _range(c, columns, len(plane[0]))
    ]
    return sum(found) / len(found)


def _range(at: int, parts: int, length: int) -> range:
    return range(at * length // parts, math.ceil((at + 1) * length / parts))
