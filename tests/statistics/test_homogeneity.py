"""The chi-square test against its slow twin, and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.statistics.homogeneity import chi_square
from tests.oracles.reference_drift import homogeneity, tail

counts = st.one_of(st.integers(0, 3), st.integers(0, 60))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(counts, counts), max_size=12))
def test_the_slow_twin_gives_the_same(table: list[tuple[int, int]]) -> None:
    before = np.array([a for a, _ in table], np.int64)
    now = np.array([b for _, b in table], np.int64)
    found, wanted = chi_square(before, now), homogeneity(before.tolist(), now.tolist())
    if wanted is None:
        assert (found.statistic, found.p, found.dof) == (None, None, 0)
        assert found.why
        return
    assert found.statistic == pytest.approx(float(wanted[0]), rel=1e-9, abs=1e-9)
    assert (found.dof, found.cells, found.pooled) == wanted[1:]
    assert found.p == pytest.approx(tail(float(wanted[0]), wanted[1]), rel=1e-7, abs=1e-12)


def test_by_hand() -> None:
    found = chi_square(np.array([50, 50]), np.array([30, 70]))
    assert found.statistic == pytest.approx(25 / 3)  # 100/40 + 100/60, twice
    assert (found.dof, found.cells, found.pooled) == (1, 2, 0)
    assert found.p == pytest.approx(0.003892417122778637, rel=1e-9)


def test_the_tail_of_tables() -> None:
    for dof, point in ((1, 3.841), (2, 5.991), (5, 11.070), (10, 18.307), (30, 43.773)):
        assert tail(point, dof) == pytest.approx(0.05, abs=5e-5)


def test_samples_of_one_distribution_are_seldom_called_different() -> None:
    generator = np.random.default_rng(0)
    chances = generator.dirichlet(np.full(80, 0.3))
    p = [
        chi_square(generator.multinomial(3000, chances), generator.multinomial(300, chances)).p
        for _ in range(600)
    ]
    share = np.mean([value is not None and value < 0.05 for value in p])
    assert 0.02 < share < 0.08


def test_another_distribution_is_noticed() -> None:
    generator = np.random.default_rng(1)
    chances = generator.dirichlet(np.full(80, 0.3))
    other = 0.7 * chances + 0.3 * generator.permutation(chances)
    found = chi_square(generator.multinomial(3000, chances), generator.multinomial(300, other))
    assert found.p is not None
    assert found.p < 1e-6


@pytest.mark.parametrize("now", [[0, 0, 0], [4, 0, 0], [1, 1, 1]])
def test_too_little_to_judge(now: list[int]) -> None:
    found = chi_square(np.array([400, 0, 0]), np.array(now))
    assert found.p is None
    assert "fewer than two" in found.why
