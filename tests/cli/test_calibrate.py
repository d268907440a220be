"""`deepimportance calibrate`: the ladder, the suggestion, and what --write does with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.profile.builders import rows

MODEL = ("net.pth", "--factory", "app.py:net", "--reference", "app.py:train")


@pytest.fixture(autouse=True)
def inputs(folder: Path) -> None:
    x, y = rows(40, seed=2, wrong=3)
    np.savez(folder / "clean.npz", x=x.numpy(), y=y.numpy())
    np.savez(folder / "one.npz", x=x.numpy()[:1])
    np.savez(folder / "many.npz", x=rows(300, seed=3)[0].numpy())


@pytest.fixture
def saved(run: Run, folder: Path) -> Path:
    measure = ("measure", *MODEL, "--inputs", "clean.npz", "--inputs", "a=many.npz")
    assert run(*measure, "--report", "json:idc.json")[0] == 0
    return folder / "idc.json"


def changed(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    content["reports"][0]["run"] |= changes
    path.write_text(json.dumps(content))


def test_from_a_measurement_and_from_its_report(run: Run, folder: Path) -> None:
    ask = ("calibrate", *MODEL, "--inputs", "clean.npz")
    code, out, err = run(*ask, "--report", "json:idc.json")
    assert (code, err) == (0, "")
    assert out.endswith("written    idc.json\n")
    code, again, _ = run("calibrate", "idc.json")
    assert code == 0
    assert out.startswith(again)
    ladder = json.loads((folder / "idc.json").read_text())["reports"][0]["total"]["ladder"]
    lines = [line.replace("->", "  ").split() for line in out.splitlines()]
    for step in ladder:
        row = next(line for line in lines if line[:1] == [str(step["m"])])
        assert row[1] == f"{step['total']:,}"
        assert f"{step['covered']:,}" in row
        assert f"{100 * step['share']:.1f}" in row
    assert "measured with m = " in out
    assert max(map(len, out.splitlines())) <= 80


def test_what_is_suggested_is_met_by_the_run_it_comes_from(run: Run, saved: Path) -> None:
    _, out, _ = run("calibrate", "idc.json", "--suite", "clean")
    words = out.split()
    m = words[words.index("idc_m") + 2]
    gates = [f"clean/{word}" for word in words if word.startswith(("share=", "IDC="))]
    assert len(gates) == 2
    ask = ["measure", *MODEL, "--inputs", "clean.npz", "--m", m]
    assert run(*ask, *(f"--fail-under={gate}" for gate in gates))[0] == 0


def test_more_inputs_than_reference_rows_are_not_compared(run: Run) -> None:
    code, out, _ = run("calibrate", *MODEL, "--inputs", "many.npz")
    assert code == 0
    assert "unlike" in out
    assert "random suite: " in out


def test_write_edits_the_configuration_in_use(run: Run, saved: Path, folder: Path) -> None:
    config = folder / "pytest.ini"
    config.write_text(
        "[pytest]\nidc_m = 2  \n# why\nidc_fail_under =\n    NC=0.1  # agreed\n\n[x]\na=1\n"
    )
    code, out, _ = run("calibrate", "idc.json", "--write")
    assert code == 0
    text = config.read_text()
    assert text.startswith("[pytest]\nidc_m = ")
    assert "# why\nidc_fail_under =\n    NC=0.1  # agreed\n    share=0." in text
    assert text.endswith("\n\n[x]\na=1\n")
    assert "pytest.ini  idc_m = " in out
    assert "(was 2)" in out
    assert run("calibrate", "idc.json", "--write")[1].count("(as it was)") == 3
    assert config.read_text() == text


def test_write_for_a_suite_and_into_a_named_file(run: Run, saved: Path, folder: Path) -> None:
    (folder / "ci.toml").write_text("[pytest]\n")
    ask = ("calibrate", "idc.json", "--write", "--suite", "clean", "--config", "ci.toml")
    assert run(*ask)[0] == 0
    assert '"clean/share=0.' in (folder / "ci.toml").read_text()


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"deselected": 3}, "tests were deselected"),
        ({"complete": False}, "the run was stopped early"),
    ],
)
def test_a_part_of_the_tests_is_shown_but_never_written(
    run: Run, saved: Path, folder: Path, changes: dict[str, Any], note: str
) -> None:
    (folder / "pytest.ini").write_text("[pytest]\n")
    changed(saved, **changes)
    code, out, err = run("calibrate", "idc.json", "--write")
    assert code == 2
    assert note in out
    assert "only a part of the tests ran" in err
    assert (folder / "pytest.ini").read_text() == "[pytest]\n"


def test_two_models_are_both_shown_and_never_written(run: Run, saved: Path) -> None:
    content = json.loads(saved.read_text())
    content["reports"] *= 2
    saved.write_text(json.dumps(content))
    code, out, err = run("calibrate", "idc.json", "--write")
    assert code == 2
    assert out.count("suggested  idc_m") == 2
    assert "holds 2 models" in err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("net.pth",), "no --inputs are given"),
        (("absent.json",), "absent.json"),
        (("idc.json", "--config", "x.ini"), "--write"),
        (("idc.json", "--suite", "claen"), "did you mean clean"),
        (("idc.json", "--write", "--config", "absent.ini"), "--config FILE"),
        ((*MODEL, "--inputs", "one.npz"), "a single input"),
        ((*MODEL, "--inputs", "clean.npz", "--criteria", "NC"), "IDC was not measured"),
        ((*MODEL[:3], "--inputs", "clean.npz"), "--profile FILE.idc"),
    ],
)
def test_mistakes(run: Run, saved: Path, arguments: tuple[str, ...], hint: str) -> None:
    code, _, err = run("calibrate", *arguments)
    assert code == 2
    assert hint in err
    assert "Traceback" not in err


def test_other_files_are_refused(run: Run, folder: Path) -> None:
    (folder / "x.json").write_text("{}")
    assert "not a report" in run("calibrate", "x.json")[2]
    (folder / "y.json").write_text(
        '{"schema": "deepimportance-report", "format": 2, "reports": []}'
    )
    assert "holds no report" in run("calibrate", "y.json")[2]


def test_a_suite_that_lacks_a_class_is_said_before_it_becomes_the_standard(
    run: Run, folder: Path
) -> None:
    x, y = (array.numpy() for array in rows(300, seed=3))
    np.savez(folder / "two.npz", x=x[y < 2][:60], y=y[y < 2][:60])
    _, out, _ = run("calibrate", *MODEL, "--inputs", "two.npz")
    assert "note       no input is of class 2" in out
    assert max(map(len, out.splitlines())) <= 80
    _, out, _ = run("calibrate", *MODEL, "--inputs", "clean.npz")
    assert "note" not in out


def second_model(saved: Path, suite: str) -> None:
    """Add a report of another model, with one suite and without IDC."""
    content = json.loads(saved.read_text())
    other = json.loads(json.dumps(content["reports"][0]))
    other["suites"] = [{**other["suites"][0], "name": suite, "ladder": []}]
    other["total"]["ladder"] = []
    content["reports"] = [other, *content["reports"]]
    saved.write_text(json.dumps(content))


def test_a_model_that_allows_no_threshold_hides_no_other(run: Run, saved: Path) -> None:
    second_model(saved, "away")
    for arguments in ((), ("--suite", "clean")):
        code, out, _ = run("calibrate", "idc.json", *arguments)
        assert code == 0
        assert out.count("suggested  idc_m") == 1
        assert "note       not shown: " in out
    code, _, err = run("calibrate", "idc.json", "--suite", "claen")
    assert (code, "did you mean clean" in err) == (2, True)
    code, _, err = run("calibrate", "idc.json", "--suite", "away")
    assert (code, "nothing to calibrate in away" in err) == (2, True)
