"""The rules that every registered criterion must keep, on equal activation rows (DESIGN D10)."""

from __future__ import annotations

import copy
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.criteria import base
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.statistics.incidence import Incidence
from tests.contract import provided as synthetic

POOL = synthetic.activations(80, seed=7, wild=3.0)
rows_of_pool = st.lists(st.integers(0, len(POOL) - 1), max_size=30)
given_provided = lru_cache(synthetic.provided)

pytestmark = pytest.mark.parametrize(
    ("name", "variant"),
    [(n, v) for n in base.names() for v in (synthetic.VARIANTS if n == "IDC" else ["layer"])],
)
examples = settings(max_examples=15, deadline=None)


def make(name, variant):
    return base.create(name, given_provided(variant))


def batch_of(rows):
    return POOL.select(np.array(rows, dtype=np.int64))


def measured(name, variant, rows):
    criterion = make(name, variant)
    criterion.update(batch_of(rows))
    return criterion


def values(criterion):
    return {row.key: row.fraction for row in criterion.compute()}


def same(one, two):
    """Compare rows: integers exactly, floats up to rounding."""
    if one.unit != "float":
        return one.compute() == two.compute()
    pairs = zip(one.compute(), two.compute(), strict=True)
    return all(
        a.key == b.key and a.details == b.details and a.covered == pytest.approx(b.covered)
        for a, b in pairs
    )


def keeps(name, rule):
    return rule not in base.get(name).breaks


@examples
@given(rows=rows_of_pool, more=rows_of_pool)
def test_monotone(name, variant, rows, more):
    if not keeps(name, "monotone"):
        return
    criterion = measured(name, variant, rows)
    before = values(criterion)
    criterion.update(batch_of(more))
    after = values(criterion)
    assert all(after[key] >= before[key] for key in before)


@examples
@given(rows=rows_of_pool, data=st.data())
def test_order_free(name, variant, rows, data):
    if not keeps(name, "order-free"):
        return
    shuffled = data.draw(st.permutations(rows))
    assert same(measured(name, variant, shuffled), measured(name, variant, rows))


@examples
@given(rows=rows_of_pool, data=st.data())
def test_batch_size_free(name, variant, rows, data):
    criterion = make(name, variant)
    start = 0
    while start < len(rows):
        stop = start + data.draw(st.integers(1, 7))
        criterion.update(batch_of(rows[start:stop]))
        start = stop
    assert same(criterion, measured(name, variant, rows))


@examples
@given(rows=rows_of_pool, data=st.data())
def test_items_of_rows_say_what_any_of_them_cover(name, variant, rows, data):
    criterion = make(name, variant)
    cut = data.draw(st.integers(0, len(rows)))
    parts = [criterion.items(batch_of(part)) for part in (rows[:cut], rows[cut:])]
    if None in parts:
        assert "monotone" in base.get(name).breaks
        return
    table = Incidence.joined(parts, possible=criterion.item_numbers)
    assert len(table) == len(rows)
    assert table.coverage() == measured(name, variant, rows).compute()[0].covered
    if keeps(name, "order-free"):  # else what a row covers depends on the rows before it
        chosen = data.draw(st.lists(st.sampled_from(range(len(rows))))) if rows else []
        some = measured(name, variant, [rows[i] for i in chosen])
        assert table.coverage(np.array(chosen, dtype=np.int64)) == some.compute()[0].covered


@examples
@given(rows=rows_of_pool)
def test_the_items_held_are_those_of_all_rows(name, variant, rows):
    held = measured(name, variant, rows).held()
    if held is None:
        assert base.get(name).breaks
        return
    assert held.tolist() == np.unique(make(name, variant).items(batch_of(rows)).items).tolist()


@examples
@given(rows=rows_of_pool, more=rows_of_pool)
def test_merge_is_the_union_in_any_order(name, variant, rows, more):
    whole = measured(name, variant, rows + more)
    one, two = measured(name, variant, rows), measured(name, variant, more)
    if not keeps(name, "shard-free"):
        apart = values(one)[name] + values(two)[name]
        one.merge(two)
        assert max(values(measured(name, variant, rows))[name], 0) <= values(one)[name] <= apart
        return
    one.merge(two)
    assert same(one, whole)
    if keeps(name, "order-free"):
        two.merge(measured(name, variant, rows))
        assert same(two, whole)


