"""The slow twins on examples small enough to check by hand, without the shared folder."""

from __future__ import annotations

from math import exp, inf, log, nan, pi, sqrt

import numpy as np
import pytest

from tests.oracles.reference_buckets import surprise_coverage
from tests.oracles.reference_cc import cc
from tests.oracles.reference_dsc import dsa
from tests.oracles.reference_kmnc import kmnc
from tests.oracles.reference_layers import Layers, neuron_values
from tests.oracles.reference_lsc import kept_columns, lsa
from tests.oracles.reference_mdsc import mdsa
from tests.oracles.reference_nbc import nbc
from tests.oracles.reference_nc import nc
from tests.oracles.reference_nlc import nlc
from tests.oracles.reference_snac import snac
from tests.oracles.reference_tknc import tknc
from tests.oracles.reference_tknp import tknp


def layers(*outputs: list[list[float]]) -> Layers:
    return {f"layer{i}": np.array(rows, dtype=np.float64) for i, rows in enumerate(outputs)}


def one_neuron(*values: float) -> Layers:
    return layers([[value] for value in values])


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, None]


def test_a_channel_is_a_neuron() -> None:
    maps = np.arange(8.0).reshape(1, 2, 2, 2)
    # mean of 0, 1, 2, 3 and of 4, 5, 6, 7
    assert neuron_values(maps).tolist() == [[1.5, 5.5]]


@pytest.mark.parametrize(("scale", "covered"), [("map", 1), ("channel_mean_first", 1), ("none", 2)])
def test_nc_is_strict(scale: str, covered: int) -> None:
    # scaled: 0, 0.25, 1; raw: 0, 1, 4
    assert nc(layers([[0, 1, 4]]), 0.25, scale) == (covered, 3)


@pytest.mark.parametrize(("scale", "covered"), [("map", 2), ("channel_mean_first", 1), ("none", 2)])
def test_nc_of_maps(scale: str, covered: int) -> None:
    # map: [0, 1] and [0.75, 0.75], means 0.5 and 0.75; means first: 2 and 3, scaled 0 and 1
    maps = {"conv": np.array([[[[0.0, 4.0]], [[3.0, 3.0]]]])}
    assert nc(maps, 0.4, scale) == (covered, 2)


def test_nc_scales_each_input_and_layer_by_itself() -> None:
    # each row scales to 0, 1; over both rows at once the second would be about 1, 1
    assert nc(layers([[0, 1], [100, 101]]), 0.5) == (1, 2)
    assert nc(layers([[0, 1]], [[100, 101]]), 0.5) == (2, 4)


def test_nc_of_a_constant_layer() -> None:
    # 0 / 0 in both layers
    assert nc(layers([[2, 2]], [[7]]), 0.0) == (0, 3)
    assert nc(layers([[2, 2]], [[7]]), 0.0, "none") == (3, 3)


@pytest.mark.parametrize(("edges", "covered"), [("both", 3), ("right", 2), ("left", 3)])
def test_kmnc_edges(edges: str, covered: int) -> None:
    # sections of width 1 of [0, 4]; -1 and 4.5 are out of range.
    # both: 0 -> 1st, 1 -> 2nd, 3.5 and 4 -> 4th
    # right: 0 -> none, 1 -> 1st, 3.5 and 4 -> 4th
    # left: 0 -> 1st, 1 -> 2nd, 3.5 -> 4th, 4 -> none
    tests = one_neuron(0, 1, 3.5, 4, 4.5, -1)
    assert kmnc(one_neuron(4, 0, 3), tests, 4, edges) == (covered, 4)
    assert kmnc(one_neuron(4, 0, 3), one_neuron(4), 4, edges) == (edges != "left", 4)


def test_kmnc_counts_a_section_once_and_adds_the_neurons() -> None:
    # first neuron: 0 and 1 in the 1st half of [0, 4]; second: 0 and 9 in both halves of [0, 10]
    assert kmnc(layers([[0, 0], [4, 10]]), layers([[0, 0], [1, 9]]), 2) == (3, 4)


@pytest.mark.parametrize(("edges", "covered"), [("both", 1), ("right", 0), ("left", 0)])
def test_kmnc_of_a_constant_neuron(edges: str, covered: int) -> None:
    assert kmnc(one_neuron(5, 5), one_neuron(5, 6), 4, edges) == (covered, 4)
    assert kmnc(one_neuron(5, 5), one_neuron(4, 6), 4, edges) == (0, 4)


