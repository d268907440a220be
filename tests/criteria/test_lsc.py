from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.criteria.surprise_builders import batch_of, measured, provided_of
from tests.oracles.reference_buckets import surprise_coverage
from tests.oracles.reference_lsc import lsa
from tests.statistics.surprise_cases import rows_of


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 80), st.integers(1, 4), st.integers(0, 99))
def test_coverage_is_the_slow_twins(count, width, seed):
    generator = np.random.default_rng(seed)
    values, classes = rows_of(generator, count, width)
    inputs, labels = rows_of(generator, 30, width, classes=4)
    row = measured(
        "LSC", provided_of(values, classes), batch_of(inputs, labels), lsc_upper=20.0,
        lsc_buckets=50, surprise_values=True,
    )  # fmt: skip
    expected = lsa(values, classes, inputs, labels)
    assert row.covered == surprise_coverage(expected, 20.0, 50)["covered"]
    found = np.array([np.nan if v is None else v for _, v in row.details["values"]])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    missing = int(np.isnan(expected).sum())
    assert row.details["non_finite"] + row.details["no_reference"] == missing


def test_the_row_says_what_was_left_out_of_the_reference():
    generator = np.random.default_rng(0)
    values, classes = rows_of(generator, 300, 3, smallest=-9)
    values[:, 1] = 2
    classes[:2] = 8
    provided = provided_of(values, classes, limit=50)
    row = measured("LSC", provided, batch_of(values[:10], classes[:10]))
    assert row.details["dropped_columns"] == [1]
    assert row.details["no_density"] == [8]
    assert row.details["ridge"] == []
    assert row.details["sampled"] == [0, 1, 2]
    assert row.details["reference_rows"] == 152
    assert row.details["non_finite"] == 2
    assert (row.details["upper"], row.details["upper_from"]) == (2000.0, "as asked")


def test_one_density_for_all_classes():
    generator = np.random.default_rng(1)
    values, _ = rows_of(generator, 200, 1, smallest=-9)
    zeros = np.zeros(200, np.int64)
    provided = provided_of(values, zeros)
    batch = batch_of(values[:20], np.full(20, -1))
    row = measured("LSC", provided, batch, surprise_labels="none", surprise_values=True)
    expected = lsa(values, zeros, values[:20], zeros[:20])
    found = [value for _, value in row.details["values"]]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("count", [3, 5])
def test_no_class_has_enough_rows(count):
    values = np.random.default_rng(2).normal(size=(count, 5)).astype(np.float32)
    row = measured("LSC", provided_of(values, [0] * count), batch_of(values, [0] * count))
    assert (row.judged, row.details["non_finite"], row.details["no_density"]) == (False, count, [0])
