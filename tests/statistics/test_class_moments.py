from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.statistics.class_moments import ClassMoments

EXACT = {"rtol": 1e-12, "atol": 1e-12}


def close(found, expected):
    assert found.classes == expected.classes
    for label in expected.classes:
        (n, mean, scatter), (rows, centre, spread) = found.of(label), expected.of(label)
        assert n == rows
        np.testing.assert_allclose(mean, centre, **EXACT)
        np.testing.assert_allclose(scatter, spread, rtol=1e-10, atol=1e-10 * max(spread.max(), 1))


def moments_of(values, classes):
    moments = ClassMoments()
    moments.update(values, classes)
    return moments


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(1, 4), st.integers(0, 2**32 - 1), st.data())
def test_streamed_and_merged_moments_are_those_of_all_rows(rows, width, seed, data):
    generator = np.random.default_rng(seed)
    offset = data.draw(st.sampled_from([0.0, 1e6]))
    values = generator.normal(size=(rows, width)) + offset
    classes = generator.integers(0, 3, rows)
    whole = ClassMoments()
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=3)))
    for a, b in zip([0, *cuts], [*cuts, rows], strict=True):
        part = moments_of(values[a:b], classes[a:b])
        if data.draw(st.booleans()):
            whole.merge(part)
        else:
            whole.update(values[a:b], classes[a:b])
    assert whole.classes == sorted(set(classes.tolist()))
    assert whole.rows == rows
    for label in whole.classes:
        own = values[classes == label]
        count, mean, scatter = whole.of(label)
        assert count == len(own)
        np.testing.assert_allclose(mean, own.mean(axis=0), rtol=1e-13, atol=1e-13)
        away = own - own.mean(axis=0)
        # the mean of values near 1e6 is known to 1e-10 only
        np.testing.assert_allclose(
            scatter, away.T @ away, rtol=1e-9, atol=1e-8 if offset else 1e-12
        )
        assert (scatter == scatter.T).all()


def test_a_file_gives_them_back():
    generator = np.random.default_rng(0)
    moments = moments_of(generator.normal(size=(50, 3)), generator.integers(0, 4, 50))
    stored = ClassMoments.from_arrays(load(save(moments.to_arrays())))
    for name, array in moments.to_arrays().items():
        assert stored.to_arrays()[name].tolist() == array.tolist()
    assert stored.width == 3
    more = generator.normal(size=(5, 3)), np.zeros(5, dtype=np.int64)
    stored.update(*more)
    moments.update(*more)
    close(stored, moments)


def test_single_precision_is_summed_in_double():
    values = np.random.default_rng(0).normal(size=(999, 2)).astype(np.float32)
    classes = np.zeros(999, dtype=np.int64)
    close(moments_of(values, classes), moments_of(values.astype(np.float64), classes))


def test_no_rows_are_no_classes():
    moments = moments_of(np.zeros((0, 3)), np.zeros(0, dtype=np.int64))
    assert (moments.classes, moments.rows, moments.width) == ([], 0, 0)
    assert ClassMoments.from_arrays(moments.to_arrays()).classes == []


def test_layers_of_another_width_are_refused():
    moments = moments_of(np.zeros((2, 3)), np.zeros(2, dtype=np.int64))
    with pytest.raises(ProfileError, match="2 neurons cannot join moments of 3"):
        moments.update(np.zeros((2, 2)), np.zeros(2, dtype=np.int64))


def test_what_was_derived_is_forgotten_after_a_change():
    moments = moments_of(np.zeros((2, 3)), np.zeros(2, dtype=np.int64))
    moments.memo["something"] = 1
    moments.merge(moments_of(np.ones((2, 3)), np.ones(2, dtype=np.int64)))
    assert not moments.memo
