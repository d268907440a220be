"""The report as Markdown: a comment on a pull request, the summary of a CI step."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.formatting import clean
from pytest_deepimportance.reporting import base, compare_table, grids, measured
from pytest_deepimportance.reporting.excluded import excluded
from pytest_deepimportance.reporting.grids import Grid
from pytest_deepimportance.results import GateOutcome, Report

MARKER = "<!-- deepimportance -->"
"""First line of a comment, by which the next run finds it again."""

SUMMARY = "GITHUB_STEP_SUMMARY"
_GAPS = 5
_SOURCES = 5
_SIGNS = {"ok": "ok", "failed": "**FAIL**", "warned": "warn", "not judged": "not judged"}


def render(reports: Sequence[Report]) -> str:
    """Return the reports of one session as GitHub-flavoured Markdown."""
    parts = [MARKER, *map(_report, reports, base.model_names(reports, 60))]
    return "\n".join(parts) + "\n"


def append_to_summary(text: str, path: Path | None, environment: Mapping[str, str]) -> Path:
    """Append to the summary of a GitHub Actions step, or to the file given instead.

    Raises:
        ReportError: There is neither, or the file cannot be written.
    """
    name = environment.get(SUMMARY, "")
    if path is None and not name:
        raise ReportError(
            f"the step summary was not written: {SUMMARY} is not set",
            "Only GitHub Actions sets it.",
            "Elsewhere give a file: github:PATH or markdown:PATH",
        )
    target = path or Path(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "a", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise ReportError(f"cannot append to {target}: {error.strerror or error}") from error
    return target


def summary(reports: Sequence[Report], path: Path | None) -> Path:
    """Append the reports to the summary of the CI step."""
    return append_to_summary(render(reports), path, os.environ)


def _report(report: Report, name: str) -> str:
    lines = [
        f"### Neural network coverage: {grids.figures(report)} - {grids.verdict(report)}",
        "",
        _text(f"{name}, {base.measured_layers(report)}"),
        "",
    ]
    lines += [_text(f"{label}: {sentence}") + "\n" for label, sentence in base.run_labels(report)]
    if report.total.rows:
        lines += [table(grids.suites(report)), ""]
    lines += _compared(report)
    lines += _gates(report.gates)
    lines += _weakest(report)
    lines += _details(report)
    return "\n".join(lines)


def _compared(report: Report) -> list[str]:
    """Say what changed against an earlier run, and which tests did it."""
    found = report.comparison
    if found is None:
        return []
    lines = [f"**Against {_text(found.before.name)}:** {_text(compare_table.headline(found))}."]
    if not found.same_profile:
        lines.append(
            f"{found.common_neurons} of the {len(found.neurons_after)} important neurons are the "
            "same."
        )
    for title, sources in (("Gained by", found.gained_by), ("Lost with", found.lost_with)):
        if sources:
            names = ", ".join(f"{_text(s.nodeid)} ({s.items})" for s in sources[:_SOURCES])
            lines.append(f"{title} {names}{' and others' * (len(sources) > _SOURCES)}.")
    lines += [_text(note) + "." for note in found.notes]
    return [" ".join(lines), ""]


def _gates(gates: Sequence[GateOutcome]) -> list[str]:
    lines = []
    for gate in gates:
        reason = f" - {gate.reason}" if gate.reason else ""
        lines.append(f"- {_SIGNS.get(gate.status, gate.status)}: {_text(gate.message + reason)}")
    return [*lines, ""] if lines else []


def _weakest(report: Report) -> list[str]:
    rows = [r for r in base.weakest_classes(report.total) if r.exercised_rows < r.reference_rows]
    said = []
    if rows:
        names = ", ".join(f"**{_text(r.name)}** ({(r.share or 0) * 100:.1f} %)" for r in rows[:3])
        said.append(f"Weakest classes (share): {names}. ")
    balance = base.class_balance(report.total)
    if balance:
        said.append(f"Class balance: {_text(balance)}.")
    return ["".join(said), ""] if said else []


def _details(report: Report) -> list[str]:
    parts = []
    if report.total.rows and measured.criteria(report):
        parts.append(("all criteria", table(grids.criteria(report))))
    if report.total.gaps:
        parts.append(
            (
                f"the {_GAPS} largest gaps",
                table(grids.gaps(report, _GAPS, f"clusters of {grids.important_neurons(report)}")),
            )
        )
    if report.total.classes:
        parts.append(("classes", table(grids.classes(report))))
    said = report.remarks or tuple(base.notes(report))
    notes = [f"- {_text(text)}" for text in said]
    notes.append(f"- not counted: {_text(excluded(report.exclusions))}")
    parts.append(("notes", "\n".join(notes)))
    changed = [row for row in report.settings if row.origin != "default"]
    settings = [f"- `{row.name}` = {_text(row.value)} ({_text(row.origin)})" for row in changed]
    versions = ", ".join(f"{name} {value}" for name, value in report.environment.items())
    settings.append(f"- pytest-deepimportance {report.version}; {_text(versions)}")
    parts.append(("settings and versions", "\n".join(settings)))
    return [
        f"<details><summary>{title}</summary>\n\n{text}\n\n</details>" for title, text in parts
    ] + [""]


def table(grid: Grid) -> str:
    """Return a table; numbers are aligned to the right."""
    head = "| " + " | ".join(map(_text, grid.titles)) + " |"
    rule = "|---|" + "---:|" * (len(grid.titles) - 1)
    rows = ["| " + " | ".join(map(_text, row)) + " |" for row in grid.rows]
    return "\n".join([head, rule, *rows])


def _text(text: str) -> str:
    """Escape what Markdown or HTML would take for markup: names come from users."""
    plain = html.escape(clean(text), quote=False)
    for char in "\\`*_[]|#~":
        plain = plain.replace(char, "\\" + char)
    return plain.replace("@", "@<!-- -->")
