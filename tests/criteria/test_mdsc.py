from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.criteria.surprise_builders import batch_of, example, measured, provided_of
from tests.oracles.reference_buckets import surprise_coverage
from tests.oracles.reference_mdsc import mdsa
from tests.statistics.surprise_cases import rows_of

INVERSES = ("ridge", "pinv")


@pytest.mark.parametrize("inverse", INVERSES)
@settings(max_examples=30, deadline=None)
@given(st.integers(30, 80), st.integers(1, 4), st.integers(0, 99))
def test_coverage_is_the_slow_twins(inverse, count, width, seed):
    generator = np.random.default_rng(seed)
    values, classes = rows_of(generator, count, width, smallest=-9)
    inputs, labels = rows_of(generator, 30, width, classes=4, smallest=-9)
    row = measured(
        "MDSC", provided_of(values, classes), batch_of(inputs, labels), mdsc_upper=3.0,
        mdsc_buckets=40, mdsc_inverse=inverse, surprise_values=True,
    )  # fmt: skip
    expected = mdsa(values, classes, inputs, labels, inverse)
    assert {
        name: getattr(row, name, row.details.get(name)) for name in ("covered", "below", "above")
    } == surprise_coverage(expected, 3.0, 40)
    found = [value for _, value in row.details["values"] if value is not None]
    np.testing.assert_allclose(found, expected[np.isfinite(expected)], rtol=1e-9)
    assert row.details["inverse"] == inverse


@pytest.mark.parametrize("inverse", INVERSES)
def test_the_upper_end_is_calibrated_for_each_inverse(inverse):
    provided, batch = example()
    row = measured("MDSC", provided, batch, mdsc_inverse=inverse)
    assert row.details["upper"] == provided["mdsc_calibration"][inverse]
    assert row.details["upper_from"] == "auto"
    asked = measured("MDSC", provided, batch, mdsc_inverse=inverse, mdsc_upper=7.5)
    assert (asked.details["upper"], asked.details["upper_from"]) == (7.5, "as asked")


@pytest.mark.parametrize("inverse", INVERSES)
def test_a_constant_reference_judges_nothing(inverse):
    values = np.full((5, 2), 0.5, dtype=np.float32)
    provided = provided_of(values, [0] * 5)
    assert provided["mdsc_calibration"][inverse] == 0
    row = measured("MDSC", provided, batch_of(values, [0] * 5), mdsc_inverse=inverse)
    assert (row.covered, row.judged, row.total) == (0, False, 1000)


def test_all_classes_together():
    generator = np.random.default_rng(1)
    values, _ = rows_of(generator, 100, 1, smallest=-9)
    zeros = np.zeros(100, np.int64)
    batch = batch_of(values[:20], np.full(20, -1))
    row = measured(
        "MDSC", provided_of(values, zeros), batch, surprise_labels="none", surprise_values=True
    )
    expected = mdsa(values, zeros, values[:20], zeros[:20], "ridge")
    found = [value for _, value in row.details["values"]]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
