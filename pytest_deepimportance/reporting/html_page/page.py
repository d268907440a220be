"""The page: a verdict, a curve and three numbers first; everything else below."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from pytest_deepimportance.formatting import amount, clean, count, percent
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import base, grids
from pytest_deepimportance.reporting.html_page import charts, sections
from pytest_deepimportance.reporting.html_page.pictures import pictures
from pytest_deepimportance.reporting.markup import Content, Html, bullets, el
from pytest_deepimportance.results import CriterionRow, Report

_TITLE = "Neural network test coverage"
_LIMIT = (
    "This measures how much of what the model learned is exercised by tests. It does not measure "
    "correctness, nor situations that are absent from the reference data."
)
_KINDS = {"failed": "bad", "not judged": "open", "warned": "open", "ok": "ok"}


def render(reports: Sequence[Report]) -> str:
    """Return the whole page; it loads nothing, so it works as a CI artifact and offline."""
    script = _file("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    name = base.model_name(reports[0], 40) if reports else "nothing measured"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{_TITLE}: {name}"),
        el("style", Html(_file("style.css"))),
    )
    body = el(
        "body",
        el("a", "Skip to the numbers", href="#main", class_="skip"),
        el("main", *(_report(report) for report in reports), id="main"),
        el("footer", el("p", _LIMIT)),
        el("script", Html(script)),
    )
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _report(report: Report) -> Html:
    parts: list[Content] = [_top(report), _first_screen(report)]
    if report.total.rows:
        parts += [
            sections.suites(report), sections.compared(report), sections.criteria(report),
            sections.neurons(report), sections.gaps(report), pictures(report),
        ]  # fmt: skip
    return el("article", *parts, sections.tests(report), sections.notes(report))


def _top(report: Report) -> Html:
    verdict = grids.verdict(report)
    kind = "bad" if "failed" in verdict else "ok" if "passed" in verdict else "open"
    first = next((gate for gate in report.gates if gate.status != "ok"), None)
    gate = first or next(iter(report.gates), None)
    model = f"{base.model_name(report, 60)} {report.model.fingerprint[:8]}"
    said = f"{model}, {base.measured_layers(report)}, {report.created[:16].replace('T', ' ')}"
    return el(
        "header",
        el(
            "div",
            el("p", verdict[0].upper() + verdict[1:], class_=f"verdict {kind}"),
            el("button", "Dark or light", type="button", class_="theme"),
            class_="bar-top",
        ),
        el("h1", grids.figures(report)),
        el("p", gate.message, class_="gate") if gate is not None else None,
        el("p", said, class_="muted"),
        *(el("p", f"{label}: {text}", class_="limit") for label, text in base.run_labels(report)),
    )


def _first_screen(report: Report) -> Html:
    row = headline(report.total)
    points = report.total.growth
    left: Content
    if points and row is not None:
        left = charts.growth(points, row.reach, row.total)
    elif report.total.rows:
        left = el(
            "p", "No growth curve: IDC is not measured for all classes together.", class_="muted"
        )
    else:
        left = el("p", "Nothing was recorded: the list of tests says why.", class_="muted")
    right: list[Content] = [_numbers(row), _classes(report), _gates(report)]
    return el(
        "div", el("div", left, class_="left"), el("div", *right, class_="right"), class_="first"
    )


def _numbers(row: CriterionRow | None) -> Content:
    if row is None or not row.judged or not row.inputs:
        return None
    found = [
        (percent(row.fraction, unit=" %"), "IDC",
         f"{amount(row.covered)} of {count(row.total)} combinations of clusters are covered"),
    ]  # fmt: skip
    if row.exercised_rows is not None and row.reference_rows:
        share = Fraction(row.exercised_rows, row.reference_rows)
        found += [
            (percent(share, unit=" %"), "share",
             "of the reference inputs behave as some test does"),
            (percent(1 - share, unit=" %"), "unseen",
             "chance that a new input behaves as no test does"),
        ]  # fmt: skip
    return el(
        "dl",
        [
            el("div", el("dt", name), el("dd", el("b", value), " ", el("span", text)))
            for value, name, text in found
        ],
        class_="numbers",
    )


def _classes(report: Report) -> Content:
    rows = base.weakest_classes(report.total)
    if not rows:
        return None
    lines = [
        el(
            "li",
            el("span", clean(row.name), class_="name"),
            charts.bar(row.share),
            el("span", percent(row.share, unit=" %"), class_="value"),
            el("span", f"{count(row.suite_inputs)} tested", class_="muted small"),
        )
        for row in rows
    ]
    shown, more = lines[:10], lines[10:]
    rest = el(
        "details", el("summary", f"{count(len(more))} more"), el("ul", more, class_="classes")
    )
    balance = base.class_balance(report.total)
    return [
        el("h2", "Share by class, the lowest first"),
        el("ul", shown, class_="classes"),
        rest if more else None,
        el("p", f"Class balance: {balance}", class_="muted small") if balance else None,
    ]


def _gates(report: Report) -> Content:
    if not report.gates:
        return None
    lines = [
        [
            el("span", gate.status, class_=f"verdict small {_KINDS.get(gate.status, 'open')}"),
            f" {gate.message}" + (f" ({gate.reason})" if gate.reason else ""),
        ]
        for gate in report.gates
    ]
    return [el("h2", "Thresholds"), bullets(lines)]
