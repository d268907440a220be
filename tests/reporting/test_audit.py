"""The audit bundle: what it says, what it never says, and what it leaves alone."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.provenance import Exclusions, SettingRow, TestRow
from pytest_deepimportance.reporting import json_report
from pytest_deepimportance.reporting.audit import bundle
from pytest_deepimportance.reporting.audit.deviations import deviations
from pytest_deepimportance.reporting.audit.open_items import open_items
from pytest_deepimportance.reporting.audit.reproduce import Invocation, script
from pytest_deepimportance.reporting.destinations import destinations
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


def test_the_script_types_what_was_typed(tmp_path: Path) -> None:
    """A shell reads the command line back exactly, whatever stands in it."""
    given = (
        "python",
        "-m",
        "pytest",
        "-k",
        "$(touch x); 'a' \"b\"\n# c",
        "--idc-report=audit:my dir",
    )
    text = script([hostile()], Invocation(given, tmp_path / "it's\nrm -rf x"))
    (command,) = re.findall(r"# The command line of the run\n(.*)\Z", text, re.DOTALL)
    shell = f"set -- {command.rstrip()}\nprintf '%s\\0' \"$@\""
    out = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert out.split("\0")[:-1] == list(given)
    dry = text.replace("python -m", ": -m").replace("sha256sum", ": sha256sum")
    subprocess.run(["sh", "-eu", "-c", dry], cwd=tmp_path, check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []


def test_the_script_pins_versions_and_checks_the_files_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "net.idc").write_bytes(b"profile")
    report = samples.passing(
        settings=(SettingRow("profile", "net.idc", "ini"), SettingRow("model", "net:Net", "ini")),
        environment={"python": "3.11.7", "torch": "2.9.0+cpu", "numpy": "2.1.0", "device": "cpu"},
    )
    text = script([report], Invocation(("python",), tmp_path))
    pins = re.search(r"pip install \\\n(.*?)\n\n", text, re.DOTALL)
    assert pins is not None
    assert [line.strip(" \\") for line in pins[1].splitlines()] == [
        "--extra-index-url https://download.pytorch.org/whl/cpu",
        "pytest-deepimportance==0.1.0",
        "torch==2.9.0+cpu",
        "numpy==2.1.0",
    ]
    assert f"{hashlib.sha256(b'profile').hexdigest()}  net.idc" in text
    assert report.profile.fingerprint in text
    only = text.split("# Files of the run\n")[1].split("# The command")[0]
    subprocess.run(["sh", "-eu", "-c", only], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "net.idc").write_bytes(b"another")
    assert subprocess.run(["sh", "-c", only], cwd=tmp_path, capture_output=True).returncode


def test_a_name_that_is_no_utf8_is_written_all_the_same(tmp_path: Path) -> None:
    test = TestRow("t.py::test[\udcff]", "clean", "passed", 1, 1)
    folder = write([samples.passing(tests=(test,))], tmp_path / "audit")
    assert "t.py::test[?]" in (folder / "audit.html").read_text(encoding="utf-8")
    (saved,) = json_report.load(folder / "report.json")
    assert saved.tests == (test,)


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ReportError, match=r"thesis\.tex, which is no file of an audit bundle"):
        write([samples.passing()], folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_report_that_happens_to_have_our_name_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "report.json").write_text("{}")
    with pytest.raises(ReportError, match="SHA256SUMS is not as SHA256SUMS there says"):
        write([samples.passing()], folder)
    assert (folder / "report.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["audit.html", "report.json", "reproduce.sh"])
def test_a_bundle_that_was_changed_is_left_alone(name: str, tmp_path: Path) -> None:
    folder = write([samples.passing()], tmp_path / "audit")
    signed = (folder / name).read_text() + "signed: A. Person\n"
    (folder / name).write_text(signed)
    with pytest.raises(ReportError, match=f"{name} is not as SHA256SUMS"):
        write([samples.failing()], folder)
    assert (folder / name).read_text() == signed
    (folder / name).unlink()
    with pytest.raises(ReportError, match=f"{name} is not as SHA256SUMS"):
        write([samples.failing()], folder)


def test_a_bundle_is_replaced_as_a_whole_also_through_a_link(tmp_path: Path) -> None:
    write([samples.passing()], tmp_path / "audit")
    (tmp_path / "link").symlink_to("audit")
    write([samples.failing()], tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    (saved,) = json_report.load(tmp_path / "audit" / "report.json")
    assert saved.total == samples.failing().total
    assert {path.name for path in tmp_path.iterdir()} == {"audit", "link"}
    assert {path.name for path in (tmp_path / "audit").iterdir()} == NAMES


def test_an_empty_folder_is_taken_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write([samples.passing()], tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReportError, match="is not a folder"):
        write([samples.passing()], tmp_path / "file")
    with pytest.raises(ReportError, match="cannot be written to"):
        write([samples.passing()], tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "x"


def test_destinations(tmp_path: Path) -> None:
    found = destinations(["json:a.json", "audit:b", "json:c.json"], "--idc-report")
    assert list(map(str, found)) == ["json:a.json", "audit:b", "json:c.json"]
    for wrong in ("audit", "audit:", "html:x", "json:"):
        with pytest.raises(ReportError, match=r"json:PATH.*audit:DIR"):
            destinations([wrong], "--idc-report")
    with pytest.raises(ReportError, match=r"=audit:b: write json:PATH, such as json:idc\.json$"):
        destinations(["audit:b"], "--report", ["json"])
    for inside in ("json:out/a.json", "json:out", "audit:out/x", "audit:out/../out"):
        with pytest.raises(ReportError, match="lies in the folder of --idc-report=audit:out"):
            destinations([inside, "audit:out"], "--idc-report")


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
