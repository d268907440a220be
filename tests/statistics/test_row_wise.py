from __future__ import annotations

import numpy as np
import pytest

from pytest_deepimportance.statistics.row_wise import row_by_row, row_products


@pytest.mark.parametrize(("d", "n"), [(1, 1), (3, 17), (84, 301), (257, 300), (121, 513)])
def test_a_product_of_rows_is_that_of_each_row_alone_to_the_last_bit(d, n):
    generator = np.random.default_rng(d)
    rows, matrix = generator.normal(size=(70, d)), generator.normal(size=(d, n))
    products = row_products(rows, matrix)
    np.testing.assert_allclose(products, rows @ matrix, rtol=1e-9, atol=1e-12)
    assert products.flags.c_contiguous
    for chosen in (generator.permutation(70), np.arange(5, 30), np.array([3])):
        assert (row_products(rows[chosen], matrix) == products[chosen]).all()


def test_rows_are_measured_in_double_precision_whatever_their_layout():
    rows = np.asfortranarray(np.random.default_rng(0).normal(size=(100, 9)).astype(np.float32))
    found = row_by_row(rows, lambda block: block.sum(axis=1))
    assert found.dtype == np.float64
    assert found.tolist() == [row.astype(np.float64).sum() for row in rows]
    assert row_by_row(rows[:0], lambda block: block.sum(axis=1)).shape == (0,)
