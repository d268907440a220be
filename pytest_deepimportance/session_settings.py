"""The rows of the table of settings about a session: its gate, its reports, its data file."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_deepimportance.parsing import (
    boolean,
    choice,
    lines,
    lines_or_none,
    path_of_file,
    plain_lines,
    text,
)
from pytest_deepimportance.setting import setting


@dataclass(frozen=True)
class SessionSettings:
    """Settings of what is done with what the tests recorded."""

    count: str = setting(
        "all", choice("all", "passed"), "Which tests count for coverage: all, or those that passed "
        "(a test that fails as its xfail says has not)", metavar="WHICH",
    )  # fmt: skip
    partial: str = setting(
        "fail", choice("fail", "warn"), "When only a part of the marked tests ran: a threshold "
        "that the part does not meet fails the run, or only warns", metavar="HOW",
    )  # fmt: skip
    missing: str = setting(
        "fail", choice("fail", "skip"), "When the model, reference or profile file is absent: "
        "fail, or skip the measurement, and tests that ask for what is absent (fixture idc)",
        metavar="HOW",
    )  # fmt: skip
    fail_under: tuple[str, ...] = setting(
        (), lines_or_none, "Threshold: [SUITE/]NAME[@LAYER][:CLASS]=VALUE, or VALUE for IDC; none: "
        "those of the ini file are not judged",
        metavar="THRESHOLD", native=(list,), many=True,
    )  # fmt: skip
    report: tuple[str, ...] = setting(
        (), plain_lines, "Add a report: term-missing, json:PATH, markdown:PATH, github, junit, "
        "csv:PATH, latex:PATH, html:PATH or audit:DIR (a folder to be signed); "
        "none: those of the ini file are not written",
        metavar="TYPE[:DEST]", native=(list,), many=True,
    )  # fmt: skip
    images: str = setting(
        "auto", choice("auto", "keep", "none"), "Small pictures of inputs that open combinations, "
        "for the HTML page: auto, when this run writes one; keep, also in the data file of a run "
        "that writes none; none, never", metavar="WHEN",
    )  # fmt: skip
    data_file: str = setting(
        "deepimportance.data", text, "File in which what the tests recorded is kept, for "
        "'deepimportance report' and 'combine'; none writes none", metavar="FILE",
    )  # fmt: skip
    append: bool = setting(
        False, boolean, "Add to what the data file holds of earlier sessions, and report all of it",
        native=(bool,),
    )  # fmt: skip
    shard: bool = setting(
        False, boolean, "These tests are a part of the suite: judge no threshold, since "
        "'deepimportance combine' will see all parts", native=(bool,),
    )  # fmt: skip
    context: str = setting(
        "none", choice("none", "test"), "test: report how many items each test covers, which tests "
        "add nothing, and a small subset of them that covers as much", metavar="WHAT",
    )  # fmt: skip
    compare: str | None = setting(
        None, path_of_file, "Data file of an earlier run, such as the main branch, to compare with",
        metavar="FILE",
    )  # fmt: skip
    compare_fail: tuple[str, ...] = setting(
        (), plain_lines, "Fail if a number fell by more than this against the run compared with: "
        "[SUITE/]NAME=TOLERANCE, such as IDC=0.02; none: by however much", metavar="TOLERANCE",
        native=(list,), many=True,
    )  # fmt: skip
    suites: tuple[str, ...] = setting(
        (), lines, "Suites by path: lines 'tests/clean = clean'", metavar="PATH=SUITE",
        native=(list,), cli=False, many=True,
    )  # fmt: skip

    @property
    def keeps_images(self) -> bool:
        """Whether pictures of inputs are kept while tests run."""
        page = any(wanted.startswith("html:") for wanted in self.report)
        return self.images == "keep" or (self.images == "auto" and page)
