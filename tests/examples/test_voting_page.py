"""The Python lines of docs/voting.md run, and the options it names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_deepimportance.cli.main import parser
from pytest_deepimportance.settings import TABLE
from tests.examples.readme import ROOT
from tests.profile.builders import Mlp, rows

TEXT = (ROOT / "docs" / "voting.md").read_text(encoding="utf-8")


def test_the_python_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    reference = rows(100)
    batches = list(zip(reference[0].split(20), reference[1].split(20), strict=True))
    names = {"model": Mlp(), "reference": reference, "batches": batches}
    exec(code, names)
    profile = names["profile"]
    assert profile.importance.source == "votes.csv"  # type: ignore[attr-defined]
    assert len(names["votes"].votes.winners) == 5  # type: ignore[attr-defined]


def test_options_and_values_exist() -> None:
    known = {setting.option for setting in TABLE.values()}
    assert set(re.findall(r"--idc-[a-z-]+[a-z]", TEXT)) <= known
    vote = next(a for a in parser()._actions if a.dest == "==SUPPRESS==").choices["vote"]  # type: ignore[index]
    own = {option for action in vote._actions for option in action.option_strings}
    prose = re.sub(r"```.*?```|^    .*$|^\| all neurons.*$", "", TEXT, flags=re.S | re.M)
    asked = set(re.findall(r"(?<!-)--(?!idc)[a-z-]+[a-z]", prose))
    assert asked
    assert asked <= own
