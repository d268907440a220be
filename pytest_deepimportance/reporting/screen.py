"""The sections of the terminal screen, each able to say itself in fewer lines."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from pytest_deepimportance.comparison import Comparison
from pytest_deepimportance.formatting import clean, count, percent, plural, significant
from pytest_deepimportance.gating import silent_tests
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import base, beside, compare_table, criteria_lines, measured
from pytest_deepimportance.reporting.excluded import excluded
from pytest_deepimportance.reporting.findings import MARGIN, advice, missing, weakest
from pytest_deepimportance.reporting.slices import slices
from pytest_deepimportance.reporting.table import criteria_shown, suite_rows, table
from pytest_deepimportance.reporting.text import Paragraph, Section, cell_len, shorten
from pytest_deepimportance.results import Report

_SHORT_NAME = 12
_TEST_NAME = 40
_VERDICTS = 2
"""Unmet thresholds that are worth more than advice."""


def sections(report: Report, width: int, *, verbose: bool = False) -> list[Section]:
    """Return the screen of one report from top to bottom (users read it in this order).

    Args:
        width: Columns there are.
        verbose: Say every criterion's items and suites, instead of its total only.
    """
    compared = report.comparison
    unmet = [o for o in report.gates if o.status in ("failed", "warned")]
    parts = [_fixed(lambda: _identity(report, width))]
    if report.total.rows and measured.has_idc(report) and report.profile.importance.method:
        kept = int(base.importance_is_doubtful(report))
        parts.append(Section(lambda _: [_importance(report)], 1, kept, rank=1, last=kept))
    parts.append(_fixed(lambda: limits(report)))
    if report.total.rows:
        most = max(len([row for row in suite_rows(report) if row is not report.total]), 1)
        parts.append(
            Section(lambda n: table(report, width, n), most, min(most, 3), 7, apart=True, last=1)
        )
        if verbose:
            parts.append(criteria_lines.details(report, width))
        else:
            parts.append(criteria_lines.also(report, width, criteria_shown(report, width)))
        if compared is not None:
            parts.append(_fixed(lambda: [_compared(compared)]))
        parts.append(beside.outputs(report.total, verbose=verbose))
        parts.append(beside.thin_ice(report.total, verbose=verbose))
        parts.append(slices(report, verbose=verbose))
    gates = _gates(report, apart=True)
    parts.append(gates)
    if unmet and report.total.rows:
        parts.append(missing(report, unmet))
    elif report.total.rows:
        parts.append(weakest(report, width, apart=not parts[-1].most))
    apart = not any(part.most for part in parts[parts.index(gates) :])
    remarks = _remarks(report, apart=apart and bool(report.total.rows))
    apart = remarks.apart and not remarks.most
    parts.extend([remarks, _fixed(lambda: [_excluded(report, verbose)], apart=apart)])
    if unmet and report.total.rows:
        parts.append(advice(report, unmet))
    parts.append(_fixed(lambda: [total_line(report, width)]))
    return parts


def total_line(report: Report, width: int = 80) -> Paragraph:
    """Return the one line that scripts read: `IDC total: 30.56%   share: 93.82%   ...`.

    Without IDC it names the first measured criterion: `NC total: 61.30%`, `TKNP total: 412`.
    """
    if not report.total.rows:
        name = next((row.criterion for row in report.criteria.values()), "")
        text = f"{measured.shown_name(name)} total: not measured (nothing was recorded)"
        return Paragraph.of(text.strip(), "bold")
    if not measured.has_idc(report):
        return Paragraph.of(_total_without_idc(report), "bold")
    if base.is_degenerate(report):
        return Paragraph.of("IDC total: degenerate (only one combination exists)", "bold")
    row = headline(report.total)
    text = f"IDC total: {percent(row.fraction if row else Fraction(0), 2, bare=True)}"
    if row is not None and row.exercised_rows is not None and row.reference_rows:
        share = Fraction(row.exercised_rows, row.reference_rows)
        unseen = percent(1 - share, unit=" %", bare=True)
        text += f"   share: {percent(share, 2, bare=True)}"
        long = f"{text}   chance of an unseen combination: {unseen}"
        text = long if cell_len(long) <= width else f"{text}   unseen: {unseen}"
    return Paragraph.of(text, "bold")


def _total_without_idc(report: Report) -> str:
    name = next(iter(measured.criteria(report)), "")
    row = headline(report.total, name)
    if row is None:
        return "total: nothing was measured"
    if not row.judged:
        text = "not judged"
    elif row.unit == "ratio":
        text = percent(row.fraction, 2, bare=True)
    else:  # whole numbers without separators: scripts read this
        text = str(row.covered) if isinstance(row.covered, int) else significant(row.covered)
    return f"{measured.shown_name(name)} total: {text}"


def verdict_lines(report: Report) -> list[Paragraph]:
    """Return a line per unmet threshold (failures first), then per one that was not judged.

    Those of a run that was stopped are left out: `limits` says it once for all.
    """
    stopped = not report.run.complete
    lines = []
    outcomes = [o for o in report.gates if o.status in _WORDS]
    for outcome in sorted(outcomes, key=lambda outcome: list(_WORDS).index(outcome.status)):
        if stopped and outcome.status == "not judged":
            continue
        word, style = _WORDS[outcome.status]
        spans = [(word, style), (outcome.message, "")]
        if outcome.reason and outcome.status != "not judged":
            spans.append((f" [{clean(outcome.reason)}]", "dim"))
        lines.append(Paragraph(tuple(spans), MARGIN))
    return lines


_WORDS = {
    "failed": ("FAIL ", "bold red"),
    "warned": ("WARN ", "bold yellow"),
    "not judged": ("NOTE ", "yellow"),
}


def _fixed(build: Callable[[], list[Paragraph]], *, apart: bool = False) -> Section:
    return Section(lambda _: build(), 1, 1, rank=9, apart=apart, last=1)


def _identity(report: Report, width: int) -> list[Paragraph]:
    layers = base.measured_layers(report)
    print_ = clean(report.model.fingerprint[:8])
    room = width - 11 - cell_len(f" {print_}   {layers}")
    spec = base.model_name(report, max(room, _SHORT_NAME))
    lines = [
        Paragraph.labelled("model", f"{spec} {print_}   {layers}"),
        Paragraph.labelled("reference", base.reference_rows(report)),
    ]
    if measured.has_idc(report):
        lines.append(Paragraph.labelled("items", base.items(report)))
    return lines


def _compared(found: Comparison) -> Paragraph:
    """Say what changed against an earlier run, and what the numbers do not say."""
    text = f"against {clean(found.before.name)}: {compare_table.headline(found)}"
    doubt = f" [{clean('; '.join(found.notes))}]" if found.notes else ""
    return Paragraph.labelled("compared", text + doubt)


def _importance(report: Report) -> Paragraph:
    style = "bold yellow" if base.importance_is_doubtful(report) else "dim"
    return Paragraph.labelled("importance", base.importance(report), style)


def limits(report: Report, *, quiet: bool = False) -> list[Paragraph]:
    """Say what limits the numbers: stopped early, part of the tests only, a single combination.

    The last is left out when `quiet`: the line of the total says it.
    """
    return [
        Paragraph.labelled(label, text, "yellow")
        for label, text in base.run_labels(report)
        if not quiet or label != "degenerate"
    ]


def _gates(report: Report, *, apart: bool) -> Section:
    """Say which thresholds were not met (failures first) and which tests recorded nothing."""
    lines = verdict_lines(report)
    told = " ".join(line.plain for line in lines)
    silent = [
        Paragraph.of(
            f"{plural(n, 'marked test')} recorded nothing ({_who(report, cause, n)}): {cause}",
            "yellow",
            2,
        )
        for cause, n in silent_tests(report.tests)
        if f"{plural(n, 'test')}: {cause}" not in told
    ]
    if not report.total.rows and not silent and not lines:
        silent = [Paragraph.of("nothing was recorded: no marked test ran", "yellow")]
    if not report.total.rows and report.gates and not lines:
        silent.append(Paragraph.of("gate: not judged (nothing recorded)", "yellow"))
    return _folding([*lines, *silent], rank=8, apart=apart)


def _who(report: Report, cause: str, number: int) -> str:
    """Name the first of the tests with this cause: "test_batch[3] and 2 more"."""
    first = next(t for t in report.tests if clean(t.cause).rstrip(".") == cause)
    name = shorten(clean(first.nodeid).rpartition("::")[2], _TEST_NAME)
    return name + (f" and {count(number - 1)} more" if number > 1 else "")


def _more(number: int) -> Paragraph:
    return Paragraph.of(f"... and {count(number)} more (in the JSON report)", "dim")


def _folding(lines: list[Paragraph], *, rank: int, apart: bool = False) -> Section:
    def build(most: int) -> list[Paragraph]:
        more = len(lines) - most
        if more <= 1:  # the line that says so would take the room of the one left out
            return lines
        return [*lines[:most], _more(more)]

    return Section(
        build, len(lines), min(_VERDICTS, len(lines)), rank, apart, last=min(1, len(lines))
    )


def _remarks(report: Report, *, apart: bool) -> Section:
    texts = base.notes(report)

    def build(most: int) -> list[Paragraph]:
        short, more = most < len(texts), len(texts) - most
        if more == 1:  # the line that says so would take the room of the one left out
            most, more = len(texts), 0
        lines = [
            Paragraph.labelled("note:", t, "yellow", column=6, cut=short) for t in texts[:most]
        ]
        return lines + [_more(more)] * bool(more)

    least = min(1, len(texts))
    return Section(build, len(texts), least, rank=3, apart=apart, last=least)


def _excluded(report: Report, verbose: bool) -> Paragraph:
    text = excluded(report.exclusions)
    if verbose and report.exclusions.details:
        text += f" ({clean('; '.join(report.exclusions.details))})"
    return Paragraph.labelled("not counted:", text, "dim", column=13)
