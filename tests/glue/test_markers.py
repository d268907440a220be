from __future__ import annotations

from typing import Any

import pytest

from pytest_deepimportance.glue.keys import fixtures_of
from pytest_deepimportance.glue.markers import SUITE, Suite, assign_suites, place
from pytest_deepimportance.settings import Settings, from_keywords


class Item:
    """What the room reads of an item; collecting real ones takes a second each."""

    def __init__(self, decorator: str, number: int, path: str) -> None:
        self.name, self.path, self.line = f"test_{number}", path, 3 * number + 1
        self.nodeid = f"{path}::{self.name}"
        self.fixturenames = ["idc"] if decorator == "idc" else []
        marked = decorator not in ("", "idc")
        self.mark = eval(f"pytest.mark.{decorator}").mark if marked else None
        self.stash = pytest.Stash()

    def get_closest_marker(self, name: str) -> Any:
        return self.mark if name == "idc_suite" else None

    def reportinfo(self) -> tuple[str, int, str]:
        return self.path, self.line, self.name


@pytest.fixture
def items_of() -> Any:
    def make(*decorators: str, name: str = "test_it.py") -> list[Any]:
        return [Item(decorator, number, name) for number, decorator in enumerate(decorators)]

    return make


def suites(items: list[pytest.Item], settings: Settings | None = None) -> dict[str, Suite]:
    marked = assign_suites(items, settings or Settings())
    assert all(SUITE in item.stash for item in marked)
    return {item.name: item.stash[SUITE] for item in marked}


def test_marker_fixture_and_neither(items_of: Any) -> None:
    found = suites(
        items_of("idc_suite", "idc_suite('clean')", "idc_suite(name=' dark ')", "idc", "")
    )
    assert {name: suite.name for name, suite in found.items()} == {
        "test_0": "default", "test_1": "clean", "test_2": "dark", "test_3": "default",
    }  # fmt: skip


def test_all_arguments(items_of: Any) -> None:
    (found,) = suites(
        items_of(
            "idc_suite('a', criteria='IDC', fail_under=[0.5, 'share=0.9'], gate=True, reason='old')"
        )
    ).values()
    assert found == Suite("a", ("IDC",), ("0.5", "share=0.9"), True, "old")
    assert Suite.from_wire(found.to_wire()) == found
    (plain,) = suites(items_of("idc_suite('a', fail_under=None, criteria=None)")).values()
    assert plain == Suite("a")
    assert Suite.from_wire(plain.to_wire()) == plain


@pytest.mark.parametrize(
    ("marker", "hint"),
    [
        ("idc_suite('a', 'b')", "one positional argument"),
        ("idc_suite('a', name='b')", "given twice"),
        ("idc_suite(nam='a')", "did you mean name"),
        ("idc_suite(fail_udner=0.5)", "did you mean fail_under"),
        ("idc_suite('a/b')", "usable name"),
        ("idc_suite('')", "usable name"),
        ("idc_suite('TOTAL')", "usable name"),
        ("idc_suite(7)", "usable name"),
        ("idc_suite(gate='no')", "neither True nor False"),
        ("idc_suite(gate=False, fail_under=0.5)", "would never be judged"),
        ("idc_suite(fail_under='abc')", "has no value"),
        ("idc_suite(fail_under=1.5)", "above 1"),
        ("idc_suite(fail_under=True)", "has no value"),
        ("idc_suite(fail_under=['IDC=0.1', 'zzz=1'])", "no criterion 'zzz'"),
        ("idc_suite('a', fail_under='b/IDC=0.1')", "for suite 'b' but was set on suite 'a'"),
    ],
)
def test_mistakes_name_file_and_line(items_of: Any, marker: str, hint: str) -> None:
    items = items_of("", marker)
    with pytest.raises(pytest.UsageError) as caught:
        assign_suites(items, Settings())
    assert hint in str(caught.value)
    assert "test_it.py:5" in str(caught.value)
    assert place(items[1]).endswith("test_it.py:5")


def test_settings_given_once_hold_for_the_whole_suite(items_of: Any) -> None:
    found = suites(items_of("idc_suite('a')", "idc_suite('a', fail_under=0.5)", "idc_suite('a')"))
    assert {suite.fail_under for suite in found.values()} == {("0.5",)}


def test_two_different_settings_of_one_suite(items_of: Any) -> None:
    items = items_of("idc_suite('a', fail_under=0.5)", "idc_suite('a', fail_under=0.6)")
    with pytest.raises(pytest.UsageError, match="two different settings") as caught:
        assign_suites(items, Settings())
    assert "test_it.py:2: fail_under='0.5'" in str(caught.value)
    assert "test_it.py:5: fail_under='0.6'" in str(caught.value)


def test_suites_by_path(items_of: Any) -> None:
    settings = from_keywords(suites=["./tests/clean = clean", "tests/dark/ = dark", "top.py = top"])
    assert set(suites(items_of("", name="tests/clean/test_a.py"), settings)) == {"test_0"}
    for path, name in (("tests/dark/deep/test_b.py", "dark"), ("top.py", "top")):
        (found,) = suites(items_of("", name=path), settings).values()
        assert found.name == name
    assert suites(items_of("", name="tests/cleaner/test_c.py"), settings) == {}
    (marked,) = suites(
        items_of("idc_suite('own')", name="tests/clean/test_d.py"), settings
    ).values()
    assert marked.name == "own"


@pytest.mark.parametrize("line", ["tests/clean", "= clean", "tests = "])
def test_a_malformed_line_of_paths(line: str) -> None:
    with pytest.raises(pytest.UsageError, match="path = suite"):
        assign_suites([], from_keywords(suites=[line]))


def test_items_without_fixtures() -> None:
    class Custom:
        pass

    assert fixtures_of(Custom()) == []  # type: ignore[arg-type]
