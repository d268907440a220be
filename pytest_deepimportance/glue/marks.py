"""Marks that were meant to be ours: a misspelled one would leave its test out in silence."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from pytest_deepimportance.errors import did_you_mean
from pytest_deepimportance.glue.keys import MISSPELLED

MARK = "idc_suite"


def refuse_unknown_marks(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Refuse a mark `idc...` that nobody registered, as --strict-markers would.

    Raises:
        pytest.UsageError: There is one. A worker of pytest-xdist would be torn down by it, and
            notes it for the controller.
    """
    found = _unknown(config, items)
    if found and hasattr(config, "workerinput"):
        config.stash[MISSPELLED] = found
    elif found:
        raise pytest.UsageError(found)


def _unknown(config: pytest.Config, items: Iterable[pytest.Item]) -> str:
    known = {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}
    for item in items:
        for mark in item.iter_markers():
            if mark.name.startswith("idc") and mark.name not in known:
                return (
                    f"{item.nodeid}: unknown mark {mark.name!r}, so the test is in no suite: "
                    f"{did_you_mean(mark.name, [MARK]) or f'write {MARK}'}"
                )
    return ""
