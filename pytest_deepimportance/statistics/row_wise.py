"""A number for each row, computed so that the other rows of the batch make no difference.

The product of two matrices may round a row differently when the number of rows, or the row's place
among them, changes, so that the same input would get another last digit in another batch. Here
each row is multiplied on its own: always the same operation on the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK_ROWS = 32
"""Few, so that what is made of a block stays in the processor's cache."""


@np.errstate(over="ignore", invalid="ignore")
def row_by_row(rows: NDArray[np.floating], measure: Callable[[Floats], Floats]) -> Floats:
    """Return `measure` of each row of (N, d), (N,); what overflows is infinite or NaN.

    Args:
        measure: From a block of rows (B, d) in double precision to (B,); made of `row_products`,
            of operations on single numbers, and of reductions within a row.
    """
    result = np.empty(len(rows), dtype=np.float64)
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        result[part] = measure(rows[part].astype(np.float64, order="C"))
    return result


def row_products(rows: Floats, matrix: Floats) -> Floats:
    """Return rows (B, d) times a matrix (d, n), (B, n), contiguous."""
    b, d = rows.shape
    # A stack of matrices of one row: numpy multiplies them one by one, without a Python loop.
    result: Floats = np.matmul(rows.reshape(b, 1, d), matrix).reshape(b, -1)
    return result
