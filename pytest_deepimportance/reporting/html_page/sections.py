"""The parts of the page below its first screen: suites, criteria, heat map, gaps, tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_deepimportance.contributions import Contribution
from pytest_deepimportance.formatting import amount, clean, count, percent, plural
from pytest_deepimportance.readings import headline
from pytest_deepimportance.reporting import (
    base,
    compare_table,
    contributions_table,
    grids,
    measured,
)
from pytest_deepimportance.reporting import compared as compared_
from pytest_deepimportance.reporting.excluded import excluded
from pytest_deepimportance.reporting.grids import Grid
from pytest_deepimportance.reporting.html_page.charts import bar, heat
from pytest_deepimportance.reporting.markup import Content, Html, bullets, el, pairs, table
from pytest_deepimportance.results import CriterionRow, Report, TestRow

_GAPS = 6
_TESTS = 2_000


def grid_table(grid: Grid) -> Html:
    """Return a table of text whose columns but the first hold numbers."""
    first, *rest = grid.titles
    return scrolled(table((first, *(">" + title for title in rest)), grid.rows, "totalled"))


def scrolled(content: Html) -> Html:
    """Let a wide table scroll by itself, with the keyboard too."""
    return el("div", content, class_="scroll", tabindex="0")


def suites(report: Report) -> Html:
    """Return the table of suites."""
    return part("Suites", "suites", grid_table(grids.suites(report)))


def compared(report: Report) -> Html | None:
    """Return what changed against an earlier run, to unfold, where there is one."""
    found = report.comparison
    if found is None:
        return None
    grid = compared_.grid(found)
    first, second, *rest = grid.titles
    shown = table((first, second, *(">" + title for title in rest)), grid.rows)
    every = el("details", el("summary", "Every suite and criterion"), scrolled(shown))
    return part(
        compared_.title(found), "compared", el("p", compare_table.headline(found)),
        bullets(compared_.lines(found)), every,
    )  # fmt: skip


def criteria(report: Report) -> Html:
    """Return every criterion of the total with a bar, its limits, and its layers to unfold."""
    names = dict.fromkeys(row.criterion for row in report.criteria.values())
    blocks = []
    for name in names:
        row = headline(report.total, name)
        if row is not None:
            blocks.append(_criterion(report, name, row))
    note = (
        "Counts and NLC have no total, so no bar. Reach: what the reference covers. Open a "
        "criterion for its layers and classes."
    )
    return part("Criteria", "criteria", el("p", note, class_="muted"), *blocks)


def _criterion(report: Report, name: str, row: CriterionRow) -> Html:
    ratio = row.unit == "ratio" and row.judged
    covered = f"{amount(row.covered)} of {count(row.total)}" if ratio else ""
    limits = []
    if row.reach is not None:
        limits.append(f"reach {count(row.reach)}")
    if row.random is not None and row.random.comparable:
        limits.append(f"random suite {grids.random_range(row)}")
    ceiling = row.details.get("ceiling")
    if ceiling is not None and ceiling < 1:
        most = percent(ceiling, unit=" %")
        limits.append(f"{plural(row.inputs, 'input')} can cover {most} at most")
    summary = el(
        "summary",
        el("span", measured.shown_name(name), class_="name"),
        el("span", measured.value_text(row), class_="value"),
        bar(float(row.fraction) if ratio else None),
        el("span", "; ".join([covered, *limits]).strip("; "), class_="muted"),
    )
    own = [
        r for r in report.total.criteria.values()
        if r.criterion == name and (r.layer is not None or r.class_name is not None)
    ]  # fmt: skip
    rows = [_single(item) for item in own]
    if not rows:
        return el("details", summary, el("p", "One number: no layers or classes of its own."))
    return el("details", summary, table(("where", ">value", "", ">covered"), rows, "bars"))


def _single(row: CriterionRow) -> tuple[Content, ...]:
    names = [f"class {row.class_name}"] if row.class_name is not None else []
    where = ", ".join(([row.layer] if row.layer is not None else []) + names)
    ratio = row.unit == "ratio" and row.judged and row.total
    covered = f"{amount(row.covered)} of {count(row.total)}" if ratio else ""
    return where, measured.value_text(row), bar(float(row.fraction) if ratio else None), covered


def neurons(report: Report) -> Html | None:
    """Return the heat map of important neurons x clusters."""
    hits = report.total.hits
    if not hits:
        return None
    most = max(len(hit.inputs) for hit in hits)
    inputs = max(sum(hits[0].inputs), 1)
    reference = max(sum(hits[0].reference_rows), 1)
    rows = []
    for rank, hit in enumerate(hits, 1):
        cells: list[Content] = [f"{rank}. {clean(hit.layer)}[{hit.index}]"]
        for own, known in zip(hit.inputs, hit.reference_rows, strict=True):
            label = f"{count(own)} ({percent(own / inputs, 0, ' %')})"
            part_ = f" | reference {percent(known / reference, 0, ' %')}"
            cells.append([
                heat(own / inputs, label, missing=bool(known) and not own),
                el("span", part_, class_="muted small"),
            ])  # fmt: skip
        rows.append((*cells, *[""] * (most - len(hit.inputs))))
    titles = ("important neuron", *(f"cluster {at}" for at in range(most)))
    return part(
        "Important neurons and their clusters", "neurons",
        el("p", "Inputs of all suites in each cluster (a range of the neuron's activation, in "
                "ascending order), beside the part of the reference inputs there.", class_="muted"),
        scrolled(table(titles, rows, "heat")),
    )  # fmt: skip


def gaps(report: Report) -> Html | None:
    """Return the largest gaps as cards: what the reference does and no test exercises."""
    if not report.total.gaps:
        return None
    cards = []
    for gap in report.total.gaps[:_GAPS]:
        index = gap.nearest_reference_index
        example = "" if index is None else f"such as reference[{index}]"
        cards.append(
            el(
                "li",
                el("strong", plural(gap.rows, "reference input")),
                el("span", f"mostly class {grids.main_class(gap)}"),
                el("span", example),
                el("span", "clusters " + " ".join(map(str, gap.combination)), class_="muted small"),
            )
        )
    row = headline(report.total)
    number = 0 if row is None else (row.reach or 0) - (row.covered_reached or 0)
    said = (
        f"{plural(number, 'combination')} that the reference reaches and no test exercises; the "
        f"clusters are of {grids.important_neurons(report)}."
    )
    return part(
        "Largest gaps", "gaps", el("p", said, class_="muted"), el("ul", cards, class_="cards")
    )


def tests(report: Report) -> Html | None:
    """Return the marked tests: by what they add where contexts are on, else by their inputs."""
    if not report.tests:
        return None
    found = report.contributions
    known = {} if found is None else {test.nodeid: test for test in found.tests}
    ordered = sorted(report.tests, key=lambda test: _order(test, known.get(test.nodeid)))
    rows = [_test(test, known, found is not None) for test in ordered[:_TESTS]]
    added = () if found is None else (">covers", ">only this test", ">adds")
    titles = ("test", "suite", "outcome", ">inputs", *added, "why nothing was recorded")
    more = len(ordered) - _TESTS
    return part(
        "Tests", "tests",
        None if found is None else el("p", contributions_table.remark(found), class_="muted"),
        el("label", "Show tests whose name contains ",
           el("input", type="search", class_="filter", autocomplete="off"), class_="muted"),
        scrolled(table(titles, rows, "filtered")),
        el("p", f"and {count(more)} more in the JSON report", class_="muted") if more > 0 else None,
    )  # fmt: skip


def _order(test: TestRow, known: Contribution | None) -> tuple[Any, ...]:
    """Silent tests first, since they need a look; then what adds most."""
    adds = 0 if known is None else known.adds
    return test.inputs > 0, -adds, -test.inputs, test.nodeid


def _test(test: TestRow, known: Mapping[str, Contribution], contexts: bool) -> tuple[str, ...]:
    cells = [test.nodeid, test.suite, test.outcome, count(test.inputs)]
    own = known.get(test.nodeid)
    if own is not None:
        cells += [count(own.covers), count(own.only), count(own.adds)]
    elif contexts:
        cells += ["-"] * 3
    return (*cells, test.cause)


def notes(report: Report) -> Html:
    """Return remarks, what was not counted, settings that were set, versions."""
    said = report.remarks or tuple(base.notes(report))
    changed = [row for row in report.settings if row.origin != "default"]
    return part(
        "Notes, settings, versions", "notes",
        bullets([*said, f"not counted: {excluded(report.exclusions)}"]),
        el("details", el("summary", "Settings that were set"),
           table(("setting", "value", "from"), [(r.name, r.value, r.origin) for r in changed])),
        el("details", el("summary", "Model, reference, profile, versions"),
           pairs(_identity(report))),
    )  # fmt: skip


def _identity(report: Report) -> list[tuple[str, Content]]:
    return [
        ("model", f"{report.model.spec} ({report.model.type}), {report.model.fingerprint}"),
        ("reference", f"{report.reference.descriptor}, {report.reference.fingerprint}"),
        ("profile", report.profile.fingerprint),
        ("made", f"{report.created} by pytest-deepimportance {report.version}"),
        *report.environment.items(),
    ]


def part(title: str, anchor: str, *content: Content) -> Html:
    """Return a section under a heading that can be linked to."""
    return Html("\n" + el("section", el("h2", title), *content, id=anchor) + "\n")
