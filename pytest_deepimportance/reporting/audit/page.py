"""audit.html: one page that stands by itself, made for paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pytest_deepimportance.reporting import base
from pytest_deepimportance.reporting.audit.circumstances import (
    deviating,
    exclusions,
    settings,
    tests,
)
from pytest_deepimportance.reporting.audit.identity import environment, identity
from pytest_deepimportance.reporting.audit.results import results
from pytest_deepimportance.reporting.audit.verdicts import gates, opened, requirements, summary
from pytest_deepimportance.reporting.markup import Html, el, section
from pytest_deepimportance.results import Report

TITLE = "Record of neural network test coverage"

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page loads nothing and runs nothing, whatever a name in it may try."""

_PURPOSE = (
    "What was measured, on what, how, against which thresholds, and what is open. Whether that is "
    "enough for a purpose is for the people who sign it to say."
)
_ROLES = ("Prepared by", "Reviewed by", "Approved by")
_SECTIONS = (
    identity, gates, opened, results, requirements, exclusions, deviating, settings, environment,
    tests,
)  # fmt: skip


def page(reports: Sequence[Report], script: str) -> str:
    """Return the page.

    Args:
        reports: One per measured model.
        script: The text of reproduce.sh.
    """
    parts = [_record(report, at, len(reports)) for at, report in enumerate(reports, 1)]
    body = el("body", el("main", *parts, _reproduction(script), _signatures()))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{TITLE}: {base.model_name(reports[0], 40)}"),
        el("style", _style(reports[0])),
    )
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _record(report: Report, at: int, number: int) -> Html:
    which = f" ({at} of {number})" if number > 1 else ""
    made = f"Made {report.created} by pytest-deepimportance {report.version}"
    header = el(
        "header",
        el("p", TITLE + which, class_="kind"),
        el("h1", base.model_name(report, 60)),
        el("p", made, class_="made"),
        summary(report),
        el("p", _PURPOSE, class_="purpose"),
    )
    return el("article", header, [part(report) for part in _SECTIONS])


def _reproduction(script: str) -> Html:
    text = (
        "The commands of reproduce.sh in this folder. SHA256SUMS there holds the hashes of its "
        "files: sha256sum --check SHA256SUMS. Equal model, data, settings and versions give an "
        "equal folder, but for dates."
    )
    lines = [el("code", line) + "\n" for line in script.splitlines()]
    return section("Reproduction", el("p", text), el("pre", [Html(line) for line in lines]))


def _signatures() -> Html:
    titles = ("", "Name", "Role", "Date", "Signature")
    head = el("tr", [el("th", title) for title in titles])
    rows = [el("tr", el("th", role), [el("td", "") for _ in titles[1:]]) for role in _ROLES]
    table = el("table", el("thead", head), el("tbody", rows), class_="signatures")
    intro = "For the record above and the files whose hashes stand in SHA256SUMS."
    return el("section", el("h2", "Signatures"), el("p", intro), table, class_="last")


def _style(report: Report) -> Html:
    """Return the style sheet; running heads are CSS text, where only harmless signs may stand."""
    sheet = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    for slot, text in (
        ("@MODEL@", f"model {report.model.fingerprint[:16]}"),
        ("@MADE@", f"{report.created[:10]}, pytest-deepimportance {report.version}"),
    ):
        sheet = sheet.replace(slot, re.sub(r"[^\w .,:+-]", "", text))
    return Html(sheet)
