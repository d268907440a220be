from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.errors import SettingsError
from tests.criteria.surprise_builders import batch_of, example, make, measured, provided_of
from tests.oracles.reference_buckets import surprise_coverage
from tests.oracles.reference_dsc import dsa
from tests.statistics.surprise_cases import rows_of


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 60), st.integers(1, 4), st.integers(0, 99))
def test_coverage_is_the_slow_twins(count, width, seed):
    generator = np.random.default_rng(seed)
    values, classes = rows_of(generator, count, width)
    inputs, labels = rows_of(generator, 30, width, classes=4)
    provided = provided_of(values, classes)
    row = measured("DSC", provided, batch_of(inputs, labels), dsc_buckets=40, surprise_values=True)
    traces = provided["traces"]
    expected = dsa(traces.values, traces.classes, inputs, labels)
    assert {
        name: getattr(row, name, row.details.get(name)) for name in ("covered", "below", "above")
    } == surprise_coverage(expected, 2.0, 40)
    found = [value for _, value in row.details["values"]]
    assert found == [value if np.isfinite(value) else None for value in expected.tolist()]


def test_inputs_need_classes():
    with pytest.raises(SettingsError, match="Set surprise_labels to predicted or true"):
        make("DSC", example()[0], surprise_labels="none")


def test_an_input_of_the_reference_is_below_the_first_bucket_and_near_its_edge():
    provided, _ = example()
    traces = provided["traces"]
    row = measured("DSC", provided, batch_of(traces.values[:9], traces.classes[:9]))
    assert (row.covered, row.details["below"], row.details["near_boundary"]) == (0, 9, 9)


def test_rows_shared_by_classes_have_no_finite_ratio():
    provided = provided_of(np.array([[0.0], [0.0], [5.0]], np.float32), [0, 1, 1])
    row = measured(
        "DSC", provided, batch_of(np.array([[0.0], [1.0], [5.0]], np.float32), [0, 0, 1])
    )
    assert (row.details["non_finite"], row.details["below"]) == (2, 1)


def test_a_reference_of_one_class_is_nothing_to_compare_with():
    values = np.eye(3, dtype=np.float32)
    row = measured("DSC", provided_of(values, [4, 4, 4]), batch_of(values, [4, 4, 4]))
    assert (row.judged, row.details["no_reference"], row.covered) == (False, 3, 0)


def test_the_row_names_sampled_classes():
    generator = np.random.default_rng(0)
    values, classes = rows_of(generator, 90, 2)
    classes[:85] = 0
    classes[85:] = 1
    row = measured("DSC", provided_of(values, classes, limit=10), batch_of(values[:5], classes[:5]))
    assert (row.details["sampled"], row.details["reference_rows"]) == ([0], 15)
