"""Two reports of the same tests against the same profile: equal but for what is listed here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LEFT_OUT = {
    "created": "when the report was made",
    "profile.origin": "whether the profile was built, cached or read from a file",
}
"""Fields of a report that say when and where, not what."""

SETTINGS_LEFT_OUT = {
    "report": "where this session wrote its report",
    "data_file": "where it wrote its data file",
    "append": "whether it added to that file",
    "shard": "whether it was one part of several",
}
"""Rows of `settings` that say where one session wrote."""


def comparable(path: Path) -> str:
    """Return a JSON report without the fields left out, for comparison byte by byte."""
    content = json.loads(path.read_text(encoding="utf-8"))
    for report in content["reports"]:
        _without(report)
    return json.dumps(content, indent=1, sort_keys=True)


def _without(report: dict[str, Any]) -> None:
    for name in LEFT_OUT:
        *parents, last = name.split(".")
        at = report
        for parent in parents:
            at = at[parent]
        assert last in at, f"{name} is no field of a report any more"
        del at[last]
    names = [row["name"] for row in report["settings"]]
    assert set(SETTINGS_LEFT_OUT) <= set(names)
    report["settings"] = [r for r in report["settings"] if r["name"] not in SETTINGS_LEFT_OUT]
