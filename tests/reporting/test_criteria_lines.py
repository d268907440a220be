from __future__ import annotations

import dataclasses

import pytest

from pytest_deepimportance.reporting import criteria_lines, measured
from pytest_deepimportance.reporting.terminal import render
from pytest_deepimportance.reporting.text import cell_len
from pytest_deepimportance.results import CriterionRow, Report, SuiteResult
from tests.reporting import samples
from tests.reporting.criteria_samples import (
    LAYERS,
    NEURONS,
    bits,
    counts,
    everything,
    one_beside,
    surprise,
    without_idc,
)


def also(report: Report, width: int = 80, most: int = 9) -> list[str]:
    section = criteria_lines.also(report, width, ())
    return [line.plain for line in section.build(min(most, section.most))]


def details(report: Report, width: int = 80) -> list[str]:
    return [line.plain for line in criteria_lines.details(report, width).build(1)]


def test_numbers_stand_in_columns() -> None:
    one, two = also(everything())
    assert one.startswith("also   NC 59.7%  KMNC 37.3%*")
    assert two.startswith("       CC 219    LSC 12.3%    DSC 20.1%*")
    starts = [one.index(name) for name in ("NC", "KMNC", "NBC", "SNAC", "TKNC")]
    assert starts == [two.index(name) for name in ("CC", "LSC", "DSC", "MDSC", "NLC")]


@pytest.mark.parametrize("width", [60, 72, 80, 120, 200])
def test_every_number_is_there_once_and_fits(width: int) -> None:
    lines = also(everything(), width)
    assert all(cell_len(line) <= width for line in lines)
    names = ["NC", "KMNC", "NBC", "SNAC", "TKNC", "TKNP", "CC", "LSC", "DSC", "MDSC", "NLC"]
    assert " ".join(lines).replace("also", "").split()[::2] == names


def test_a_crowded_screen_says_that_there_are_more() -> None:
    (line,) = also(everything(), most=1)
    assert line.endswith("TKNP 412  ...")


def test_one_criterion_beside_idc_is_one_line_and_none_is_no_line() -> None:
    assert also(one_beside()) == ["also   TKNP 412"]
    assert criteria_lines.also(samples.passing(), 80, ()).most == 0
    assert not any(line.startswith("also") for line in render([samples.passing()]))


def test_what_is_not_judged_is_a_dash_without_a_mark() -> None:
    rows = [surprise("LSC", 0, judged=False), CriterionRow("SNAC", "ratio", 0, 0)]
    assert also(without_idc(rows)) == ["also   LSC -  SNAC -"]


def test_a_criterion_of_the_user_keeps_its_unit() -> None:
    rows = [
        CriterionRow("MINE", "ratio", 1, 1),
        CriterionRow("a name that is far too long for a column", "float", -2.5),
    ]
    assert also(without_idc(rows)) == ["also   MINE 100.0%  a name th...a column -2.50"]


def test_the_long_table_has_items_layers_and_suites() -> None:
    head, *rows = details(everything())
    assert head.split() == ["criterion", "TOTAL", "covered", "layers", "clean", "shifted"]
    cells = {row.split()[0]: row.split()[1:] for row in rows}
    assert cells["KMNC"] == ["37.3%*", "87,975", "of", "236,000", "5", "33.5%", "26.1%"]
    assert cells["TKNP"] == ["412", "-", "-", "371", "288"]
    assert cells["DSC"] == ["20.1%*", "201", "of", "1,000", "1", "18.1%", "14.1%"]
    assert cells["NLC"] == ["1.62", "-", "5", "1.45", "1.13"]


def test_suites_that_do_not_fit_stand_below() -> None:
    report = everything()
    many = tuple(dataclasses.replace(report.suites[0], name=f"night {at}") for at in range(9))
    lines = details(dataclasses.replace(report, suites=many), 60)
    assert all(cell_len(line) <= 60 for line in lines)
    heads = [line.split("  ") for line in lines if line.startswith("criterion")]
    named = [title.strip() for head in heads for title in head if title.strip().startswith("night")]
    assert named == [f"night {at}" for at in range(9)]
    rows = [line.split() for line in lines if line.startswith("KMNC")]
    assert [row[-1] for row in rows] == ["33.5%"] * len(heads)


def test_a_single_suite_has_no_column_of_its_own() -> None:
    assert details(one_beside())[0].split() == ["criterion", "TOTAL", "covered", "layers"]
    assert details(samples.passing()) == []


def test_layers_measured_without_idc() -> None:
    assert measured.without_importance(without_idc(bits("NC"))) == "all layers (236 neurons)"
    assert measured.without_importance(without_idc(counts()[:1])) == "all layers (236 neurons)"
    only = without_idc([surprise("LSC", 5)])
    assert measured.without_importance(only) == "layer fc2 (84 neurons), after relu4"
    one = [row for row in bits("NC") if row.layer in (None, "fc3")]
    assert measured.without_importance(without_idc(one)) == "layer fc3 (10 neurons)"
    two = [row for row in bits("NC") if row.layer in (None, "fc2", "fc3")]
    assert measured.without_importance(without_idc(two)) == "2 layers (94 neurons)"
    unsaid = dataclasses.replace(without_idc(bits("NC")), settings=())
    assert measured.without_importance(unsaid) == "5 layers (236 neurons)"


def test_layers_of_a_row_come_lowest_first() -> None:
    suite = SuiteResult("TOTAL", 1, 9, 9, 9, 9, {row.key: row for row in bits("NC")})
    assert [row.layer for row in measured.layer_rows(suite, "NC")][:2] == ["conv2", "fc1"]
    assert measured.layers_of(suite, "NC") == list(NEURONS) == [row.name for row in LAYERS]
    assert measured.layer_rows(suite, "KMNC") == []
