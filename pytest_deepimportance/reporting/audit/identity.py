"""What was measured, against what, in which environment: names and hashes."""

from __future__ import annotations

from pytest_deepimportance.formatting import count, plural
from pytest_deepimportance.provenance import PACKAGES
from pytest_deepimportance.reporting import base, measured
from pytest_deepimportance.reporting.markup import (
    Content,
    Html,
    digest,
    el,
    pairs,
    section,
    table,
)
from pytest_deepimportance.results import Report


def identity(report: Report) -> Html:
    """Return the section that identifies model, reference, profile and inputs."""
    return section("Identity", pairs(_rows(report)), el("h3", "Recorded inputs"), _inputs(report))


def _rows(report: Report) -> list[tuple[str, Content]]:
    model, reference, profile = report.model, report.reference, report.profile
    size = f"{model.type}, {plural(model.parameters, 'parameter')}"
    rows: list[tuple[str, Content]] = [
        ("Model", [model.spec or "made by a fixture", " (", size, ")"]),
        ("Model, weights and structure", digest(model.fingerprint)),
        ("Reference data", [reference.descriptor, ": ", _reference_rows(report)]),
        ("Reference data, content", digest(reference.fingerprint)),
        ("Profile (model, reference, settings)", digest(profile.fingerprint)),
        ("Measured", base.measured_layers(report)),
    ]
    if measured.has_idc(report):
        rows += [("Items", base.items(report)), ("Importance", base.importance(report))]
    return rows


def _reference_rows(report: Report) -> str:
    """Say how much reference data there is, and how much of it is used."""
    info = report.reference
    of = "" if info.available in (None, info.rows) else f" of {count(info.available or 0)}"
    how = "".join([", a seeded sample" * info.sampled, ", augmented" * info.augmented])
    labels = "with" if info.labelled else "without"
    return (
        f"{count(info.rows)}{of} rows read{how}, {labels} labels; "
        f"{count(info.usable)} usable, {count(info.fitted)} fitted on"
    )


def _inputs(report: Report) -> Html:
    """List each suite's inputs by number and hash."""
    rows = [
        (
            suite.name,
            count(suite.tests),
            count(suite.rows),
            count(suite.inputs),
            digest(suite.inputs_digest),
        )
        for suite in (*report.suites, report.total)
    ]
    titles = ("suite", ">tests", ">rows", ">distinct inputs", "SHA-256 over their sorted digests")
    return table(titles, rows)


def environment(report: Report) -> Html:
    """Return the section on versions, device and switches."""
    found = {"pytest-deepimportance": report.version, **report.environment}
    packages = [name for name in ("pytest-deepimportance", *PACKAGES) if name in found]
    rest = [name for name in found if name not in packages]
    halves = el(
        "div",
        pairs((name, found[name]) for name in rest),
        pairs((name, found[name]) for name in packages),
        class_="halves",
    )
    note = "As it stood when the report was made, in the process that made it."
    return section("Environment", halves, el("p", note, class_="note"))
