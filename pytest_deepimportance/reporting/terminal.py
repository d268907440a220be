"""The screen at the end of a session: what was measured, what is missing, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.text import Text

from pytest_deepimportance.reporting import base
from pytest_deepimportance.reporting.gate_hint import gate_hint
from pytest_deepimportance.reporting.missing_report import missing_report
from pytest_deepimportance.reporting.screen import limits, sections, total_line, verdict_lines
from pytest_deepimportance.reporting.text import Paragraph, cell_len, shorten
from pytest_deepimportance.results import Report

SCREEN = 20
"""Lines of one report at most."""

_SUMMARY = {False: 1, True: 2}
"""Lines pytest adds below: its last line, and one for an unmet threshold."""

NARROWEST = 60
_LONGEST_PARAGRAPH = 3
_UNLIMITED = 10_000
_LONG_MODEL = 40
_LONGEST_WORD = 24


def render(
    reports: Sequence[Report],
    *,
    width: int = 80,
    color: bool = False,
    verbosity: int = 0,
    hint: bool = False,
    missing: bool = False,
) -> list[str]:
    """Return the lines of the screen, one block per report.

    Args:
        reports: One per measured model.
        width: Columns of the terminal; below 60 it is taken as 60.
        color: Whether to use ANSI colours (the caller knows about terminals and NO_COLOR).
        verbosity: Negative: only the total, whether it is of all tests, and thresholds that are not
            met or not judged. Positive: nothing is folded.
        missing: Whether to name what no test exercises, below each screen.
    """
    printer = _Printer(max(width, NARROWEST), color)
    lines: list[str] = []
    room = base.SHORT_MODEL if verbosity < 0 else _LONG_MODEL
    names = base.model_names(reports, room) if len(reports) > 1 else [""]
    for report, model in zip(reports, names, strict=True):
        if verbosity < 0:
            lines += _quiet(report, model, printer)
            continue
        title = _title(base.title(report), model, printer.width)
        lines += [""] * bool(lines) + printer.lines(title)
        if verbosity == 0:
            lines += _fitted(report, printer)
        else:
            printer.longest = _UNLIMITED
            lines += _Layout(report, printer, verbose=True).lines()
        if missing:
            items = missing_report(report)
            lines += ["", *(line for item in items for line in printer.whole(item))]
        if hint:
            lines += [line for item in gate_hint(report) for line in printer.lines(item)]
    return lines


def _quiet(report: Report, model: str, printer: _Printer) -> list[str]:
    name = f"   {model}" if model else ""
    total = total_line(report, printer.width - len(name))
    total = Paragraph((*total.spans, (name, "")), cut=True)
    items = (total, *limits(report, quiet=True), *verdict_lines(report))
    return [line for item in items for line in printer.lines(item)]


def _title(what: str, model: str, width: int) -> Paragraph:
    name = f"{what}: {shorten(model, width - len(what) - 12)}" if model else what
    bars = max(width - cell_len(name) - 2, 0)
    text = "=" * (bars // 2) + f" {name} " + "=" * (bars - bars // 2)
    return Paragraph(((text, "bold"),), cut=True)


class _Layout:
    """Sections with the number of entries each may show."""

    def __init__(self, report: Report, printer: _Printer, *, verbose: bool = False) -> None:
        self._parts = sections(report, printer.width, verbose=verbose)
        self._printer = printer
        self._sizes = [part.most for part in self._parts]
        self._order = sorted(range(len(self._parts)), key=lambda at: self._parts[at].rank)
        self._built: dict[tuple[int, int, int], list[str]] = {}

    def lines(self) -> list[str]:
        """Return the sections at their present sizes."""
        return [line for at, size in enumerate(self._sizes) for line in self._section(at, size)]

    def shrink(self, limit: int, *, to_last: bool = False) -> None:
        """Give up entries, the lowest rank first, then take back what still fits."""
        for at in self._order:
            least = self._parts[at].last if to_last else self._parts[at].least
            while len(self.lines()) > limit and self._sizes[at] > least:
                self._sizes[at] -= 1
        for at in reversed(self._order):
            while len(self.lines()) <= limit and self._sizes[at] < self._parts[at].most:
                self._sizes[at] += 1
                if len(self.lines()) > limit:
                    self._sizes[at] -= 1
                    break

    def _section(self, at: int, size: int) -> list[str]:
        key = (at, size, self._printer.longest)
        if key not in self._built:
            items = self._parts[at].build(size) if size else []
            text = [line for item in items for line in self._printer.lines(item)]
            self._built[key] = [""] * (self._parts[at].apart and bool(text)) + text
        return self._built[key]


def _fitted(report: Report, printer: _Printer) -> list[str]:
    """Lay out the sections; a crowded screen loses entries first, then whole sentences."""
    layout = _Layout(report, printer)
    failed = any(outcome.status == "failed" for outcome in report.gates)
    layout.shrink(SCREEN - 1 - _SUMMARY[failed])
    for longest, to_last in ((_LONGEST_PARAGRAPH, True), (2, True), (1, True)):
        if len(layout.lines()) < SCREEN:
            break
        printer.longest = longest
        layout.shrink(SCREEN - 1, to_last=to_last)
    lines = layout.lines()
    printer.longest = _LONGEST_PARAGRAPH
    return lines


class _Printer:
    """Wraps paragraphs to the width and turns styles into ANSI sequences."""

    def __init__(self, width: int, color: bool) -> None:
        self.width, self.color, self.longest = width, color, _LONGEST_PARAGRAPH
        self._console = Console(
            file=StringIO(), width=width, force_terminal=color, no_color=not color,
            color_system="standard" if color else None, legacy_windows=False,
            highlight=False, markup=False, emoji=False,
        )  # fmt: skip

    def lines(self, paragraph: Paragraph) -> list[str]:
        """Return the lines of one paragraph, at most `longest` of them."""
        text = Text.assemble(*((span, style) for span, style in paragraph.spans))
        if paragraph.cut:
            return [self._line(self._cut(text))]
        first, *more = text.wrap(self._console, self.width) or [Text()]
        wrapped = [first]
        if more:
            inner = _after(text, first).wrap(self._console, self.width - paragraph.indent)
            wrapped += [Text(" " * paragraph.indent) + line for line in inner]
        if len(wrapped) > self.longest:
            wrapped = wrapped[: self.longest]
            wrapped[-1] = self._cut(wrapped[-1], anyway=True)
        return [self._line(line) for line in wrapped]

    def whole(self, paragraph: Paragraph) -> list[str]:
        """Return the lines of one paragraph, however many."""
        longest, self.longest = self.longest, _UNLIMITED
        try:
            return self.lines(paragraph)
        finally:
            self.longest = longest

    def _cut(self, text: Text, *, anyway: bool = False) -> Text:
        """Cut at the width, saying so."""
        if anyway or text.cell_len > self.width:
            whole = text.plain
            text.truncate(self.width - 4, overflow="crop")
            _end_with_a_word(text, whole)
            text.append(" ...")
        return text

    def _line(self, text: Text) -> str:
        text.rstrip()
        if not self.color:
            return text.plain
        with self._console.capture() as captured:
            self._console.print(text, end="", soft_wrap=True)
        return captured.get()


def _end_with_a_word(text: Text, whole: str) -> None:
    """Take off the part of a word that a cut left, unless the word is too long to miss."""
    kept, next_ = text.plain, whole[len(text.plain) : len(text.plain) + 1]
    part = len(kept) - len(kept.rpartition(" ")[0]) if " " in kept else len(kept)
    if next_.strip() and not kept.endswith(" ") and part <= _LONGEST_WORD:
        text.right_crop(part)
    text.rstrip()


def _after(text: Text, first: Text) -> Text:
    """Return what follows the first line, without the spaces it was broken at."""
    start = len(first.plain.rstrip())
    while text.plain[start : start + 1] == " ":
        start += 1
    return text[start:]
