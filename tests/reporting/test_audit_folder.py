"""The folder of an audit bundle: what it leaves alone, and the script that makes it again."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.provenance import SettingRow
from pytest_deepimportance.reporting import json_report
from pytest_deepimportance.reporting.audit.reproduce import Invocation, script
from pytest_deepimportance.reporting.destinations import destinations
from tests.reporting import samples
from tests.reporting.test_audit import NAMES, hostile, write


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
    for wrong, said in (
        ("audit", r"audit needs a place\nWrite audit:DIR"),
        ("audit:", r"nothing stands after the colon\nWrite audit:DIR"),
        ("json:", r"Write json:PATH"),
        ("term:x", r"term goes to the screen and takes no place\nWrite term$"),
        ("github:", r"Write github or github:PATH"),
        ("pdf:x", r"no report type 'pdf' here\nWrite term, or term-missing, or json"),
    ):
        with pytest.raises(ReportError, match=said):
            destinations([wrong], "--idc-report")
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        ReportError, match=r"folder is a folder, not a file\nName a file in it: csv:"
    ):
        destinations([f"csv:{tmp_path / 'folder'}"], "--idc-report")
    with pytest.raises(
        ReportError, match=r"type 'audit' here\nWrite json:PATH, such as json:idc\.json$"
    ):
        destinations(["audit:b"], "--report", ["json"])
    for inside in ("json:out/a.json", "json:out", "audit:out/x", "audit:out/../out"):
        with pytest.raises(ReportError, match="lies in the folder of --idc-report=audit:out"):
            destinations([inside, "audit:out"], "--idc-report")
