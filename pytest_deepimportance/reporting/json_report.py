"""The report as a JSON file: everything, with a version, equal bytes for equal reports.

Every field is described in `docs/json-report.md`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_deepimportance.atomic import write_atomically
from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.formatting import count
from pytest_deepimportance.results import FORMAT, Report

SCHEMA = "deepimportance-report"

_LONGEST_BITS = 14_000
"""Whole numbers of more bits have more than the 4,300 digits that Python prints."""


def dump(reports: Sequence[Report]) -> str:
    """Return the reports of one session as JSON text: sorted keys, no NaN, a final newline."""
    content = {
        "schema": SCHEMA,
        "format": FORMAT,
        "reports": [_plain(report.to_json()) for report in reports],
    }
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def write(reports: Sequence[Report], path: str | Path) -> Path:
    """Write `dump` to `path` in one step: a reader sees the old file or the whole new one.

    Raises:
        ReportError: The file cannot be written there.
    """
    return write_text(dump(reports), path)


def write_text(text: str, path: str | Path) -> Path:
    """Write `text` to `path` in one step, making its folder.

    Raises:
        ReportError: The file cannot be written there.
    """
    target = Path(path)
    try:
        write_atomically(target, text.encode("utf-8"))
    except OSError as error:
        raise ReportError(
            f"{target} cannot be written: {error.strerror or error}",
            fix="Give a file in a folder you may write to.",
        ) from error
    return target


def load(path: str | Path) -> tuple[Report, ...]:
    """Read the reports of a file written by `write`.

    Raises:
        ReportError: The file is absent, not JSON, not a report, or of another format.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"the report {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ReportError(f"{path} is not a JSON file: {error}") from error
    if not isinstance(content, Mapping) or content.get("schema") != SCHEMA:
        raise ReportError(
            f"{path} is not a report of pytest-deepimportance",
            fix="Reports are written by: pytest --idc-report=json:PATH",
        )
    if content.get("format") != FORMAT:
        raise ReportError(
            f"{path} has report format {content.get('format')!r}, this version reads {FORMAT}",
            "Fields may mean something else there.",
            "Read it with the version that wrote it, or run the tests again.",
        )
    try:
        return tuple(Report.from_json(item) for item in content["reports"])
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise ReportError(
            f"{path} is damaged: a field is missing or unknown ({error})",
            fix="Run the tests again.",
        ) from error


def _plain(value: Any) -> Any:
    """Turn NaN and infinity into None, keys into text: JSON has neither.

    Whole numbers that Python refuses to print become text such as "3.98e6020".
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and value.bit_length() > _LONGEST_BITS:
        return count(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
