from __future__ import annotations

from pathlib import Path

import pytest

from pytest_deepimportance.reporting.settings_table import markdown, render, show
from pytest_deepimportance.settings import PRESETS, TABLE, from_keywords, resolve

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_every_setting_with_value_and_origin() -> None:
    settings = resolve([("ini", {"preset": "paper", "k": "3"}), ("command line", {"layer": "fc2"})])
    lines = render(settings, 80).splitlines()
    found = {line.split()[0]: line.split(maxsplit=2) for line in lines if line[:1].strip()}
    assert found["k"][1:] == ["3", "ini"]
    assert found["layer"][1:] == ["fc2", "command line"]
    assert found["m"][1:] == ["6", "preset paper"]
    assert found["zeros"][1:] == ["keep", "default"]
    assert found["model"][1:] == ["-", "default"]
    assert set(TABLE) <= set(found)
    assert all(len(line) <= 80 for line in lines)


def test_help_and_presets_are_shown() -> None:
    text = " ".join(render(from_keywords(), 80).split())
    for setting in TABLE.values():
        assert setting.help in text
    for preset in PRESETS:
        assert preset in text
    assert "m=6, lrp_rule=z" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), ((), "-"), (True, "true"), ((2, 3), "2, 3"), ("a\x1bb", "a?b"), (1e-6, "1e-06")],
)
def test_show(value: object, text: str) -> None:
    assert show(value) == text


def test_sizes_are_shown_as_users_write_them() -> None:
    assert show(2 << 30, TABLE["memory"]) == "2GB"
    assert show(512 << 20, TABLE["memory"]) == str(512 << 20)


def test_every_setting_is_a_row() -> None:
    rows = [line for line in markdown().splitlines() if line.startswith("| `")]
    assert len(rows) == len(TABLE) + len(PRESETS)
    assert all(row.replace("\\|", "").count("|") in (3, 6) for row in rows)


def test_the_docs_page_is_fresh() -> None:
    command = (
        'python -c "from pytest_deepimportance.reporting.settings_table import markdown; '
        "print(markdown(), end='')\" > docs/settings.md"
    )
    assert PAGE.read_text(encoding="utf-8") == markdown(), f"make it again: {command}"
