"""What is said while tests run: a progress bar on a terminal, sentences before the first test."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest


@contextmanager
def uncaptured(config: pytest.Config) -> Generator[None, None, None]:
    """Let output through to the terminal, also while a fixture is being set up."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        yield


def say(config: pytest.Config, lines: Sequence[str]) -> None:
    """Print sentences above the progress of the tests."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or not lines:
        return
    reporter.ensure_newline()
    for line in lines:
        for part in textwrap.wrap(f"idc: {line}", reporter._tw.fullwidth - 1):
            reporter.write_line(part, yellow=True)


@contextmanager
def progress_for(config: pytest.Config) -> Generator[Callable[..., Any] | None, None, None]:
    """Yield a function (rows done, rows in all), or None when nobody watches a terminal."""
    worker = hasattr(config, "workerinput")
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if worker or reporter is None or not reporter.isatty or config.option.verbose < 0:
        yield None
        return
    from pytest_deepimportance.reporting.progress import bar

    with uncaptured(config), bar("idc: learning from the reference", sys.stderr) as update:
        yield update
