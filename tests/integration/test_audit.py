"""`--idc-report=audit:DIR`: a folder that can be signed, and made again."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.integration.conftest import Project
from tests.reporting.test_audit import NAMES

TESTS = """
    import pytest
    from net import points

    @pytest.mark.idc_suite("<b>fog", requirement="ML-REQ-12", fail_under="IDC=0.01", reason="agreed")
    def test_fog(idc):
        x, y = points(30, seed=3)
        idc(x, labels=y)
        with idc.paused():
            idc(x)

    @pytest.mark.idc_suite("rain")
    def test_rain(idc):
        idc(points(30, seed=5)[0])
"""


@pytest.fixture
def audited(project: Project) -> Project:
    project.write("test_it.py", TESTS)
    return project


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def without_dates(files: dict[str, bytes]) -> dict[str, str]:
    """Replace dates; what is left of the list of hashes are the names."""
    texts = {name: files[name].decode() for name in files}
    created = json.loads(texts["report.json"])["reports"][0]["created"]
    texts["SHA256SUMS"] = re.sub(r"^\w+ ", "", texts["SHA256SUMS"], flags=re.MULTILINE)
    return {
        name: text.replace(created, "DATE").replace(created[:10], "DAY")
        for name, text in texts.items()
    }


def test_a_rerun_makes_the_same_bytes_but_for_dates(
    audited: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run takes its profile from the cache and replaces the folder of the first."""
    folder = audited.path / "audit"
    runs = []
    for epoch in ("1700000000", "1711111111", "1711111111"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        audited.run("--idc-report=audit:audit").assert_outcomes(passed=2)
        runs.append(content(folder))
    assert set(runs[0]) == NAMES
    assert audited.report()["profile"]["origin"] == "cached"
    assert runs[0] != runs[1]
    assert without_dates(runs[0]) == without_dates(runs[1])
    assert runs[1] == runs[2]


def test_workers_make_the_same_page(audited: Project) -> None:
    pages = []
    for workers in ((), ("-n", "1")):
        shutil.rmtree(audited.path / "audit", ignore_errors=True)
        audited.run("--idc-report=audit:audit", *workers).assert_outcomes(passed=2)
        pages.append(without_dates(content(audited.path / "audit"))["audit.html"])
    plain, parallel = (re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL) for text in pages)
    assert plain == parallel


def test_what_the_page_says(audited: Project) -> None:
    audited.run("--idc-report=audit:audit", "--idc-fail-under=share=0.01")
    text = (audited.path / "audit" / "audit.html").read_text(encoding="utf-8")
    report = audited.report()
    for digest in (
        report["model"]["fingerprint"],
        report["profile"]["fingerprint"],
        report["reference"]["fingerprint"],
        *(suite["inputs_digest"] for suite in report["suites"]),
    ):
        assert f'<span class="hash">{digest}</span>' in text
    for setting in report["settings"]:
        assert f"<td>{setting['name']}</td>" in text
    assert "<b>fog" not in text
    assert "<td>ML-REQ-12</td><td>&lt;b&gt;fog</td>" in text
    assert "suite rain is traced to no requirement" in text
    assert "<td>agreed</td>" in text
    assert "<em>no reason given</em>" in text
    assert '<td class="number">1</td><td>paused passes</td>' in text
    assert "<td>m</td><td>6</td><td>auto</td><td>default</td>" in text
    saved = json.loads((audited.path / "audit" / "report.json").read_text())["reports"]
    assert saved[0]["requirements"] == report["requirements"] != []


def test_a_folder_of_something_else_is_refused_before_any_test_runs(audited: Project) -> None:
    audited.write("papers/thesis.tex", "years of work")
    result = audited.run("--idc-report=audit:papers")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert "audit:papers holds thesis.tex" in text
    assert "nothing is deleted that it did not write" in text
    assert [path.name for path in (audited.path / "papers").iterdir()] == ["thesis.tex"]


def test_a_folder_that_fills_during_the_run_is_left_alone(audited: Project) -> None:
    audited.write(
        "test_more.py",
        "from pathlib import Path\ndef test_a(): Path('audit').mkdir(), Path('audit/x').touch()\n",
    )
    result = audited.run("--idc-report=audit:audit")
    result.assert_outcomes(passed=3)
    assert "report audit:audit was not written: audit:audit holds x" in result.stdout.str()
    assert [path.name for path in (audited.path / "audit").iterdir()] == ["x"]


def test_several_reports_from_the_ini_file(audited: Project) -> None:
    audited.ini("idc_report =", "    json:here.json", "    audit:audit")
    audited.pytester.runpytest_inprocess().assert_outcomes(passed=2)
    assert (audited.path / "here.json").exists()
    assert set(content(audited.path / "audit")) == NAMES