@pytest.mark.parametrize(
    ("sigma", "inclusive", "lower", "upper"),
    [
        (0.0, False, 1, 1),  # -1 < 0, 2.5 > 2
        (0.5, False, 1, 0),  # -1 < -0.5, 2.5 = 2.5
        (0.5, True, 1, 1),
        (1.0, False, 0, 0),  # -1 = -1, 2.5 < 3
        (1.0, True, 1, 0),
    ],
)
def test_nbc_and_snac(sigma: float, inclusive: bool, lower: int, upper: int) -> None:
    # range [0, 2], mean 1, population deviation 1
    train, tests = one_neuron(0, 2), one_neuron(-1, 2, 2.5)
    assert nbc(train, tests, sigma, inclusive) == (lower + upper, 2)
    assert snac(train, tests, sigma, inclusive) == (upper, 1)


def test_nbc_of_a_constant_neuron() -> None:
    # deviation 0: only touching counts
    train, tests = one_neuron(0.1, 0.1, 0.1), one_neuron(0.1)
    assert nbc(train, tests, 1.0) == (0, 2)
    assert nbc(train, tests, 1.0, inclusive=True) == (2, 2)
    assert snac(train, tests, 1.0, inclusive=True) == (1, 1)


@pytest.mark.parametrize(("k", "covered"), [(1, 1), (2, 2), (3, 3), (9, 4)])
def test_tknc_ties_go_to_the_lowest_index(k: int, covered: int) -> None:
    # both rows rank 1, 2, 0, 3; the other way the first would add 2 at k = 1
    assert tknc(layers([[1, 3, 3, 0], [1, 5, 4, 0]]), k) == (covered, 4)


def test_tknc_unites_rows_and_layers() -> None:
    # first layer 1 and 0, second layer 0 and 0
    assert tknc(layers([[0, 1], [1, 0]], [[5, 1], [5, 1]]), 1) == (3, 4)


def test_tknc_of_positive_values_only() -> None:
    # {2, 0} and {0, 1}; of these only 2 in the first row is positive
    tests = layers([[0, -1, 2], [0, 0, 0]])
    assert tknc(tests, 2) == (3, 3)
    assert tknc(tests, 2, positive_only=True) == (1, 3)


def test_tknp() -> None:
    # k = 2: {0, 1}, {0, 1}, {1, 2}; in order 01, 10, 21
    tests = layers([[3, 2, 1], [2, 3, 1], [1, 2, 3]])
    assert [tknp(tests, k) for k in (1, 2, 3)] == [3, 2, 1]
    assert [tknp(tests, k, ordered=True) for k in (1, 2, 3)] == [3, 3, 3]


def test_tknp_takes_all_layers_together() -> None:
    # the patterns are 0-0, 0-1, 1-0 and 0-0 again
    tests = layers([[1, 0], [1, 0], [0, 1], [2, 0]], [[1, 0], [0, 1], [1, 0], [2, 0]])
    assert tknp(tests, 1) == 3


def test_cc_compares_distances_or_their_squares() -> None:
    # distances 2, then 4 from the first: 4 > 3; squares 4, then 4 from the second: 4 > 3
    assert cc(one_neuron(0, 2, 4), {"layer0": 3.0}) == 2
    assert cc(one_neuron(0, 2, 4), {"layer0": 3.0}, squared=True) == 3


def test_cc_is_strict_and_greedy() -> None:
    # |(3, 4)| = 5
    assert cc(layers([[0, 0], [3, 4]]), {"layer0": 5.0}) == 1
    assert cc(layers([[0, 0], [3, 4]]), {"layer0": 25.0}, squared=True) == 1
    # 1 is within 1 of 0, but 2 is not; 0 and 2 are both within 1 of 1
    assert cc(one_neuron(0, 1, 2), {"layer0": 1.0}) == 2
    assert cc(one_neuron(1, 0, 2), {"layer0": 1.0}) == 1


def test_cc_adds_the_layers_that_have_a_threshold() -> None:
    tests = layers([[0], [2]], [[0], [9]], [[0], [9]])
    assert cc(tests, {"layer0": 5.0, "layer2": 5.0}) == 1 + 2


def test_nlc() -> None:
    # covariance [[1, 1], [1, 1]]: 4 / 2^2 = 1; the same with -1 off the diagonal; variance 4
    assert nlc(layers([[0, 0], [2, 2]])) == 1
    assert nlc(layers([[0, 2], [2, 0]])) == 1
    assert nlc(layers([[0, 0], [2, 2]], [[0], [4]])) == 1 + 4


def test_nlc_of_one_input() -> None:
    assert nlc(layers([[3, 1, 4]])) == 0


def test_lsa_of_one_neuron() -> None:
    # rows 0 and 2: sample variance 2, n = 2, d = 1. At 1 both kernels are equal. At 100 the kernel
    # of 0 is nothing beside that of 2, and both are 0 in floating point.
    h = 2 * 2 ** (-2 / 5)
    values = lsa(column(0, 2), np.zeros(2), column(1, 100), np.zeros(2))
    near = 1 / (2 * h) + log(2 * pi * h) / 2
    far = 98**2 / (2 * h) + log(2) + log(2 * pi * h) / 2
    assert values == pytest.approx([near, far])
    assert exp(-(98**2) / (2 * h)) == 0


