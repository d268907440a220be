"""The audit bundle: what it says, what it never says, and what it leaves alone."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_deepimportance.provenance import Exclusions, SettingRow, TestRow
from pytest_deepimportance.reporting import json_report
from pytest_deepimportance.reporting.audit import bundle
from pytest_deepimportance.reporting.audit.deviations import deviations
from pytest_deepimportance.reporting.audit.open_items import open_items
from pytest_deepimportance.reporting.audit.reproduce import Invocation
from pytest_deepimportance.results import Report
from pytest_deepimportance.setting import shown
from pytest_deepimportance.settings import TABLE, from_keywords
from pytest_deepimportance.traceability import requirement_rows
from tests.reporting import criteria_samples, samples

HOSTILE = '<img src=x onerror="alert(1)">&\'</style></td>\u202e\x1b[2J'
NAMES = {"audit.html", "report.json", "reproduce.sh", "SHA256SUMS"}
CLAIMS = re.compile(r"\b(adequa\w*|safe|safely|safety|complete\w*)\b", re.IGNORECASE)
STARTED = Invocation(("python", "-m", "pytest", "-q"), Path("/home/u/project"))


def write(reports: list[Report], target: Path) -> Path:
    return bundle.write(reports, target, STARTED)


def page(reports: list[Report], folder: Path) -> str:
    return (write(reports, folder / "audit") / "audit.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every element of a page; complains about one that is not closed where it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("name", samples.ALL)
def test_every_kind_of_report_becomes_a_page_that_stands_by_itself(
    name: str, tmp_path: Path
) -> None:
    text = page(samples.ALL[name](), tmp_path)
    found = Elements(text)
    assert not {"script", "link", "img", "iframe"} & found.names
    assert not {"src", "href", "onload"} & found.attributes
    assert "url(" not in text
    assert not CLAIMS.search(" ".join(found.text)), CLAIMS.search(" ".join(found.text))


def test_the_bundle_is_four_files_and_the_hashes_hold(tmp_path: Path) -> None:
    reports = samples.two_models()
    folder = write(reports, tmp_path / "deep" / "audit")
    assert {path.name for path in folder.iterdir()} == NAMES
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == sorted(NAMES - {"SHA256SUMS"})
    for line in lines:
        expected, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected
    saved = json_report.load(folder / "report.json")
    assert [report.model for report in saved] == [report.model for report in reports]
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert [path.name for path in folder.parent.iterdir()] == ["audit"]


def test_the_bundle_of_a_cached_profile_is_that_of_a_built_one(tmp_path: Path) -> None:
    cached = samples.passing()
    built = samples.passing(profile=samples.profile(origin="built"))
    assert cached.profile.origin == "cached"
    for name in sorted(NAMES):
        one, two = (write([r], tmp_path / r.profile.origin) / name for r in (cached, built))
        assert one.read_bytes() == two.read_bytes(), name


def hostile() -> Report:
    base = samples.failing([f"{HOSTILE}/IDC=0.29", "IDC=0.1 # " + HOSTILE])
    suite = dataclasses.replace(base.suites[0], name=HOSTILE)
    return dataclasses.replace(
        base,
        suites=(suite,),
        created=HOSTILE,
        version=HOSTILE,
        model=dataclasses.replace(base.model, spec=HOSTILE, fingerprint=HOSTILE, type=HOSTILE),
        reference=samples.reference(descriptor=HOSTILE),
        tests=(TestRow(HOSTILE, HOSTILE, "failed", 1, 1, HOSTILE, (HOSTILE,)),),
        notes=(HOSTILE,),
        settings=(SettingRow("model", HOSTILE, HOSTILE), SettingRow(HOSTILE, HOSTILE, HOSTILE)),
        exclusions=Exclusions(details=(HOSTILE,)),
        environment={HOSTILE: HOSTILE, "python": HOSTILE, "torch": HOSTILE},
    )


def test_whatever_a_user_may_name_is_shown_and_does_nothing(tmp_path: Path) -> None:
    report = hostile()
    report = dataclasses.replace(report, requirements=requirement_rows(report))
    text = page([report], tmp_path)
    harmless = page([samples.failing()], tmp_path)
    found, usual = Elements(text), Elements(harmless)
    assert "img" not in found.names
    assert found.attributes <= usual.attributes
    assert text.count("</style>") == 1
    assert "\x1b" not in text
    assert "\u202e" not in text
    shown_name = '<img src=x onerror="alert(1)">&\'</style></td>'
    assert sum(shown_name in data for data in found.text) > 20


def test_a_name_that_is_no_utf8_is_written_all_the_same(tmp_path: Path) -> None:
    test = TestRow("t.py::test[\udcff]", "clean", "passed", 1, 1)
    folder = write([samples.passing(tests=(test,))], tmp_path / "audit")
    assert "t.py::test[?]" in (folder / "audit.html").read_text(encoding="utf-8")
    (saved,) = json_report.load(folder / "report.json")
    assert saved.tests == (test,)


def test_deviations_from_the_paper() -> None:
    def rows(**keywords: object) -> list[tuple[str, str, str]]:
        settings = from_keywords(**keywords)
        listed = tuple(
            SettingRow(name, shown(getattr(settings, name)), settings.origins[name])
            for name in TABLE
        )
        found = deviations(samples.passing(settings=listed))
        return [(item.name, item.paper, item.ours) for item in found]

    assert rows(preset="paper", device="cuda", batch_size=7, report=["json:x"]) == []
    ours = [("m", "6", "auto"), ("lrp_rule", "z", "epsilon"), ("bounds_tolerance", "0.0", "1e-05")]
    assert rows() == ours
    assert rows(preset="paper", k=2, kmnc_sections=10) == [
        ("k", "auto", "2"),
        ("kmnc_sections", "1000", "10"),
    ]


def test_every_kind_of_exclusion_stands_there_with_its_number(tmp_path: Path) -> None:
    kinds = [item.name for item in dataclasses.fields(Exclusions) if item.name != "details"]
    numbers = {name: 7_001 + at for at, name in enumerate(kinds)}
    text = page([samples.passing(exclusions=Exclusions(**numbers, details=("which",)))], tmp_path)
    for number in numbers.values():
        assert f'<td class="number">{number:,}</td>' in text
    assert "<li>which</li>" in text
    aside = dataclasses.replace(samples.passing().suites[0], in_total=False)
    text = page([dataclasses.replace(samples.passing(), suites=(aside,))], tmp_path)
    assert '<td class="number">1</td><td>suites left out of TOTAL (gate=False)</td>' in text
    assert "<li>suite clean</li>" in text
    assert '<td class="number">0</td><td>paused passes</td>' in page(
        [samples.passing(exclusions=Exclusions())], tmp_path
    )


def test_open_items() -> None:
    report = samples.failing(
        ["clean/IDC=0.29 # agreed", "IDC=0.1", "reached=0.99 # why not"],
        tests=(
            TestRow("t::a", "clean", "failed", 1, 1, requirements=("R1",)),
            TestRow("t::b", "clean", "xfailed", 1, 1),
            TestRow("t::c", "other", "skipped", 0, 0, "it was skipped"),
        ),
        notes=("a note",),
    )
    report = dataclasses.replace(report, requirements=requirement_rows(report))
    items = open_items(report)
    assert [kind for kind, _ in items] == [
        "threshold failed", "threshold failed", "no reason given",
        "tests failed", "tests xfailed", "tests skipped", "nothing recorded",
        "no requirement", "no requirement", "note",
    ]  # fmt: skip
    said = dict(items)
    assert said["no reason given"] == "nobody said why IDC=0.1 (suite TOTAL) was set"
    assert said["no requirement"] == "suite other is traced to no requirement"
    assert said["note"] == "a note"


def test_a_threshold_without_a_reason_says_so(tmp_path: Path) -> None:
    text = page([samples.failing(["IDC=0.1"])], tmp_path)
    assert "<em>no reason given</em>" in text
    assert "no reason given" not in page([samples.failing(["IDC=0.1 # agreed"])], tmp_path)
    assert "no threshold was set" in page([samples.passing(gates=[])], tmp_path)


def test_classes_and_layers_the_lowest_first(tmp_path: Path) -> None:
    text = page([samples.failing()], tmp_path)
    first = text.split("Share by class, the lowest first")[1].split("<tbody><tr>")[1]
    assert first.startswith('<td>7</td><td class="number">6,265</td><td class="number">15.8%</td>')
    text = page([samples.layers_and_classes()], tmp_path)
    assert "IDC by layer, the lowest first" in text
    assert "IDC by class, the lowest first" in text
    many = tuple(
        dataclasses.replace(samples.failing().total.classes[0], index=at, name=f"c{at}")
        for at in range(1_000)
    )
    report = samples.failing()
    report = dataclasses.replace(report, total=dataclasses.replace(report.total, classes=many))
    text = page([report], tmp_path)
    assert "Share by class, the lowest 20 of 1,000 (all are in report.json)" in text
    assert "<td>c19</td>" in text
    assert "<td>c20</td>" not in text


def test_criteria_without_idc(tmp_path: Path) -> None:
    text = page([criteria_samples.two_ratios()], tmp_path)
    assert "Importance-Driven Coverage by suite" not in text
    assert "Other criteria by suite" in text
