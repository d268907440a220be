"""docs/messages.md and docs/errors.md: whatever the code can say stands there."""

from __future__ import annotations

import re

from pytest_deepimportance.reporting.excluded import EXCLUDED
from tests.examples import errors_page, spoken
from tests.examples.readme import ROOT

PAGE = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")


def shown() -> list[str]:
    """The texts of the tables below the errors."""
    tables = PAGE.partition("## Nothing was recorded")[2]
    rows = [line.split(" | ")[0] for line in tables.splitlines() if line.startswith("| `")]
    return [text for cell in rows for text in re.findall(r"`([^`]+)`", cell)]


def test_every_sentence_of_the_code_has_its_row() -> None:
    known = set(shown())
    assert {text: place for text, place in spoken.spoken().items() if text not in known} == {}


def test_every_row_is_a_sentence_of_the_code() -> None:
    counted = {many for _, _, many in EXCLUDED}
    said = {*spoken.spoken(), *counted}
    assert [text for text in shown() if text not in said] == []
    assert counted <= set(shown())
    assert len(shown()) == len(set(shown()))


def test_every_kind_of_error_has_its_row() -> None:
    kinds = re.findall(r"^\| \[`(\w+)`\]\(errors\.md#(\w+)\)", PAGE, re.MULTILINE)
    assert [name for name, _ in kinds] == [*errors_page.kinds(), "UsageError"]
    headings = re.findall(r"^## (\w+)$", errors_page.markdown(), re.MULTILINE)
    assert [anchor for _, anchor in kinds] == [heading.lower() for heading in headings]


def test_the_page_of_errors_is_fresh() -> None:
    again = "make it again: python -m tests.examples.errors_page"
    assert errors_page.PAGE.read_text(encoding="utf-8") == errors_page.markdown(), again
