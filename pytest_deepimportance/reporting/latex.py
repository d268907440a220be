"""The tables of a paper: suites with IDC, criteria by suite (LaTeX with booktabs)."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_deepimportance.formatting import clean
from pytest_deepimportance.reporting import base, compared, grids, measured
from pytest_deepimportance.reporting.grids import Grid
from pytest_deepimportance.results import Report

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def render(reports: Sequence[Report]) -> str:
    """Return the tables of each report, for documents that use the package booktabs."""
    names = base.model_names(reports, 60)
    return "\n".join(map(_report, reports, names))


def _report(report: Report, name: str) -> str:
    about = f"{name}, {base.measured_layers(report)}"
    parts = [f"% pytest-deepimportance {report.version}, {clean(report.created)}"]
    if report.total.rows:
        parts.append(_table(grids.suites(report), f"Test adequacy of {about}."))
        if measured.criteria(report):
            parts.append(_table(grids.criteria(report), f"Coverage criteria of {about}."))
        if report.comparison is not None:
            against = compared.title(report.comparison)
            parts.append(_table(compared.grid(report.comparison), f"{against}: {about}."))
    else:
        parts.append("% nothing was recorded")
    return "\n".join(parts) + "\n"


def _table(grid: Grid, caption: str) -> str:
    columns = "l" + "r" * (len(grid.titles) - 1)
    rows = [" & ".join(map(text, row)) + r" \\" for row in grid.rows]
    last = rows.pop() if len(rows) > 1 and grid.rows[-1][0] == "TOTAL" else None
    body = rows if last is None else [*rows, r"\midrule", last]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{text(caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(map(text, grid.titles)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def text(plain: str) -> str:
    """Escape what LaTeX would take for a command; a number keeps its percent sign close."""
    escaped = "".join(_ESCAPES.get(char, char) for char in clean(plain))
    return escaped.replace(r" \%", r"\,\%")
