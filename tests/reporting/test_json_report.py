from __future__ import annotations

import dataclasses
import json
import os
import re
import stat
import typing
from pathlib import Path
from typing import Any

import pytest

from pytest_deepimportance.criteria.base import create
from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.reporting import json_report
from pytest_deepimportance.results import FORMAT, CriterionRow, Report
from pytest_deepimportance.settings import from_keywords
from pytest_deepimportance.thresholds import MEASURED
from tests.contract.provided import REFERENCE, provided
from tests.reporting import samples
from tests.reporting.criteria_samples import EVERY, everything

DOCS = Path(__file__).parents[2] / "docs" / "json-report.md"


@pytest.mark.parametrize("name", EVERY)
def test_round_trip_and_equal_bytes(name: str, tmp_path: Path) -> None:
    reports = EVERY[name]()
    path = json_report.write(reports, tmp_path / "idc.json")
    assert json_report.load(path) == tuple(reports)
    assert json_report.dump(json_report.load(path)) == path.read_text(encoding="utf-8")
    assert json_report.dump(EVERY[name]()) == json_report.dump(reports)


def test_top_level() -> None:
    content = json.loads(json_report.dump([samples.passing()]))
    assert content["schema"] == "deepimportance-report"
    assert content["format"] == FORMAT
    assert content["reports"][0]["total"]["criteria"]["IDC"]["covered"] == 176
    assert json.loads(json_report.dump([]))["reports"] == []


def test_keys_are_sorted_and_lines_end_with_one_newline() -> None:
    text = json_report.dump([samples.passing()])
    pairs: list[list[str]] = []
    json.loads(text, object_pairs_hook=lambda items: pairs.append([key for key, _ in items]))
    assert all(keys == sorted(keys) for keys in pairs)
    assert text.endswith("}\n")


def test_there_is_no_nan(tmp_path: Path) -> None:
    report = samples.passing()
    report = dataclasses.replace(
        report,
        profile=samples.profile(
            importance=dataclasses.replace(
                report.profile.importance, balance=float("nan"), input_share=float("-inf")
            )
        ),
    )
    text = json_report.dump([report])
    assert "NaN" not in text
    assert "Infinity" not in text
    (again,) = json_report.load(json_report.write([report], tmp_path / "r.json"))
    assert (again.profile.importance.balance, again.profile.importance.input_share) == (None, None)


def test_a_number_that_is_not_finite_is_0_and_not_judged(tmp_path: Path) -> None:
    report = everything()
    bad = CriterionRow("NLC", "float", float("inf"))
    total = dataclasses.replace(report.total, criteria={**report.criteria, "NLC": bad})
    report = dataclasses.replace(report, total=total)
    (again,) = json_report.load(json_report.write([report], tmp_path / "r.json"))
    row = again.criteria["NLC"]
    assert (row.covered, row.judged, row.details["not_finite"]) == (0, False, "inf")
    assert again == report


def test_whole_numbers_longer_than_python_prints_are_text(tmp_path: Path) -> None:
    row = CriterionRow("TKNP", "count", 7, details={"possible_patterns": 4**10_000})
    total = dataclasses.replace(samples.passing().total, criteria={"TKNP": row})
    report = dataclasses.replace(samples.passing(), total=total)
    (again,) = json_report.load(json_report.write([report], tmp_path / "r.json"))
    assert again.criteria["TKNP"].details == {"possible_patterns": "3.98e6020"}


def test_names_in_any_script_survive(tmp_path: Path) -> None:
    report = dataclasses.replace(samples.passing(), notes=("猫 \x1b \u2028 Überfall",))
    (again,) = json_report.load(json_report.write([report], tmp_path / "r.json"))
    assert again.notes == report.notes


