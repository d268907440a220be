"""Where the settings of a run differ from those of the paper."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_deepimportance.criterion_settings import CriterionSettings
from pytest_deepimportance.results import Report
from pytest_deepimportance.setting import shown
from pytest_deepimportance.settings import TABLE, resolve

PRESET = "paper"

_NAMES_DATA = frozenset({"reference_id", "transform", "output"})
"""Settings that say where data are; a paper has nothing to say about them."""


@dataclass(frozen=True)
class Deviation:
    """One setting that is not as in the paper."""

    name: str
    paper: str
    ours: str
    origin: str


def deviations(report: Report) -> list[Deviation]:
    """Return the settings that numbers depend on and that differ from preset `paper`."""
    paper = resolve([("", {"preset": PRESET})])
    return [
        Deviation(row.name, shown(getattr(paper, row.name)), row.value, row.origin)
        for row in report.settings
        if _matters(row.name) and shown(getattr(paper, row.name)) != row.value
    ]


def _matters(name: str) -> bool:
    if name not in TABLE or name in _NAMES_DATA:
        return False
    of_a_criterion = name in CriterionSettings.__dataclass_fields__
    return of_a_criterion or name == "m" or TABLE[name].profile