@examples
@given(rows=rows_of_pool)
def test_idempotent(name, variant, rows):
    if not keeps(name, "idempotent"):
        return
    criterion = measured(name, variant, rows)
    once = criterion.compute()
    criterion.update(batch_of(rows))
    criterion.merge(measured(name, variant, rows))
    assert criterion.compute() == once == criterion.compute()


@examples
@given(rows=rows_of_pool)
def test_ratios_lie_between_0_and_1_and_counts_are_integers(name, variant, rows):
    for row in measured(name, variant, rows).compute():
        assert row.criterion == name
        assert row.unit == base.get(name).unit
        assert isinstance(row.covered, float if row.unit == "float" else int)
        if row.unit == "ratio":
            assert 0 <= row.covered <= row.total


def test_nothing_seen_is_0_also_after_a_reset(name, variant):
    empty = make(name, variant)
    assert all(row.covered == 0 for row in empty.compute())
    used = measured(name, variant, range(40))
    assert used.compute() != empty.compute()
    used.reset()
    assert used.compute() == empty.compute()
    empty.update(batch_of([]))
    assert used.compute() == empty.compute()


def test_keys_are_unique_and_the_headline_is_first(name, variant):
    keys = [row.key for row in make(name, variant).compute()]
    assert keys[0] == name
    assert len(set(keys)) == len(keys)


def leaves(value):
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


@examples
@given(rows=rows_of_pool)
def test_state_dict_round_trip_without_objects_of_our_classes(name, variant, rows):
    criterion = measured(name, variant, rows)
    state = copy.deepcopy(dict(criterion.state_dict()))
    plain = (torch.Tensor, np.ndarray, bytes, str, int, float, type(None))
    assert all(isinstance(leaf, plain) for leaf in leaves(state))
    restored = measured(name, variant, range(50, 60))
    restored.load_state_dict(state)
    assert restored.compute() == criterion.compute()
    assert restored.export() == criterion.export()


@examples
@given(rows=rows_of_pool, more=rows_of_pool)
def test_states_travel_between_processes_as_builtins(name, variant, rows, more):
    gateway = pytest.importorskip("execnet.gateway_base")
    wire = gateway.loads(gateway.dumps(measured(name, variant, more).export()))
    criterion = measured(name, variant, rows)
    criterion.absorb(wire)
    merged = measured(name, variant, rows)
    merged.merge(measured(name, variant, more))
    assert criterion.compute() == merged.compute()
    assert criterion.export() == merged.export()


def test_a_deep_copy_goes_its_own_way(name, variant):
    criterion = measured(name, variant, range(10))
    before = criterion.compute()
    duplicate = copy.deepcopy(criterion)
    assert duplicate.compute() == before
    duplicate.update(batch_of(range(10, 60)))
    assert criterion.compute() == before


def test_gradient_modes_may_change_between_updates(name, variant):
    criterion = make(name, variant)
    with torch.inference_mode():
        inference = {
            layer: type(values)(
                values.values.clone(), values.raw_min.clone(), values.raw_max.clone()
            )
            for layer, values in POOL.layers.items()
        }
        batch = ActivationBatch(inference, POOL.digests, POOL.predictions, POOL.labels)
        criterion.update(batch.select(np.arange(20)))
    with torch.no_grad():
        criterion.update(batch_of(range(20, 40)))
    criterion.update(batch_of(range(40, 60)))
    assert same(criterion, measured(name, variant, range(60)))
    criterion.update(batch.select(np.arange(60, len(POOL))))
    assert same(criterion, measured(name, variant, range(len(POOL))))


def test_neither_the_batch_nor_the_random_state_is_touched(name, variant):
    batch = batch_of(range(len(POOL)))
    kept = copy.deepcopy(batch)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    criterion = make(name, variant)
    criterion.update(batch)
    criterion.compute()
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    for layer, values in kept.layers.items():
        assert torch.equal(batch.layers[layer].values, values.values)
    assert np.array_equal(batch.labels, kept.labels)
