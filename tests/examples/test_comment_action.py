"""The composite action that comments on a pull request, with a `gh` that only takes notes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytest_deepimportance.reporting import markdown
from tests.reporting import samples

ACTION = Path(__file__).parents[2] / ".github" / "actions" / "comment"

GH = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$NOTES"
for word in "$@"; do case $word in body=@*) cp "${word#body=@}" "$NOTES.body";; esac; done
case "$*" in
  *--jq*) exit_with=${READ_FAILS:-0}; printf '%s' "${KNOWN:-}"; exit $exit_with;;
  *) exit ${WRITE_FAILS:-0};;
esac
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    gh = tmp_path / "bin" / "gh"
    gh.write_text(GH)
    gh.chmod(0o755)
    (tmp_path / "idc.md").write_text(markdown.render([samples.passing()]), encoding="utf-8")
    return tmp_path


def comment(place: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "NOTES": str(place / "notes"),
        "REPORT": "idc.md",
        "NUMBER": "7",
        "GITHUB_REPOSITORY": "team/model",
        "GITHUB_STEP_SUMMARY": str(place / "summary"),
        **changes,
    }
    return subprocess.run(
        ["bash", str(ACTION / "comment.sh")],
        cwd=place, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def calls(place: Path) -> list[str]:
    notes = place / "notes"
    return notes.read_text().splitlines() if notes.exists() else []


def test_the_first_run_posts_a_comment(place: Path) -> None:
    assert comment(place).returncode == 0
    assert calls(place)[1].startswith("api -X POST repos/team/model/issues/7/comments -F body=@")
    report = (place / "idc.md").read_text()
    assert (place / "notes.body").read_text() == report
    assert (place / "summary").read_text() == report


def test_a_later_run_updates_it_in_place(place: Path) -> None:
    assert comment(place, KNOWN="4711").returncode == 0
    assert calls(place)[1].startswith("api -X PATCH repos/team/model/issues/comments/4711 -F")
    assert markdown.MARKER in calls(place)[0]


def test_a_push_has_no_pull_request_and_keeps_the_summary(place: Path) -> None:
    result = comment(place, NUMBER="")
    assert result.returncode == 0
    assert calls(place) == []
    assert (place / "summary").read_text() == (place / "idc.md").read_text()


@pytest.mark.parametrize("fails", ["READ_FAILS", "WRITE_FAILS"])
def test_a_fork_may_not_comment_which_is_said_and_fails_nothing(place: Path, fails: str) -> None:
    result = comment(place, **{fails: "1"})
    assert result.returncode == 0
    assert "::warning::" in result.stdout
    assert (place / "summary").exists()


def test_a_long_report_is_cut_and_says_so(place: Path) -> None:
    folded = "<details><summary>{}</summary>\n\n" + "| größe |\n" * 3_000 + "\n</details>\n"
    (place / "idc.md").write_text(f"{markdown.MARKER}\n" + folded.format("a") + folded.format("b"))
    assert comment(place).returncode == 0
    body = (place / "notes.body").read_text(encoding="utf-8")
    assert len(body.encode()) < 65_536
    assert body.count("<details>") == body.count("</details>") == 2
    assert set(body.splitlines()[4:3_000]) == {"| größe |"}
    assert body.splitlines()[-5] == "| größe |"
    assert "(cut: the whole report is an artifact of this run)" in body


def test_what_is_no_report_is_refused(place: Path) -> None:
    (place / "idc.md").write_text("hello\n")
    assert comment(place).returncode == 1
    missing = comment(place, REPORT="other.md")
    assert missing.returncode == 1
    assert "--idc-report=markdown:other.md" in missing.stdout


def test_the_action_names_files_that_exist() -> None:
    text = (ACTION / "action.yml").read_text(encoding="utf-8")
    assert "comment.sh" in text
    assert text.count("${{ inputs.") == 3
