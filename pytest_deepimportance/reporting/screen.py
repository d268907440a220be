"""The sections of the terminal screen, each able to say itself in fewer lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_deepimportance.formatting import clean, count, listed, percent, plural
from pytest_deepimportance.gating import silent_tests
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import base
from pytest_deepimportance.reporting.table import suite_rows, table
from pytest_deepimportance.reporting.text import Paragraph, cell_len, shorten
from pytest_deepimportance.results import GateOutcome, Report, SuiteResult

_SHORT_NAME = 12
_CLASS_NAME = 20
_MARGIN = 5


@dataclass(frozen=True)
class Section:
    """One part of the screen.

    Attributes:
        build: Returns the paragraphs for a number of entries.
        most: Entries it has.
        least: Entries it keeps on a crowded screen.
        last: Entries it keeps when even that does not fit.
        rank: Sections of a lower rank give up entries first.
        apart: Whether a blank line goes before it.
    """

    build: Callable[[int], list[Paragraph]]
    most: int = 1
    least: int = 1
    rank: int = 0
    apart: bool = False
    last: int = 0


def sections(report: Report, width: int) -> list[Section]:
    """Return the screen of one report from top to bottom (users read it in this order)."""
    unmet = [o for o in report.gates if o.status in ("failed", "warned")]
    parts = [_fixed(lambda: _identity(report, width))]
    if report.total.rows:
        parts.append(Section(lambda _: [_importance(report)], 1, 0, rank=1))
    parts.append(_fixed(lambda: _labels(report)))
    if report.total.rows:
        rows = [row for row in suite_rows(report) if row is not report.total]
        parts.append(
            Section(lambda n: table(report, width, n), max(len(rows), 1), 1, 7, apart=True, last=1)
        )
    parts.append(_gates(report, apart=True))
    if unmet and report.total.rows:
        parts.append(_missing(report, unmet))
    elif report.total.rows:
        parts.append(_weakest(report, width, apart=not parts[-1].most))
    parts.extend([_remarks(report), _fixed(lambda: [_excluded(report)])])
    if unmet and report.total.rows:
        parts.append(_advice(report, unmet))
    parts.append(_fixed(lambda: [total_line(report, width)]))
    return parts


def total_line(report: Report, width: int = 80) -> Paragraph:
    """Return the one line that scripts read: `IDC total: 30.56%   share: 93.82%   ...`."""
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


def verdict_lines(outcomes: Sequence[GateOutcome]) -> list[Paragraph]:
    """Return a FAIL or WARN line per unmet threshold, a line per one that was not judged."""
    lines = []
    for outcome in outcomes:
        word, style = _WORDS.get(outcome.status, ("", ""))
        if not word:
            continue
        spans = [(word, style), (outcome.message, "")]
        if outcome.reason and outcome.status != "not judged":
            spans.append((f" [{clean(outcome.reason)}]", "dim"))
        lines.append(Paragraph(tuple(spans), _MARGIN))
    return lines


_WORDS = {
    "failed": ("FAIL ", "bold red"),
    "warned": ("WARN ", "bold yellow"),
    "not judged": ("NOTE ", "yellow"),
}


def _fixed(build: Callable[[], list[Paragraph]]) -> Section:
    return Section(lambda _: build(), 1, 1, rank=9, last=1)


def _identity(report: Report, width: int) -> list[Paragraph]:
    layers = base.measured_layers(report)
    print_ = clean(report.model.fingerprint[:8])
    room = width - 11 - cell_len(f" {print_}   {layers}")
    spec = shorten(clean(report.model.spec or report.model.type), max(room, _SHORT_NAME))
    return [
        Paragraph.labelled("model", f"{spec} {print_}   {layers}"),
        Paragraph.labelled("reference", base.reference_rows(report)),
        Paragraph.labelled("items", base.items(report)),
    ]


def _importance(report: Report) -> Paragraph:
    return Paragraph.labelled("importance", base.importance(report))


def _labels(report: Report) -> list[Paragraph]:
    return [Paragraph.labelled(label, text, "yellow") for label, text in base.run_labels(report)]


def _gates(report: Report, *, apart: bool) -> Section:
    """Say which thresholds were not met (failures first) and which tests recorded nothing."""
    stopped = not report.run.complete
    outcomes = sorted(
        (o for o in report.gates if not (stopped and o.status == "not judged")),
        key=lambda outcome: list(_WORDS).index(outcome.status) if outcome.status in _WORDS else 9,
    )
    lines = verdict_lines(outcomes)
    told = " ".join(line.plain for line in lines)
    silent = [
        Paragraph.of(f"{plural(n, 'marked test')} recorded nothing: {cause}", "yellow", 2)
        for cause, n in silent_tests(report.tests)
        if f"{plural(n, 'test')}: {cause}" not in told
    ]
    if not report.total.rows and not silent and not lines:
        silent = [Paragraph.of("nothing was recorded: no marked test ran", "yellow")]
    if not report.total.rows and report.gates and not lines:
        silent.append(Paragraph.of("gate: not judged (nothing recorded)", "yellow"))
    return _folding([*lines, *silent], rank=8, apart=apart)


def _folding(lines: list[Paragraph], *, rank: int, apart: bool = False) -> Section:
    def build(most: int) -> list[Paragraph]:
        more = len(lines) - most
        if more <= 1:  # the line that says so would take the room of the one left out
            return lines
        return [
            *lines[:most],
            Paragraph.of(f"... and {count(more)} more (in the JSON report)", "dim"),
        ]

    return Section(build, len(lines), min(1, len(lines)), rank, apart, last=min(1, len(lines)))


def _remarks(report: Report) -> Section:
    lines = [Paragraph.labelled("note:", text, "yellow", column=6) for text in base.notes(report)]
    return _folding(lines, rank=3)


def _excluded(report: Report) -> Paragraph:
    return Paragraph.labelled("not counted:", base.excluded(report.exclusions), "dim", column=13)


def _weakest(report: Report, width: int, *, apart: bool) -> Section:
    """Say what to look at although nothing failed: weak classes and layers, gap, balance."""
    total = report.total
    balance = base.class_balance(total)
    entries = _weak_line(
        "weakest classes (share): ",
        [
            (_name(row.name), percent(row.share))
            for row in base.weakest_classes(total)
            if row.exercised_rows < row.reference_rows
        ],
        width,
    )
    if total.gaps:
        size = base.gap_size(total.gaps[0], report.reference.usable)
        example = _example(total.gaps[0].nearest_reference_index)
        text = f"{size}{example} behave in a way no test exercises"
        entries.append(Paragraph.labelled("largest gap:", text, "", column=13))
    if balance:
        place = 0 if base.untested_classes(total) else len(entries)
        entries.insert(place, Paragraph.labelled("class balance:", balance, "", column=15))
    for classes, label in ((True, "weakest classes (IDC): "), (False, "weakest layers (IDC): ")):
        rows = [
            (_name((row.class_name if classes else row.layer) or ""), percent(row.fraction))
            for row in base.other_rows(total, classes=classes)
        ]
        entries.extend(_weak_line(label, rows, width))
    least = min(1, len(entries))
    return Section(lambda n: entries[:n], len(entries), least, rank=4, apart=apart)


def _weak_line(label: str, names: Sequence[tuple[str, str]], width: int) -> list[Paragraph]:
    """Return up to three "name 78.5%" that fit on one line."""
    most = 3
    while most > 1 and cell_len(label + _pairs(names[:most])) > width:
        most -= 1
    return [Paragraph.labelled(label, _pairs(names[:most]), "", column=len(label))] * bool(names)


def _pairs(names: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in names)


def _name(name: str) -> str:
    return shorten(clean(name), _CLASS_NAME)


def _example(index: int | None) -> str:
    return "" if index is None else f", such as reference[{index}],"


def _missing(report: Report, unmet: Sequence[GateOutcome]) -> Section:
    """Say why a threshold was not met: the classes and gaps the failing suite leaves out."""
    suite = _with_details(report, unmet)
    details = _classes_left_out(suite) + ([_gaps(suite)] if suite.gaps else [])
    texts = [_lead(suite), *details] if details else []
    lines = [Paragraph.of(" " * _MARGIN + text, indent=_MARGIN) for text in texts]
    return Section(lambda n: lines[:n], len(lines), min(2, len(lines)), rank=5)


def _with_details(report: Report, unmet: Sequence[GateOutcome]) -> SuiteResult:
    """Return the first suite with an unmet threshold if classes or gaps are known for it."""
    suite = report.suite(unmet[0].suite) or report.total
    return suite if suite.classes or suite.gaps else report.total


def _lead(suite: SuiteResult) -> str:
    untested = base.untested_classes(suite)
    what = "they skip learned behaviour"
    if untested:
        what = f"no input is of class {listed(map(_name, untested))}"
    if suite.failed_tests:
        return f"{plural(suite.failed_tests, 'test')} failed, and {what}:"
    accuracy = Fraction(suite.correct, suite.labelled) if suite.labelled else None
    high = f" and accuracy is {percent(accuracy, unit=' %')}" if accuracy is not None else ""
    return f"The tests pass{high}, but {what}:"


def _classes_left_out(suite: SuiteResult) -> list[str]:
    rows = base.weakest_classes(suite)
    weak = [row for row in rows[:3] if row.exercised_rows < row.reference_rows]
    if not weak:
        return []
    shares = ", ".join(f"{_name(row.name)}: {percent(row.share, unit=' %')}" for row in weak)
    rest = [row.share for row in rows[3:] if row.share is not None]
    if not rest:
        return [f"share of class {shares}"]
    low, high = (percent(value, 0, "") for value in (min(rest), max(rest)))
    return [f"share of class {shares}, others {low if low == high else f'{low}-{high}'} %"]


def _gaps(suite: SuiteResult) -> str:
    """Return "largest gaps: 2,006 reference inputs (99 % class 7), 1,777 (7), 1,545 (9)"."""
    parts: list[str] = []
    for gap in suite.gaps[:3]:
        text, who = count(gap.rows), ""
        if gap.main_class is not None and gap.rows:
            share = percent(Fraction(gap.main_class_rows, gap.rows), 0, " %")
            who = _name(gap.main_class) if parts else f"{share} class {_name(gap.main_class)}"
        text += "" if parts else f" reference input{'s' * (gap.rows != 1)}"
        parts.append(text + (f" ({who})" if who else ""))
    return f"largest gap{'s' * (len(parts) > 1)}: {', '.join(parts)}"


def _advice(report: Report, unmet: Sequence[GateOutcome]) -> Section:
    """Say what to type or change next; only what exists."""
    texts = []
    suite = _with_details(report, unmet)
    weak = [row for row in base.weakest_classes(suite) if row.exercised_rows < row.reference_rows]
    if weak:
        texts.append(f"add tests for class {listed((_name(r.name) for r in weak[:3]), 3)}")
    elif suite.gaps:
        texts.append(f"add inputs like reference[{suite.gaps[0].nearest_reference_index}]")
    asked = next((row.value for row in report.settings if row.name == "report"), "")
    if "json:" not in asked:
        texts.append("pytest --idc-report=json:idc.json   every class, gap and setting")
    label = "What to do   "
    lines = [
        Paragraph(((label if at == 0 else " " * len(label), "bold"), (text, "")), len(label))
        for at, text in enumerate(texts)
    ]
    return Section(lambda n: lines[:n], len(lines), min(1, len(lines)), rank=2)
