from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.errors import ProfileError
from pytest_deepimportance.statistics.sample import SeededSample, splitmix64

WORD = 2**64 - 1
# few digests, so that some rows share one, with different content too
streams = st.lists(st.tuples(st.integers(0, 12) | st.just(WORD), st.integers(-2, 2)), max_size=40)
limits = st.integers(1, 10)


def mixed(value):
    z = (value + 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def taken(sample, rows):
    digests = np.array([digest for digest, _ in rows], dtype=np.uint64)
    sample.update(digests, np.array([[x, 2 * x] for _, x in rows], np.float32).reshape(-1, 2))
    return sample


def content(sample):
    return sample.keys.tobytes(), sample.rows.reshape(-1, 2).tobytes(), sample.seen


def test_the_hash_is_the_published_one():
    # first outputs of splitmix64 seeded with 1234567 (Vigna's reference implementation)
    states = np.array([1234567, 1234567 + 0x9E3779B97F4A7C15], dtype=np.uint64)
    assert splitmix64(states).tolist() == [6457827717110365317, 3203168211198807973]


@settings(max_examples=100, deadline=None)
@given(streams, limits, st.integers(0, 3))
def test_the_rows_of_the_smallest_keys_are_kept(rows, limit, seed):
    sample = taken(SeededSample(limit, seed), rows)
    keyed = sorted(mixed(digest ^ mixed(seed)) for digest, _ in rows)
    assert sample.keys.tolist() == keyed[:limit]
    assert sample.seen == len(rows)
    values = {}
    for digest, x in rows:
        values.setdefault(mixed(digest ^ mixed(seed)), []).append(x)
    for key, row in zip(sample.keys.tolist(), sample.rows.tolist(), strict=True):
        assert row[0] in values[key]
        assert row[1] == 2 * row[0]
        values[key].remove(row[0])


@settings(max_examples=150, deadline=None)
@given(streams, limits, st.data())
def test_neither_order_nor_batch_size_nor_shards_change_the_sample(rows, limit, data):
    whole = content(taken(SeededSample(limit, 1), rows))
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    parts = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    streamed = SeededSample(limit, 1)
    for part in parts:
        taken(streamed, part)
        if data.draw(st.booleans()):
            streamed.rows  # noqa: B018 (looking at the sample must not change it)
    assert content(streamed) == whole
    merged = SeededSample(limit, 1)
    for part in data.draw(st.permutations(parts)):
        merged.merge(taken(SeededSample(limit, 1), part))
    assert content(merged) == whole


def test_seeds_give_different_samples():
    rows = [(digest, 0) for digest in range(1000)]
    first, second = (taken(SeededSample(100, seed), rows).keys for seed in (0, 1))
    assert set(first.tolist()) != set(second.tolist())


def test_a_restored_sample_goes_on_where_it_was():
    rows = [(digest, digest % 7) for digest in range(60)]
    whole = taken(SeededSample(10, 3), rows)
    half = taken(SeededSample(10, 3), rows[:30])
    restored = SeededSample.restored(10, 3, half.seen, half.keys.copy(), half.rows.copy())
    assert content(taken(restored, rows[30:])) == content(whole)


def test_samples_of_another_limit_or_seed_are_refused():
    for limit, seed in ((5, 1), (6, 0)):
        with pytest.raises(ProfileError, match="same settings"):
            SeededSample(5, 0).merge(SeededSample(limit, seed))


def test_the_callers_rows_are_copied():
    sample, rows = SeededSample(5, 0), np.ones((3, 2))
    sample.update(np.arange(3, dtype=np.uint64), rows)
    rows[:] = 9
    assert (sample.rows == 1).all()


def test_zeros_of_both_signs_are_ordered_too():
    rows = np.array([[0.0], [-0.0]])
    digests = np.zeros(2, dtype=np.uint64)
    one, two = SeededSample(1, 0), SeededSample(1, 0)
    one.update(digests, rows)
    two.update(digests, rows[::-1])
    assert one.rows.tobytes() == two.rows.tobytes()
