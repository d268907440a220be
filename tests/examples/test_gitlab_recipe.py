"""The script of docs/reports.md that comments on a merge request, with a `curl` that takes notes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "reports.md"
CURL = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$NOTES"
case "$*" in *per_page*) printf '%s' "$KNOWN";; esac
"""


def note(tmp_path: Path, known: list[dict[str, object]], **changes: str) -> list[str]:
    (script,) = re.findall(
        r"```bash\n(#!.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    (tmp_path / "idc_note.sh").write_text(script)
    curl = tmp_path / "curl"
    curl.write_text(CURL)
    curl.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "NOTES": str(tmp_path / "notes"),
        "KNOWN": json.dumps(known),
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_PROJECT_ID": "5",
        "CI_MERGE_REQUEST_IID": "7",
        "IDC_TOKEN": "secret",
        **changes,
    }
    result = subprocess.run(
        ["bash", "idc_note.sh"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "")
    notes = tmp_path / "notes"
    return notes.read_text().splitlines() if notes.exists() else []


@pytest.mark.parametrize("others", [[], [{"id": 1, "body": "looks good"}]])
def test_the_first_run_posts_a_note(tmp_path: Path, others: list[dict[str, object]]) -> None:
    _, posted = note(tmp_path, others)
    assert "-X POST" in posted
    assert "body@idc.md" in posted
    assert posted.endswith("/projects/5/merge_requests/7/notes")


def test_a_later_run_updates_it(tmp_path: Path) -> None:
    ours = {"id": 42, "body": "<!-- deepimportance -->\n### Neural network coverage"}
    _, put = note(tmp_path, [{"id": 1, "body": "hm"}, ours])
    assert "-X PUT" in put
    assert put.endswith("/merge_requests/7/notes/42")


def test_a_branch_without_a_merge_request_does_nothing(tmp_path: Path) -> None:
    assert note(tmp_path, [], CI_MERGE_REQUEST_IID="") == []
