"""What LSC, DSC and MDSC have in common."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.criteria import surprise
from pytest_deepimportance.criteria.surprise_buckets import Buckets
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.errors import LayerError, RecordingError
from tests.criteria.surprise_builders import NAMES, batch_of, example, make, measured
from tests.oracles.reference_buckets import surprise_coverage

PROVIDED, POOL = example(rows=80)
every = pytest.mark.parametrize("name", NAMES)
options = {"surprise_values": True}


def rows_of_pool(rows):
    return POOL.select(np.array(rows, dtype=np.int64))


def whole(name, rows):
    criterion = make(name, PROVIDED, **options)
    criterion.update(rows_of_pool(rows))
    return criterion


@every
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.integers(0, 79), max_size=60), data=st.data())
def test_grouping_order_repeats_shards_and_files_change_nothing_at_all(name, rows, data):
    expected = whole(name, rows)
    shuffled = data.draw(st.permutations(rows + rows[:5]))
    parts = [make(name, PROVIDED, **options) for _ in range(3)]
    while shuffled:
        size = data.draw(st.integers(1, 9))
        data.draw(st.sampled_from(parts)).update(rows_of_pool(shuffled[:size]))
        shuffled = shuffled[size:]
    merged = parts[0].fresh()
    merged.absorb(parts[1].export())
    merged.merge(parts[2])
    restored = parts[0].fresh()
    restored.load_state_dict(copy.deepcopy(dict(parts[0].state_dict())))
    merged.merge(restored)
    assert merged.compute() == expected.compute()
    assert merged.export() == expected.export()


@every
@pytest.mark.parametrize("size", [1, 7, 256])
def test_batch_sizes_and_permutations_of_many_wide_rows(name, size):
    provided, batch = example(rows=400, width=90, seed=3)
    once = make(name, provided, **options)
    once.update(batch)
    criterion = once.fresh()
    order = np.random.default_rng(size).permutation(400)
    for start in range(0, 400, size):
        criterion.update(batch.select(order[start : start + size]))
    assert criterion.compute() == once.compute()
    assert criterion.export() == once.export()


@every
def test_the_row_counts_as_the_slow_twin_does_and_is_fit_for_json(name):
    (row,) = whole(name, range(80)).compute()
    values = [value for _, value in row.details["values"] if value is not None]
    expected = surprise_coverage(values, row.details["upper"], row.total)
    assert (row.covered, row.details["below"], row.details["above"]) == tuple(expected.values())
    assert (row.key, row.layer, row.inputs, row.judged) == (name, None, 80, True)
    assert row.details["layer"] == "fc"
    assert row.details["buckets"] == row.total == 1000
    assert row.details["median"] == float(np.median(values))
    assert row.details["maximum"] == max(values)
    assert row.details["reference_rows"] == 300
    assert row.details["no_reference"] == int((POOL.predictions == 3).sum())
    assert len(values) == 80 - row.details["no_reference"]
    digests = [int(digest, 16) for digest, _ in row.details["values"]]
    assert digests == sorted(POOL.digests.tolist())
    assert all(len(digest) == 16 for digest, _ in row.details["values"])
    assert json.loads(json.dumps(row.details)) == row.details
    assert "values" not in measured(name, PROVIDED, POOL).details


@every
def test_nothing_seen_covers_nothing(name):
    empty = make(name, PROVIDED)
    (row,) = empty.compute()
    assert (row.covered, row.inputs, row.judged) == (0, 0, True)
    assert row.details["median"] is None
    assert row.details["maximum"] is None
    empty.update(rows_of_pool([]))
    assert empty.compute() == (row,)
    used = whole(name, range(80))
    used.reset()
    assert used.state.inputs == 0


@every
def test_inputs_that_cannot_be_judged_are_counted_once(name):
    values = POOL.layers["fc"].values[:6]
    digests = [1, 1, 2, 3, 4, 5]
    row = measured(name, PROVIDED, batch_of(values, [-1, -1, -1, 77, 77, -1], digests=digests))
    assert row.details["not_judged_unlabelled"] == 3
    assert row.details["no_reference"] == 2
    assert (row.covered, row.inputs, row.judged) == (0, 5, False)
    missed = measured(name, PROVIDED, batch_of(values, [0] * 6, digests=digests, layer="other"))
    assert missed.details["not_judged_unvisited"] == 5
    assert (missed.inputs, missed.judged) == (5, False)


@every
@pytest.mark.parametrize("labelled_first", [True, False])
def test_an_input_whose_class_is_known_in_one_pass_is_judged(name, labelled_first):
    values = POOL.layers["fc"].values[:6]
    labelled = batch_of(values[:4], [0] * 4, labels=[0] * 4, digests=[1, 2, 3, 4])
    bare = batch_of(values, [0] * 6, digests=[1, 2, 3, 4, 5, 6])
    batches = [labelled, bare] if labelled_first else [bare, labelled]
    criterion = make(name, PROVIDED, surprise_labels="true")
    for batch in batches:
        criterion.update(batch)
    (row,) = criterion.compute()
    assert row.inputs == 6
    assert row.details["not_judged_unlabelled"] == 2


@every
def test_classes_may_be_true_ones(name):
    values = POOL.layers["fc"].values
    batch = batch_of(values, [0] * 80, labels=POOL.labels, digests=POOL.digests)
    found = measured(name, PROVIDED, batch, surprise_labels="true", **options)
    assert found.details == measured(name, PROVIDED, POOL, **options).details
    none = measured(name, PROVIDED, batch_of(values, [0] * 80), surprise_labels="true")
    assert none.details["not_judged_unlabelled"] == 80


@every
def test_one_digest_may_have_two_values_and_counts_as_one_input(name):
    batch = batch_of(POOL.layers["fc"].values[:2] * torch.tensor([[1.0], [2.0]]), [0, 0])
    same = ActivationBatch(batch.layers, np.zeros(2, np.uint64), batch.predictions, batch.labels)
    row = measured(name, PROVIDED, same, **options)
    assert row.inputs == 1
    assert len(row.details["values"]) == 2
    assert row.covered == measured(name, PROVIDED, batch).covered


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_number_formats_and_memory_layouts(name, dtype):
    values = POOL.layers["fc"].values.to(dtype)
    strided = torch.stack([values, values], dim=2)[:, :, 1]
    assert not strided.is_contiguous()
    plain = values.double().numpy() if dtype == torch.float64 else values.float().numpy()
    expected = measured(name, PROVIDED, batch_of(plain, POOL.predictions), **options)
    found = measured(name, PROVIDED, batch_of(strided, POOL.predictions), **options)
    assert found == expected


@every
def test_a_layer_of_another_width_is_an_error(name):
    with pytest.raises(LayerError, match="'fc' has 3 neurons, 4 in the profile"):
        measured(name, PROVIDED, batch_of(np.zeros((2, 3), np.float32), [0, 0]))


@every
def test_a_state_of_another_layer_is_refused(name):
    other = make(name, {**PROVIDED, "surprise_layer": "conv"})
    criterion = make(name, PROVIDED)
    with pytest.raises(RecordingError, match="same profile"):
        criterion.merge(other)
    with pytest.raises(RecordingError, match="'conv' instead of layer 'fc'"):
        criterion.set_extra_state(other.get_extra_state())


@every
def test_an_empty_copy_shares_the_prepared_reference(name):
    criterion = whole(name, range(80))
    shared = {"LSC": "densities", "DSC": "ratios", "MDSC": "distances"}[name]
    assert getattr(criterion.fresh(), shared) is getattr(criterion, shared)
    assert getattr(make(name, PROVIDED), shared) is getattr(criterion, shared)


@every
def test_a_long_run_keeps_distinct_inputs_only(name):
    criterion = make(name, PROVIDED)
    for _ in range(200):
        criterion.update(POOL)
    assert sum(len(part) for part in criterion.state._parts) < 8192 + 200
    assert criterion.export() == whole(name, range(80)).export()
    assert criterion.state.inputs == 80


def values_of(upper, count):
    edges = [upper * i / count for i in range(-1, count + 2)]
    moved = st.sampled_from(edges).flatmap(
        lambda e: st.sampled_from([e, math.nextafter(e, 9e9), math.nextafter(e, -9e9)])
    )
    return st.lists(moved | st.floats(-upper, 2 * upper), max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([2.0, 100.0, 2000.0, 0.7]), st.integers(1, 12) | st.just(1000), st.data())
def test_buckets_are_open_on_the_left_and_closed_on_the_right(upper, count, data):
    values = data.draw(values_of(upper, count))
    buckets = Buckets(upper, count)
    array = np.array(values, dtype=np.float64)
    assert buckets.hit(array) == surprise_coverage(values, upper, count)["covered"]
    near = [
        any(abs(v - e) <= 1e-6 * max(e, upper / count) for e in buckets.edges.tolist())
        for v in values
    ]
    assert buckets.near_edge(array).tolist() == near


def test_a_reference_without_surprise_has_no_buckets():
    buckets = Buckets(0.0, 10)
    values = np.array([0.0, 1.0, -1.0])
    assert buckets.hit(values) == 0
    assert not buckets.near_edge(values).any()


def test_infinite_and_missing_values_are_not_judged():
    class Given(surprise.SurpriseCoverage):
        name = "GIVEN"
        width = 1

        def comparable(self, classes):
            return classes >= 0

        def surprise(self, values, classes):
            return values[:, 0].astype(np.float64)

        def reference_details(self):
            return {}

    criterion = Given(Buckets(2.0, 4), "fc", "predicted", True)
    values = torch.tensor([[np.nan], [np.inf], [0.0], [-1.0], [2.0], [2.1], [0.5], [0.7]])
    criterion.update(batch_of(values, [0] * 8))
    (row,) = criterion.compute()
    assert row.covered == 3
    assert (row.details["non_finite"], row.details["below"], row.details["above"]) == (2, 2, 1)
    assert row.details["near_boundary"] == 3
    assert [value for _, value in row.details["values"]][:3] == [None, None, 0.0]
