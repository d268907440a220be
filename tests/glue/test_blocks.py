"""Which fixture instances a test claims, in a real session."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_deepimportance.glue.blocks import FixtureLedger


class Spy:
    """Keeps a ledger as the recording side does and notes what each test claims."""

    def __init__(self) -> None:
        self.ledger = FixtureLedger()
        self.claims: dict[str, list[str]] = {}
        self.serials: dict[str, list[int]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Any:
        instance = self.ledger.begin(fixturedef, request)
        try:
            return (yield)
        finally:
            self.ledger.finish(instance, fixturedef, request)

    def pytest_fixture_post_finalizer(self, fixturedef: Any) -> None:
        self.ledger.forget(fixturedef)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Any:
        report = yield
        if call.when == "call":
            keys = self.ledger.claimed_by(item)
            self.claims[item.name] = sorted(key.rpartition("::")[2] for key in keys)
            self.serials[item.name] = [self.ledger.serial(key) for key in sorted(keys)]
        return report


@pytest.fixture
def claims(pytester: pytest.Pytester) -> Any:
    def run(source: str) -> Spy:
        spy = Spy()
        pytester.makepyfile("import pytest, unittest\n" + source)
        pytester.inline_run("-p", "no:deepimportance", plugins=[spy])
        return spy

    return run


def test_used_directly_through_others_and_by_name(claims: Any) -> None:
    found = claims(
        """
@pytest.fixture(scope="session")
def base(): return 1

@pytest.fixture(scope="module")
def predictions(base): return 2

@pytest.fixture
def late(request): return request.getfixturevalue("predictions")

@pytest.fixture(scope="module")
def nobodys(): return 3

def test_direct(predictions): pass
def test_through(late): pass
def test_by_name(request): request.getfixturevalue("predictions")
def test_none(): pass
def test_other(nobodys): pass
"""
    ).claims
    assert found == {
        "test_direct": ["base", "predictions"],
        "test_through": ["base", "late", "predictions"],
        "test_by_name": ["base", "predictions"],
        "test_none": [],
        "test_other": ["nobodys"],
    }


def test_autouse_and_xunit_set_up(claims: Any) -> None:
    found = claims(
        """
@pytest.fixture(autouse=True)
def always(): return 1

class TestPlain:
    def setup_method(self): pass
    def test_plain(self): pass

class TestUnit(unittest.TestCase):
    @classmethod
    def setUpClass(cls): pass
    def test_unit(self): pass
"""
    ).claims
    assert "always" in found["test_plain"]
    assert any("setup_method" in key for key in found["test_plain"])
    assert any("setUpClass" in key for key in found["test_unit"])


def test_each_parameter_is_an_instance_of_its_own(claims: Any) -> None:
    found = claims(
        """
@pytest.fixture(scope="module", params=["a", "b"])
def data(request): return request.param

@pytest.mark.parametrize("n", [1, 2])
def test_it(data, n): pass
"""
    ).claims
    # A parameter of the test is a fixture to pytest, too; it never makes a pass.
    assert {name: [key for key in keys if key[0] != "n"] for name, keys in found.items()} == {
        "test_it[a-1]": ["data[0]"], "test_it[a-2]": ["data[0]"],
        "test_it[b-1]": ["data[1]"], "test_it[b-2]": ["data[1]"],
    }  # fmt: skip


def test_a_fixture_set_up_again_has_a_higher_serial(claims: Any) -> None:
    found = claims(
        """
@pytest.fixture(scope="class")
def data(): return 1

class TestOne:
    def test_a(self, data): pass
    def test_b(self, data): pass

@pytest.fixture(scope="module", params=[0, 1])
def big(request): return request.param

@pytest.fixture(scope="module")
def small(big): return big

def test_c(small): pass
"""
    )
    assert found.serials["test_a"] == found.serials["test_b"] == [1]
    assert found.claims["test_c[0]"] == ["big[0]", "small"]
    assert found.serials["test_c[0]"] == [1, 1]
    assert found.serials["test_c[1]"] == [1, 2]  # `small` again, under its one key


def test_what_is_no_item_of_fixtures_claims_nothing() -> None:
    assert FixtureLedger().claimed_by(object()) == []  # type: ignore[arg-type]
    assert FixtureLedger().forget(object()) is None