def test_lsa_of_two_neurons() -> None:
    # (+-1, +-1): sample covariance 4/3 on the diagonal and 0 beside it, n = 4, d = 2
    rows = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    h = 4 / 3 * 4 ** (-2 / 6)
    assert lsa(rows, np.zeros(4), np.zeros((1, 2)), [0]) == pytest.approx(1 / h + log(2 * pi * h))


def test_lsa_drops_a_neuron_that_is_constant_in_any_class() -> None:
    # the second neuron is constant in class 1; class 2 has one row and no say
    rows = np.array([[0, 0], [2, 1], [0, 5], [2, 5], [7, 7]])
    classes = np.array([0, 0, 1, 1, 2])
    assert kept_columns(rows, classes) == [0]
    values = lsa(rows, classes, np.array([[1, 9], [1, 9], [1, 9], [1, 9]]), [0, 1, 2, 3])
    h = 2 * 2 ** (-2 / 5)
    expected = 1 / (2 * h) + log(2 * pi * h) / 2
    assert values == pytest.approx([expected, expected, nan, nan], nan_ok=True)


def test_dsa_takes_its_denominator_from_the_nearest_row() -> None:
    # 1: nearest 0, from there 4 is nearest: 1 / 4 (from 1 itself it would be 1 / 3)
    # 9: nearest 10, from there 12: 1 / 2
    values = dsa(column(0, 10, 4, 12), np.array([0, 0, 1, 1]), column(1, 9), [0, 0])
    assert values.tolist() == [0.25, 0.5]


def test_dsa_without_a_usable_reference() -> None:
    # the same row in two classes: 1 / 0 and 0 / 0; class 2 has no rows
    values = dsa(column(5, 5), np.array([0, 1]), column(6, 5, 5), [0, 0, 2])
    assert values.tolist() == pytest.approx([inf, nan, nan], nan_ok=True)
    assert np.isnan(dsa(column(5, 6), np.zeros(2), column(5), [0])).all()


def test_mdsa() -> None:
    # mean 0, S = [[2.5, 0.5], [0.5, 0.5]] of determinant 1, inverse [[0.5, -0.5], [-0.5, 2.5]]:
    # (1, 3) gives 0.5 - 3 + 22.5 = 20
    rows = np.array([[2, 0], [-2, 0], [1, 1], [-1, -1]])
    x = np.array([[1, 3]])
    assert mdsa(rows, np.zeros(4), x, [0]) == pytest.approx(sqrt(20))
    assert mdsa(rows, np.zeros(4), x, [0], "ridge") == pytest.approx(sqrt(20), rel=1e-4)


def test_mdsa_of_a_neuron_dead_in_the_reference() -> None:
    # variances 1 and 0; (4, 6) is 3 and 1 off the mean. Ridge: 1e-6 * 1 / 2
    rows, x = np.array([[0, 5], [2, 5]]), np.array([[4, 6]])
    assert mdsa(rows, np.zeros(2), x, [0]) == pytest.approx(3)
    ridge = sqrt(9 / (1 + 5e-7) + 1 / 5e-7)
    assert mdsa(rows, np.zeros(2), x, [0], "ridge") == pytest.approx(ridge)


def test_mdsa_knows_only_its_own_class() -> None:
    # class 0 has mean 1 and deviation 1, class 1 has 12 and 2; class 2 has no rows
    rows, classes = column(0, 2, 10, 14), np.array([0, 0, 1, 1])
    values = mdsa(rows, classes, column(4, 4, 4), [0, 1, 2])
    assert values == pytest.approx([3, 4, nan], nan_ok=True)
    assert np.isnan(mdsa(column(1), np.zeros(1), column(4), [0], "ridge")).all()


def test_surprise_coverage() -> None:
    # (0, 2], (2, 4], (4, 6], (6, 8], (8, 10]: 1 and 2 in the 1st, 2.5 and 4 in the 2nd, 10 in the 5th
    values = [1, 2, 2.5, 4, 10, 0, -1, 10.5, nan, inf]
    assert surprise_coverage(values, 10, 5) == {"covered": 3, "below": 2, "above": 1}
    assert surprise_coverage([0, 11], 10, 5) == {"covered": 0, "below": 1, "above": 1}


def test_surprise_coverage_of_edges_that_floats_do_not_hold() -> None:
    # each value is the right edge of its bucket
    values = [i / 10 for i in range(1, 11)]
    assert surprise_coverage(values, 1, 10) == {"covered": 10, "below": 0, "above": 0}
