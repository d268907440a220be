"""The gate as JUnit sees it: a case for each threshold, the numbers as properties."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence

from pytest_deepimportance.formatting import clean
from pytest_deepimportance.results import Report, SuiteResult

SUITE = "deepimportance"


def properties(reports: Sequence[Report]) -> list[tuple[str, str]]:
    """Return the numbers as (name, value): `idc.IDC`, `idc.clean.IDC`, `idc.share`, ...

    With several models each name carries the first characters of the model's fingerprint.
    """
    found = []
    for report in reports:
        prefix = f"idc.{report.model.fingerprint[:8]}" if len(reports) > 1 else "idc"
        found += [(f"{prefix}.model", clean(report.model.spec))]
        found += [(f"{prefix}.profile", clean(report.profile.fingerprint))]
        for suite in (report.total, *report.suites):
            place = prefix if suite is report.total else f"{prefix}.{clean(suite.name)}"
            found += [(f"{place}.{name}", value) for name, value in _numbers(suite)]
        found += _compared(report, prefix)
    return found


def _compared(report: Report, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield what changed against an earlier run: `idc.against`, `idc.clean.IDC.gained`, ..."""
    if report.comparison is None:
        return
    yield f"{prefix}.against", clean(report.comparison.before.name)
    for change in report.comparison.changes:
        place = prefix if change.suite == "TOTAL" else f"{prefix}.{clean(change.suite)}"
        numbers = (
            ("change", None if change.difference is None else float(change.difference)),
            ("gained", change.gained),
            ("lost", change.lost),
        )
        for name, number in numbers:
            if number is not None:
                yield f"{place}.{clean(change.criterion)}.{name}", repr(number)
        if change.share_difference is not None:
            yield f"{place}.share.change", repr(float(change.share_difference))
    for number, note in enumerate(report.comparison.notes, 1):
        yield f"{prefix}.against.note{number}", clean(note)


def _numbers(suite: SuiteResult) -> Iterator[tuple[str, str]]:
    yield "inputs", str(suite.inputs)
    for row in suite.criteria.values():
        if row.layer is not None or row.class_name is not None or not row.judged:
            continue
        value = repr(row.value) if row.unit == "ratio" else str(row.covered)
        yield clean(row.criterion), value
        if row.share is not None:
            yield "share", repr(row.share)


def render(reports: Sequence[Report]) -> str:
    """Return a JUnit file of its own: one case for each threshold."""
    root = ET.Element("testsuites")
    gates = [gate for report in reports for gate in report.gates]
    bad = sum(gate.status == "failed" for gate in gates)
    skipped = sum(gate.status in ("not judged", "warned") for gate in gates)
    suite = ET.SubElement(
        root, "testsuite", name=SUITE, tests=str(len(gates)), failures=str(bad), errors="0",
        skipped=str(skipped),
    )  # fmt: skip
    if reports:
        suite.set("timestamp", clean(reports[0].created))
    listed = ET.SubElement(suite, "properties")
    for name, value in properties(reports):
        ET.SubElement(listed, "property", name=name, value=value)
    for gate in gates:
        case = ET.SubElement(
            suite, "testcase", classname=f"idc.{clean(gate.suite)}", name=clean(gate.threshold)
        )
        message = clean(gate.message + (f" [{gate.reason}]" if gate.reason else ""))
        if gate.status == "failed":
            ET.SubElement(case, "failure", message=message).text = message
        elif gate.status in ("not judged", "warned"):
            ET.SubElement(case, "skipped", message=message)
        else:
            ET.SubElement(case, "system-out").text = message
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
