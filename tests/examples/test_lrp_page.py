"""docs/lrp.md: its examples run and print what the page says; its tables name what there is."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from pytest_deepimportance.attribution.lrp.choice import OPERATIONS
from pytest_deepimportance.relevance_rules import CHOICES, COMPOSITES, RULES

PAGE = (Path(__file__).parents[2] / "docs" / "lrp.md").read_text(encoding="utf-8")
CODE = re.compile(r"<!-- lrp: (\w+) -->\n```python\n(.*?)```", re.DOTALL)
PRINTED = re.compile(r"<!-- lrp: (\w+) printed -->\n```\n(.*?)```", re.DOTALL)


def test_the_examples_print_what_the_page_says() -> None:
    expected = dict(PRINTED.findall(PAGE))
    blocks = CODE.findall(PAGE)
    assert [name for name, _ in blocks] == ["rules", "function", "input"] == list(expected)
    names: dict[str, object] = {}
    for name, code in blocks:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(code, f"docs/lrp.md, {name}", "exec"), names)
        assert printed.getvalue() == expected[name]


def table(heading: str) -> list[list[str]]:
    """Cells of the rows of the first table below a heading."""
    below = PAGE.split(f"## {heading}\n")[1]
    lines = re.search(r"\|.*?\n\n", below, re.DOTALL)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line]


def test_the_tables_name_every_rule_and_composite() -> None:
    rules = [re.findall(r"`([\w-]+)`", row[0])[0] for row in table("The rules")]
    assert rules == list(RULES)
    composites = {row[0].strip(" `"): row[1:] for row in table("Composites")}
    assert composites.keys() == COMPOSITES.keys()
    for name, (first, conv, dense) in composites.items():
        made = COMPOSITES[name]
        assert (made.conv, made.dense) == (conv, dense)
        assert first == (made.first or "as its kind")
    assert {name for name in CHOICES if f"`{name}`" not in PAGE} == set()


def test_operations_named_on_the_page_exist() -> None:
    (line,) = re.findall(r"a rule for the \*\*operation\*\*: (.*?) \.\.\.", PAGE, re.DOTALL)
    assert set(re.findall(r'`"(\w+)"`', line)) <= OPERATIONS