def test_folders_are_made_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "idc.json"
    json_report.write([samples.passing()], path)
    json_report.write([samples.failing()], path)
    assert [item.name for item in path.parent.iterdir()] == ["idc.json"]
    assert json_report.load(path) == (samples.failing(),)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_file_has_ordinary_permissions(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.touch()
    path = json_report.write([samples.passing()], tmp_path / "idc.json")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = json_report.write([samples.passing()], tmp_path / "idc.json")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ReportError, match="No space left"):
        json_report.write([samples.failing()], path)
    assert json_report.load(path) == (samples.passing(),)
    assert [item.name for item in tmp_path.iterdir()] == ["idc.json"]


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="cannot be written"):
        json_report.write([], tmp_path / "file" / "idc.json")
    with pytest.raises(ReportError, match="cannot be written"):
        json_report.write([], tmp_path)
    with pytest.raises(ReportError, match="cannot be written"):
        json_report.write([], "")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("{", "not a JSON file"),
        ("[]", "not a report"),
        ('{"schema": "other"}', "not a report"),
        ('{"schema": "deepimportance-report", "format": 1, "reports": []}', "report format 1, this version reads 2"),
        ('{"schema": "deepimportance-report", "format": 2}', "damaged"),
        ('{"schema": "deepimportance-report", "format": 2, "reports": [{"format": 2}]}', "damaged"),
        ('{"schema": "deepimportance-report", "format": 2, "reports": [7]}', "damaged"),
        ('{"schema": "deepimportance-report", "format": 2, "reports": 7}', "damaged"),
    ],
)  # fmt: skip
def test_other_files_are_refused(content: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "idc.json"
    path.write_text(content)
    with pytest.raises(ReportError, match=what):
        json_report.load(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "idc.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReportError, match="not a JSON file"):
        json_report.load(path)


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be read"):
        json_report.load(tmp_path / "nothing.json")


def test_unknown_and_missing_fields_are_named(tmp_path: Path) -> None:
    content = json.loads(json_report.dump([samples.passing()]))
    content["reports"][0]["model"]["surprise"] = 1
    path = tmp_path / "idc.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ReportError, match="surprise"):
        json_report.load(path)


def documented() -> dict[str, set[str]]:
    sections = re.split(r"^### ", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        section.split()[0]: set(
            re.findall(r"^\| `(\w+)` \|", section.split("\n## ")[0], re.MULTILINE)
        )
        for section in sections
    }


def dataclasses_of(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    if dataclasses.is_dataclass(kind) and kind.__name__ not in found:  # type: ignore[union-attr]
        found[kind.__name__] = kind  # type: ignore[union-attr]
        for hint in typing.get_type_hints(kind).values():
            dataclasses_of(hint, found)
    for argument in typing.get_args(kind):
        dataclasses_of(argument, found)
    return found


def test_every_field_is_documented_and_no_other() -> None:
    expected = {
        name: {field.name for field in dataclasses.fields(kind)}
        for name, kind in dataclasses_of(Report, {}).items()
    }
    expected["Report"] |= {"format"}
    # Pictures of inputs are for the HTML page only.
    expected["Report"] -= {"pictures"}
    del expected["Pictures"], expected["Picture"]
    assert documented() == expected
    assert expected["Report"] == set(samples.passing().to_json())


def documented_details() -> dict[str, dict[str, set[str]]]:
    """Keys of the details table by criterion and kind of row."""
    text = DOCS.read_text(encoding="utf-8").split("## Details of the other criteria")[1]
    found: dict[str, dict[str, set[str]]] = {}
    for names, rows, key in re.findall(
        r"^\| ([A-Z, ]+) \| (\w+) \| `(\w+)` \|", text, re.MULTILINE
    ):
        for name in names.split(", "):
            kinds = found.setdefault(name, {"first": set(), "all": set()})
            if rows != "layers":
                kinds["first"].add(key)
            if rows != "first":
                kinds["all"].add(key)
    return found


def test_every_detail_of_the_other_criteria_is_documented_and_no_other() -> None:
    table = documented_details()
    assert set(table) == set(MEASURED) - {"IDC"}
    for name, kinds in table.items():
        values = from_keywords(surprise_values=name.endswith("SC"))
        criterion = create(name, provided("layer"), values)
        part = REFERENCE.layers.copy()
        part.pop("conv")  # so that a layer is not visited
        criterion.update(dataclasses.replace(REFERENCE, layers=part))
        first, *rows = criterion.compute()
        assert set(first.details) == kinds["first"], name
        for row in rows:
            assert set(row.details) == kinds["all"], name


def test_the_history_ends_with_this_format() -> None:
    history = DOCS.read_text(encoding="utf-8").split("## History")[1].split("\n## ")[0]
    numbers = re.findall(r"^\| (\d+) \|", history, re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, FORMAT + 1))


def test_links_of_the_page_lead_somewhere() -> None:
    text = DOCS.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines() if line.startswith("#")
    }  # fmt: skip
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings
