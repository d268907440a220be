"""docs/attribution.md: its Python prints what stands below it, its tables name what exists."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import captum.attr

from pytest_deepimportance.attribution.base import METHODS
from pytest_deepimportance.methods import ALIASES
from pytest_deepimportance.settings import TABLE

PAGE = (Path(__file__).parents[2] / "docs" / "attribution.md").read_text(encoding="utf-8")


def cells(heading: str) -> list[list[str]]:
    """The rows of the table that begins with this heading, without backticks."""
    table = PAGE[PAGE.index(heading) :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in table]


def test_the_code_prints_what_stands_below_it() -> None:
    blocks = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for code, wanted in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "docs/attribution.md", "exec"), {})
        assert printed.getvalue() == wanted


def test_every_method_has_its_row_with_alias_and_captum_class() -> None:
    rows = cells("| name | short |")
    assert [row[0] for row in rows] == list(METHODS)
    short = {name: alias for alias, name in ALIASES.items()}
    for name, alias, theirs, *_ in rows:
        assert alias == short.get(name, name)
        if not theirs.startswith("none"):
            assert issubclass(getattr(captum.attr, theirs), captum.attr.LayerAttribution)


def test_the_settings_exist_with_these_defaults() -> None:
    for name, default, _ in cells("| setting | default |"):
        assert str(TABLE[name].default) == default


def test_the_costs_are_of_the_methods() -> None:
    assert [row[0] for row in cells("| method | LeNet-5, last |")] == list(METHODS)
