"""The HTML page: whole, self-contained, escaped, and with the numbers of the report."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import re
from html.parser import HTMLParser

import pytest

from pytest_deepimportance.contributions import Contribution, Contributions
from pytest_deepimportance.exercise import GrowthPoint
from pytest_deepimportance.pictures import Picture, Pictures
from pytest_deepimportance.reporting.html_page import charts
from pytest_deepimportance.reporting.html_page.page import render
from pytest_deepimportance.results import Report
from tests.reporting import samples
from tests.reporting.criteria_samples import EVERY
from tests.reporting.test_report_types import nasty

VOID = {"meta", "input", "br", "link", "img"}


class Page(HTMLParser):
    """Reads a page and notes what is open, linked and named."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("href", "src", "action"):
                self.links.append(value or "")
            if name.startswith("on"):
                self.wrong.append(name)
            if name == "id":
                self.ids.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("name", EVERY)
def test_every_situation_gives_a_whole_page_that_loads_nothing(name: str) -> None:
    text = render(EVERY[name]())
    page = Page(text)
    assert page.open == page.wrong == []
    assert page.links == ["#main"]
    assert "http://" not in text.replace("http-equiv", "")
    assert "https://" not in text
    assert text == render(EVERY[name]())


def test_only_the_pages_own_script_may_run() -> None:
    text = render([nasty()])
    page = Page(text)
    assert page.tags.count("script") == 1
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in text
    assert "default-src &#x27;none&#x27;" in text
    assert "<b>@team" not in text
    assert "&lt;b&gt;@team&lt;/b&gt;" in text


def test_the_first_screen_says_verdict_numbers_and_classes() -> None:
    text = " ".join(Page(render([samples.failing()])).text)
    assert "Gate failed (2 of 2 thresholds)" in text
    assert "106 of 576 combinations of clusters are covered" in text
    assert "25.6 %" in text  # unseen
    weakest = text.index("Share by class")
    assert text.index("15.8 %", weakest) < text.index("17.8 %", weakest)
    assert "2,006 reference inputs" in text
    assert "It does not measure" in text


def test_nothing_recorded_is_said_with_the_tests_causes() -> None:
    text = " ".join(Page(render([samples.nothing_recorded()])).text)
    assert "Nothing was recorded: the list of tests says why." in text
    assert "no forward pass of a model happened" in text


def test_tests_stand_by_what_they_add_where_contexts_are_on() -> None:
    report = samples.passing()
    tests = tuple(
        samples.TestRow(f"tests/test_a.py::test_{name}", "clean", "passed", 1, 10, "")
        for name in "abc"
    )
    found = Contributions(
        ("IDC",), (), 9, 6,
        (
            Contribution(tests[0].nodeid, "clean", 10, 3, 0),
            Contribution(tests[1].nodeid, "clean", 10, 6, 4, 1, 6),
        ),
    )  # fmt: skip
    text = render([dataclasses.replace(report, tests=tests, contributions=found)])
    body = text[text.index('id="tests"') :]
    assert body.index("test_b<") < body.index("test_a<")
    assert ">only this test<" in body
    assert "1 test of 2 cover all that all cover" in body
    for row in re.findall(r"<tr>(<td.*?)</tr>", body[: body.index("</section>")]):
        assert row.count("<td") == 8


def points(inputs: int, band: bool = True) -> tuple[GrowthPoint, ...]:
    return tuple(
        GrowthPoint(n, n // 2, n // 3, n / 2, n // 4, n) if band else GrowthPoint(n, n // 2, n // 3)
        for n in range(1, inputs + 1)
    )


@pytest.mark.parametrize("inputs", [1, 2, 7, 24])
@pytest.mark.parametrize("band", [True, False])
@pytest.mark.parametrize("reach", [None, 0, 5, 10_000])
def test_the_curve_stays_inside_the_picture(inputs: int, band: bool, reach: int | None) -> None:
    text = charts.growth(points(inputs, band), reach, 10**30)
    assert Page(text).open == Page(text).wrong == []
    assert ('class="band"' in text) == (band and inputs > 1)
    places = [
        tuple(map(float, pair.split(",")))
        for group in re.findall(r'points="([^"]*)"', text)
        for pair in group.split()
    ]
    assert places
    assert all(0 <= x <= 640 and 0 <= y <= 300 for x, y in places)
    curve = re.findall(r'class="curve" points="([^"]*)"', text)[0].split()
    heights = [float(pair.split(",")[1]) for pair in curve]
    assert heights == sorted(heights, reverse=True)
    assert len(re.findall("<tr>", text)) == inputs + 1


@pytest.mark.parametrize("most", [0, 1, 3, 9, 10, 43, 99, 996, 10_000, 123_456])
def test_ticks_are_few_and_round(most: int) -> None:
    ticks = charts._ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] <= most
    assert len(ticks) <= 6
    assert len(ticks) >= min(most, 2)
    steps = {b - a for a, b in itertools.pairwise(ticks)}
    assert len(steps) <= 1
    assert all(str(step).strip("0") in ("1", "2", "5") for step in steps)


def pictured(number: int, opened: int, **changes: object) -> Report:
    picture = Picture(b"PNG", "tests/<b>.py::test_a", 1234, "7", "1", (0, 2, 1), 1, -0.5, 2.25)
    picture = dataclasses.replace(picture, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(samples.passing(), pictures=Pictures(opened, (picture,) * number))


def test_pictures_stand_with_what_they_are_in_words() -> None:
    text = render([pictured(14, 60)])
    page = Page(text)
    assert page.open == page.wrong == []
    assert page.links == ["#main", *["data:image/png;base64,UE5H"] * 14]
    assert "img-src data:" in text
    said = " ".join(page.text)
    assert "14 of 60 inputs, the first that showed a combination which no input before" in said
    assert "smallest and the largest value of that image" in said
    for words in ("predicted 7", "label 1 (wrong)", "clusters 0 2 1", "row 1,234", "2 more"):
        assert words in said
    assert "1 reference input too" in said
    assert "black -0.500, white 2.25" in said
    assert 'alt="tests/&lt;b&gt;.py::test_a, row 1,234: predicted 7, label 1 (wrong)"' in text


def test_pictures_of_what_is_not_known_say_so() -> None:
    report = pictured(2, 2, predicted=None, label=None, reference_rows=0, low=0.0, high=1.0)
    said = " ".join(Page(render([report])).text)
    assert "2 inputs that showed a combination" in said
    assert "no class" in said
    assert "no reference input" in said
    for words in ("label", "wrong", "brightness", "more", "white"):
        assert words not in said[said.index("Inputs that opened") : said.index("row 1,234")]


def test_pictures_are_no_part_of_the_json_report() -> None:
    report = pictured(1, 1)
    plain = dataclasses.replace(report, pictures=None)
    assert report.to_json() == plain.to_json()
    assert Report.from_json(report.to_json()) == plain


def test_without_pictures_there_is_no_section() -> None:
    assert 'id="pictures"' not in render([samples.passing()])


@pytest.mark.parametrize(("ceiling", "said"), [(0.25, True), (1.0, False)])
def test_a_limit_by_the_number_of_inputs_is_said_in_words(ceiling: float, said: bool) -> None:
    report = samples.passing()
    row = report.total.criteria["IDC"]
    row = dataclasses.replace(row, inputs=9, details={**row.details, "ceiling": ceiling})
    total = dataclasses.replace(report.total, criteria={**report.total.criteria, "IDC": row})
    text = " ".join(Page(render([dataclasses.replace(report, total=total)])).text)
    assert ("9 inputs can cover 25.0 % at most" in text) == said
    assert "ceiling" not in text
