"""Every command on a docs page is one the program accepts, and every option in a table exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pytest_deepimportance.cli.main import parser
from pytest_deepimportance.settings import TABLE

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (
    "tutorial.md",
    "coming-from-the-research-code.md",
    "without-pytest.md",
    "beside-coverage.md",
    "importance.md",
    "text-models.md",
    "attribution.md",
)

FIXTURES = {"idc_suite", "idc_profile", "idc_model", "idc_reference"}


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    return re.findall(r"^(?:\$ )?deepimportance (.+)$", text_of(page), re.MULTILINE)


@pytest.mark.parametrize("page", [*PAGES, "../README.md"])
def test_the_commands_are_accepted(page: str) -> None:
    assert commands(page)
    for command in commands(page):
        assert callable(parser().parse_args(shlex.split(command)).run)


def test_the_options_of_the_old_programs_are_mapped_to_ones_that_exist() -> None:
    own = {"--" + name.replace("_", "-") for name in TABLE} | {
        "--input-samples",
        "--inputs",
        "--out",
    }
    page = text_of("coming-from-the-research-code.md")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 25
    for row in rows:
        used = re.findall(r"(--[a-z0-9-]+)", row[2])
        assert set(used) <= own, row
        for option in re.findall(r"(--[a-z0-9-]+ [^`|]*?)`", row[2]):
            given = ["measure", "m", "--inputs", "x", *shlex.split(option)]
            assert parser().parse_args(given).model == "m", row


def test_the_recipes_for_ci_use_commands_and_options_that_exist() -> None:
    page = text_of("ci.md")
    own = re.findall(r"- (?:run: )?deepimportance (.+)$", page, re.MULTILINE)
    assert len(own) >= 5
    for command in own:
        assert callable(parser().parse_args(shlex.split(command)).run)
    options = set(re.findall(r"(--idc-[a-z-]+)", page))
    assert {"--idc-shard", "--idc-data-file", "--idc-append", "--idc-profile"} <= options
    assert options <= {setting.option for setting in TABLE.values()}


@pytest.mark.parametrize("page", ["tutorial.md", "extending.md", "messages.md"])
def test_options_and_keys_on_a_page_exist(page: str) -> None:
    text = text_of(page)
    for option in set(re.findall(r"--idc-[a-z-]+[a-z]", text)):
        assert option in {s.option for s in TABLE.values()} | {"--idc-settings"}, option
    for key in set(re.findall(r"\b(?<!pytest_)(idc_[a-z_]+[a-z])\b", text)) - FIXTURES:
        assert key in {s.key for s in TABLE.values()}, key


@pytest.mark.parametrize("page", [*PAGES, "demo.md", "ci.md", "which-tests.md"])
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text_of(page)):
        assert (DOCS / link).exists(), link
