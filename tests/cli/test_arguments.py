from __future__ import annotations

import argparse

import pytest

from pytest_deepimportance.cli.arguments import add_settings, settings_from, usage_of
from pytest_deepimportance.settings import TABLE


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_settings(parser, [s.name for s in TABLE.values() if s.cli])
    return parser.parse_args(arguments)


@pytest.mark.parametrize("name", [s.name for s in TABLE.values() if s.cli])
def test_every_setting_in_both_spellings(name: str) -> None:
    short = "--" + name.replace("_", "-")
    for flag in (short, TABLE[name].option):
        if TABLE[name].is_flag:
            assert getattr(parsed(flag), name) is True
        else:
            wanted = ["text"] if TABLE[name].many else "text"
            assert getattr(parsed(flag, "text"), name) == wanted
    assert getattr(parsed(), name) is None


def test_settings_are_resolved_with_their_origin() -> None:
    found = settings_from(parsed("--k", "3", "--idc-zeros", "drop", "--preset", "paper"))
    assert (found.k, found.zeros, found.lrp_rule) == (3, "drop", "z")
    assert found.origins["k"] == "command line"
    assert found.origins["lrp_rule"] == "preset paper"
    assert found.origins["m"] == "preset paper"
    assert found.origins["seed"] == "default"


def test_a_command_line_that_stops_early_shows_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = argparse.ArgumentParser(prog="x", description="does things")
    assert usage_of(parser)(argparse.Namespace()) == 2
    assert "does things" in capsys.readouterr().err
