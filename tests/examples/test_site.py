"""mkdocs.yml: every page has one place in the navigation. `tox -e docs` builds the site."""

from __future__ import annotations

import re

from pytest_deepimportance import _HOME
from tests.examples.readme import ROOT

CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_the_navigation_lists_every_page_once() -> None:
    navigation = CONFIG.partition("\nnav:\n")[2].partition("\n\n")[0]
    listed = re.findall(r"([\w-]+(?:/[\w-]+)*\.md)$", navigation, re.MULTILINE)
    pages = [name for name in listed if not name.startswith("repository/")]
    assert sorted(pages) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    for name in set(listed) - set(pages):
        title = name.removeprefix("repository/").removesuffix(".md").upper()
        assert (ROOT / f"{title}.md").is_file()


def test_the_python_page_names_what_is_public_where_it_is_defined() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: pytest_deepimportance\.([\w.]+)\.(\w+)$", page, re.MULTILINE)
    assert {name: home for home, name in named} == _HOME
    assert len(named) == len(_HOME)


def test_the_hooks_page_names_every_hook_fixture_and_argument() -> None:
    from pytest_deepimportance import hookspecs
    from pytest_deepimportance.glue.markers import _ARGUMENTS

    page = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    hooks = re.findall(r"^::: pytest_deepimportance\.hookspecs\.(\w+)$", page, re.MULTILINE)
    assert hooks == [name for name in vars(hookspecs) if name.startswith("pytest_")]
    plugin = (ROOT / "pytest_deepimportance" / "plugin.py").read_text(encoding="utf-8")
    fixtures = re.findall(r"^::: pytest_deepimportance\.plugin\.(\w+)$", page, re.MULTILINE)
    assert fixtures == re.findall(r"@pytest\.fixture.*\ndef (\w+)\(", plugin)
    assert tuple(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == _ARGUMENTS


def test_the_environment_of_the_docs_is_the_extra() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extra = re.findall(r'"([^"]+)"', re.findall(r"^docs = \[(.*)\]$", pyproject, re.MULTILINE)[0])
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    section = tox.partition("[testenv:docs]")[2].partition("set_env")[0]
    assert [name.partition(">")[0] for name in section.partition("deps =")[2].split()] == [
        name.partition(">")[0] for name in extra
    ]
