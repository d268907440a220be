"""What each test adds, as text."""

from __future__ import annotations

from pytest_deepimportance.contributions import Contribution, Contributions
from pytest_deepimportance.reporting.contributions_table import remark, render


def found(*tests: Contribution, items: int = 12, largest: int = 10) -> Contributions:
    return Contributions(("IDC", "NC"), ("CC",), items, largest, tests)


BIG = Contribution("tests/test_it.py::test_big", "s", 100, 10, 9, 1, 10)
SMALL = Contribution("tests/test_it.py::test_small", "s", 3, 3, 2, 2, 2)
IDLE = Contribution("tests/test_it.py::test_idle", "s", 3, 1, 0)


def test_the_subset_and_what_adds_nothing() -> None:
    lines = render(found(BIG, IDLE, SMALL))
    assert lines == [
        "items      12 of IDC, NC",
        "           not CC: a test by itself covers no items of these",
        "subset     2 tests of 3 cover as much as all; no fewer can",
        "",
        "    adds   covers  only it   inputs  test",
        "      10       10        9      100  tests/test_it.py::test_big",
        "       2        3        2        3  tests/test_it.py::test_small",
        "",
        "1 test adds nothing to these 2:",
        "    adds   covers  only it   inputs  test",
        "       0        1        0        3  tests/test_it.py::test_idle",
    ]
    assert remark(found(BIG, IDLE, SMALL)) == (
        "2 tests of 3 cover all that all cover; 1 adds nothing to these (deepimportance tests)"
    )


def test_a_subset_that_may_not_be_the_smallest_says_its_bound() -> None:
    chosen = [Contribution(f"t::{n}", "s", 1, 5, 0, n, 5 - n) for n in range(1, 5)]
    text = " ".join(" ".join(render(found(*chosen, items=10, largest=5))).split())
    assert "4 tests of 4 cover as much as all; at least 2 are needed" in text
    assert "at most 2.6 times the fewest" in text


def test_long_names_lose_their_beginning_and_long_lists_their_end() -> None:
    many = [Contribution(f"{'x' * 90}[{n}]", "s", 1, 1, 1, n, 1) for n in range(1, 31)]
    lines = render(found(*many))
    assert max(map(len, lines)) <= 80
    assert lines[5].endswith("xxx[1]")
    assert lines[-1] == "... and 10 more (-v shows all)"
    assert len(render(found(*many), every=True)) == 5 + 30


def test_nothing_covered() -> None:
    assert "no test covers anything" in render(found(IDLE, items=0, largest=0))
