from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.statistics.sample import SeededSample
from pytest_deepimportance.statistics.traces import Traces

streams = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 3), st.integers(-3, 3)), max_size=50
)  # digest, class, content


def taken(traces, rows, dtype=np.float32):
    values = np.array([[x, x + 1] for _, _, x in rows], dtype=dtype).reshape(-1, 2)
    classes = np.array([c for _, c, _ in rows], dtype=np.int64)
    traces.update(values, classes, np.array([digest for digest, _, _ in rows], dtype=np.uint64))
    return traces


def content(traces):
    return {name: (a.tolist(), a.dtype.str) for name, a in traces.to_arrays().items()}


@settings(max_examples=60, deadline=None)
@given(streams, st.integers(1, 8))
def test_each_class_keeps_its_own_seeded_sample(rows, limit):
    traces = taken(Traces(limit, 5), rows)
    assert traces.classes.tolist() == sorted(traces.classes.tolist())
    assert len(traces) == len(traces.values) == len(traces.keys)
    for label in range(4):
        own = [(digest, x) for digest, c, x in rows if c == label]
        sample = SeededSample(limit, 5)
        values = np.array([[x, x + 1] for _, x in own], dtype=np.float32).reshape(-1, 2)
        sample.update(np.array([digest for digest, _ in own], dtype=np.uint64), values)
        part = traces.rows_of(label)
        assert traces.keys[part].tolist() == sample.keys.tolist()
        assert traces.values[part].tolist() == sample.rows.tolist()
        assert (traces.classes[part] == label).all()
        assert traces.class_rows.get(label, 0) == len(own)
        assert traces.dropped.get(label, 0) == max(len(own) - limit, 0)


@settings(max_examples=60, deadline=None)
@given(streams, st.integers(1, 8), st.data())
def test_order_batches_shards_and_files_change_nothing(rows, limit, data):
    whole = content(taken(Traces(limit), rows))
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    one, two = taken(Traces(limit), shuffled[:cut]), taken(Traces(limit), shuffled[cut:])
    stored = Traces.from_arrays(load(save(two.to_arrays())))
    assert content(stored) == content(two)
    stored.merge(one)
    one.merge(two)
    assert content(one) == content(stored) == whole
    assert content(taken(taken(Traces(limit), shuffled[:cut]), shuffled[cut:])) == whole


def test_double_precision_is_kept():
    traces = taken(Traces(5), [(1, 0, 1)], np.float64)
    assert traces.values.dtype == np.float64
    assert taken(Traces(5), [(1, 0, 1)]).values.dtype == np.float32
    traces.merge(taken(Traces(5), [(2, 1, 1)]))
    assert traces.values.dtype == np.float64


def test_no_rows_are_no_traces():
    traces = taken(Traces(5), [])
    assert (len(traces), traces.class_rows, traces.dropped) == (0, {}, {})
    assert traces.rows_of(3) == slice(0, 0)
    assert len(Traces.from_arrays(traces.to_arrays())) == 0


def test_layers_of_another_width_are_refused():
    traces = taken(Traces(5), [(1, 0, 1)])
    with pytest.raises(ProfileError, match="3 neurons cannot join traces of 2"):
        traces.update(np.ones((1, 3)), np.zeros(1, np.int64), np.zeros(1, np.uint64))
    other = Traces(5)
    other.update(np.ones((1, 3)), np.zeros(1, np.int64), np.zeros(1, np.uint64))
    with pytest.raises(ProfileError, match="different layers"):
        traces.merge(other)


def test_what_was_derived_is_forgotten_after_a_change():
    traces = taken(Traces(5), [(1, 0, 1)])
    traces.memo["something"] = 1
    taken(traces, [(2, 0, 1)])
    assert not traces.memo
    assert len(traces) == 2
