"""What a report may be written over, and over what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.reporting.destinations import destinations
from pytest_deepimportance.reporting.writing import TEXTS
from tests.reporting.criteria_samples import EVERY

FOREIGN = (
    b"PK\x03\x04weights\0\0",
    b'{"name": "package", "version": "1"}',
    b"notes of mine\n",
    b'<?xml version="1.0"?><testsuites><testsuite name="pytest" errors="0"/></testsuites>',
    b"<!DOCTYPE html>\n<html><head><title>Mine</title></head></html>",
)


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("name", EVERY)
def test_every_report_may_be_replaced_by_one(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text(TEXTS[kind](EVERY[name]()), encoding="utf-8")
    for other in TEXTS:
        assert destinations([f"{other}:{path}"], "--idc-report")[0].path == path


@pytest.mark.parametrize("content", FOREIGN)
def test_anything_else_stays(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_bytes(content)
    for kind in TEXTS:
        with pytest.raises(ReportError, match="exists, and is no report"):
            destinations([f"{kind}:{path}"], "--report")
    path.write_bytes(b"")
    destinations([f"json:{path}"], "--report")


def test_a_summary_is_added_to_text_only(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text("# What came before\n")
    destinations([f"github:{path}"], "--idc-report")
    path.write_bytes(FOREIGN[0])
    with pytest.raises(ReportError, match="holds no text"):
        destinations([f"github:{path}"], "--idc-report")


def test_two_reports_in_one_place_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReportError, match="written to the same file"):
        destinations(["json:one", "markdown:./one"], "--report")
    (found,) = destinations(["json:one", "json:one"], "--report")
    assert found.path == Path("one")
