"""`deepimportance measure` on a small model: the numbers of the API, the plugin's screen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_deepimportance import measure
from pytest_deepimportance.results import Report
from tests.cli.conftest import Run
from tests.profile.builders import Mlp, rows

MODEL = ("measure", "net.pth", "--factory", "app.py:net")
MEASURE = (*MODEL, "--reference", "app.py:train")


@pytest.fixture(autouse=True)
def inputs(folder: Path) -> None:
    x, y = rows(40, seed=2, wrong=3)
    np.savez(folder / "clean.npz", x=x.numpy(), y=y.numpy())
    np.savez(folder / "shifted.npz", x=x.numpy() + 1)
    np.savez(folder / "one.npz", x=x.numpy()[:1], y=y.numpy()[:1])
    np.savez(folder / "twice.npz", x=np.repeat(x.numpy(), 2, axis=0))
    np.savez(folder / "many.npz", x=rows(300, seed=3)[0].numpy())
    np.savez(folder / "narrow.npz", x=np.zeros((5, 3), np.float32))
    np.savez(folder / "short.npz", x=x.numpy(), y=y.numpy()[:7])
    np.savez(folder / "beyond.npz", x=x.numpy(), y=y.numpy() + 1)
    np.savez(folder / "empty.npz", x=x.numpy()[:0], y=y.numpy()[:0])


def report_in(folder: Path, name: str = "idc.json") -> Report:
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    return Report.from_json(content["reports"][0])


def numbers(report: Report) -> dict[str, object]:
    return {
        key: (row.covered, row.total, row.reach, row.exercised_rows)
        for key, row in report.criteria.items()
    }


def test_the_screen_and_the_numbers_of_the_api(run: Run, folder: Path) -> None:
    code, out, err = run(*MEASURE, "--inputs", "clean.npz", "--report", "json:idc.json")
    assert (code, err) == (0, "")
    api = measure(Mlp(), rows(200, wrong=10), rows(40, seed=2, wrong=3))
    found = report_in(folder)
    assert numbers(found) == numbers(api)
    assert (found.total.correct, found.total.labelled) == (37, 40)
    assert [suite.name for suite in found.suites] == ["clean"]
    assert found.model.spec == "net.pth"
    assert found.total.ladder == api.total.ladder
    head = next(line for line in out.splitlines() if line.startswith("suite "))
    assert all(title in head for title in ("inputs", "IDC", "random suite", "share", "accuracy"))
    assert "KMNC" in out
    assert out.splitlines()[-2].startswith(f"IDC total: {100 * api.criteria['IDC'].value:.2f}%")
    assert out.splitlines()[-1] == "written    idc.json"


def test_several_suites_and_their_names(run: Run, folder: Path) -> None:
    code, out, _ = run(*MEASURE, "--inputs", "night=clean.npz", "--inputs", "shifted.npz",
                       "--inputs", "app.py:train", "--report", "json:idc.json")  # fmt: skip
    assert code == 0
    found = report_in(folder)
    assert [suite.name for suite in found.suites] == ["night", "shifted", "train"]
    assert [suite.inputs for suite in found.suites] == [40, 40, 200]
    assert found.total.inputs == 280
    assert all(name in out for name in ("night", "shifted", "train", "TOTAL"))
    assert found.suite("train").criteria["IDC"].share == 1.0  # type: ignore[union-attr]


def test_a_profile_gives_what_its_reference_gives(run: Run, folder: Path) -> None:
    run("profile", "build", *MEASURE[1:], "-o", "net.idc")
    ask = ("--inputs", "clean.npz", "--class-names", "ape,bee,cat", "--m", "3")
    assert run(*MEASURE, *ask, "--report", "json:a.json")[0] == 0
    assert run(*MODEL, "--profile", "net.idc", *ask, "--report", "json:b.json")[0] == 0
    first, second = report_in(folder, "a.json"), report_in(folder, "b.json")
    assert numbers(first) == numbers(second)
    assert first.profile.spaces[0].m == 3
    assert [row.name for row in second.total.classes] == ["ape", "bee", "cat"]
    code, _, err = run(*MODEL, "--profile", "net.idc", "--inputs", "clean.npz", "--k", "2")
    assert code == 2
    assert "profile was built with k" in err
    code, _, err = run("measure", "app.py:other", "--profile", "net.idc", "--inputs", "clean.npz")
    assert code == 2
    assert "fingerprint" in err


@pytest.mark.parametrize(
    ("option", "wanted"), [("0", "fc1"), ("-1", "fc2"), ("-2", "fc1"), ("fc1", "fc1")]
)
def test_layers_by_index_or_name(run: Run, folder: Path, option: str, wanted: str) -> None:
    code, _, _ = run(*MEASURE, "--inputs", "clean.npz", "--layer", option, "-q",
                     "--report", "json:idc.json")  # fmt: skip
    assert code == 0
    assert report_in(folder).profile.spaces[0].layer == wanted


def test_samples_of_reference_and_inputs(run: Run, folder: Path) -> None:
    ask = (*MEASURE, "--inputs", "many.npz", "--input-samples", "50", "--reference-samples", "120",
           "--seed", "7", "--report")  # fmt: skip
    assert run(*ask, "json:a.json")[0] == run(*ask, "json:b.json")[0] == 0
    first, second = report_in(folder, "a.json"), report_in(folder, "b.json")
    assert numbers(first) == numbers(second)
    assert (first.total.rows, first.reference.rows) == (50, 120)
    assert "many: 50 of 300 inputs are measured (--input-samples)" in first.notes


@pytest.mark.parametrize(
    ("threshold", "code", "said"),
    [
        ("share=0.1", 0, ""),
        ("share=1", 2, "FAIL share"),
        ("clean/IDC=1", 2, "FAIL clean/IDC"),
    ],
)
def test_the_gate(run: Run, threshold: str, code: int, said: str) -> None:
    found, out, _ = run(*MEASURE, "--inputs", "clean.npz", "--fail-under", threshold)
    assert found == code
    assert said in out
    assert "pytest" not in out
    assert "The tests pass" not in out


def test_several_thresholds_and_what_no_input_can_meet(run: Run) -> None:
    code, out, err = run(*MEASURE, "--inputs", "clean.npz", "--fail-under", "0.1",
                         "--fail-under", "share:9=0.5", "-q")  # fmt: skip
    assert code == 2
    assert "idc: share:9 cannot be met" in err
    assert out.startswith("IDC total: ")
    assert "FAIL share:9" in out


def test_quiet_and_verbose(run: Run) -> None:
    quiet = run(*MEASURE, "--inputs", "clean.npz", "--quiet")[1]
    assert quiet.count("\n") == 1
    plain = run(*MEASURE, "--inputs", "clean.npz")[1]
    loud = run(*MEASURE, "--inputs", "clean.npz", "-v")[1]
    assert loud.count("\n") > plain.count("\n") > 5


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ("one.npz", "one is one input: no number here is about more than that one"),
        ("twice.npz", "twice: 40 of 80 rows repeat an input"),
        ("shifted.npz", "shifted: no row has a label; accuracy is of those that have one"),
    ],
)
def test_what_is_said_of_unusual_inputs(run: Run, folder: Path, spec: str, note: str) -> None:
    code, _, _ = run(*MEASURE, "--inputs", spec, "--report", "json:idc.json")
    assert code == 0
    assert note in report_in(folder).notes


def test_more_inputs_than_reference_rows(run: Run, folder: Path) -> None:
    code, out, _ = run(*MEASURE, "--inputs", "many.npz", "--report", "json:idc.json")
    assert code == 0
    random = report_in(folder).criteria["IDC"].random
    assert random is not None
    assert not random.comparable
    assert "unlike" in out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((*MODEL, "--inputs", "clean.npz"), "--profile FILE.idc"),
        ((*MEASURE, "--profile", "x.idc", "--inputs", "clean.npz"), "Leave one of them out"),
        (MEASURE, "--inputs"),
        ((*MEASURE, "--inputs", "claen.npz"), "clean.npz"),
        ((*MEASURE, "--inputs", "nonsense:"), "Inputs are one of"),
        ((*MEASURE, "--inputs", "narrow.npz"), "on inputs of narrow.npz"),
        ((*MEASURE, "--inputs", "short.npz"), "7"),
        ((*MEASURE, "--inputs", "beyond.npz"), "scores 3 classes"),
        ((*MEASURE, "--inputs", "empty.npz"), "inputs empty: there is no row in empty.npz"),
        ((*MEASURE, "--inputs", "clean.npz", "--inputs", "clean.npz"), "--inputs clean2="),
        ((*MEASURE, "--inputs", "TOTAL=clean.npz"), "all suites together"),
        ((*MEASURE, "--inputs", "clean.npz", "--input-samples", "few"), "--input-samples 1000"),
        ((*MEASURE, "--inputs", "clean.npz", "--fail-under", "claen/IDC=1"), "did you mean clean"),
        ((*MEASURE, "--inputs", "clean.npz", "--fail-under", "IDC=60"), "0.6"),
        ((*MEASURE, "--inputs", "clean.npz", "--report", "idc.json"), "json:PATH"),
        ((*MEASURE, "--inputs", "clean.npz", "--report", "json:"), "json:PATH"),
        ((*MEASURE, "--inputs", "clean.npz", "--criteria", "IDD"), "IDC"),
        ((*MEASURE, "--inputs", "clean.npz", "--layer", "fc22"), "fc2"),
        ((*MEASURE, "--inputs", "clean.npz", "-q", "-v"), "not allowed with"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], hint: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert hint in err
    assert "Traceback" not in err


def test_the_model_is_as_it_was(run: Run, folder: Path) -> None:
    before = (folder / "net.pth").read_bytes()
    assert run(*MEASURE, "--inputs", "clean.npz")[0] == 0
    assert (folder / "net.pth").read_bytes() == before
    assert torch.is_grad_enabled()


def test_a_bar_on_a_terminal_only(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*MEASURE, "--inputs", "clean.npz")[2] == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    code, _, err = run(*MEASURE, "--inputs", "a=clean.npz", "--inputs", "b=shifted.npz")
    assert code == 0
    assert "measuring" in err
    assert "80/80" in err


def test_little_memory_gives_the_same_numbers(run: Run, folder: Path) -> None:
    run("profile", "build", *MEASURE[1:], "-o", "net.idc")
    ask = (*MODEL, "--profile", "net.idc", "--inputs", "many.npz", "--inputs", "clean.npz")
    ask = (*ask, "--batch-size", "16", "--report")
    assert run(*ask, "json:a.json")[0] == 0
    assert run(*ask, "json:b.json", "--memory", "4KB")[0] == 0
    whole, parts = report_in(folder, "a.json"), report_in(folder, "b.json")
    assert [suite.inputs for suite in parts.suites] == [40, 300]
    for first, second in zip(
        (*whole.suites, whole.total), (*parts.suites, parts.total), strict=True
    ):
        assert (first.correct, first.labelled, first.ladder) == (
            second.correct, second.labelled, second.ladder,
        )  # fmt: skip
        for key, row in first.criteria.items():
            if row.criterion not in ("CC", "NLC"):  # which depend on the blocks by definition
                assert second.criteria[key] == row


def test_rows_with_nan_are_left_out_and_counted(run: Run, folder: Path) -> None:
    x, y = rows(40, seed=2)
    x[:32] = float("nan")  # two whole batches
    np.savez(folder / "nan.npz", x=x.numpy(), y=y.numpy())
    ask = (*MEASURE, "--inputs", "nan.npz", "--report", "json:idc.json", "--batch-size", "16")
    assert run(*ask)[0] == 0
    assert report_in(folder).exclusions.non_finite_rows == 32
    assert report_in(folder).total.inputs == 8
    np.savez(folder / "nan.npz", x=x.numpy()[:32])
    code, _, err = run(*ask)
    assert code == 2
    assert "nothing was recorded of nan: " in err


def test_inputs_of_the_reference_are_left_out_of_the_number_without_them(
    run: Run, folder: Path
) -> None:
    x, y = rows(200, wrong=10)
    np.savez(folder / "leaky.npz", x=x.numpy()[:60], y=y.numpy()[:60])
    ask = ("--inputs", "clean.npz", "--inputs", "leaky.npz", "--report", "json:idc.json")
    code, out, _ = run(*MEASURE, *ask)
    report = report_in(folder)
    clean, leaky = report.suites
    assert code == 0
    assert report.total.leaks is not None
    assert report.total.leaks.inputs == 60
    assert clean.criteria["IDC"].covered < report.criteria["IDC"].covered
    for key, row in clean.criteria.items():
        assert report.total.leaks.criteria[key].covered == row.covered, key
    assert leaky.leaks is not None
    assert leaky.leaks.inputs == 60
    value = f"{100 * (clean.criteria['IDC'].value or 0):.1f}%"
    assert f"without them IDC {value}" in " ".join(out.split())


def test_what_is_wrong_with_inputs_is_not_said_of_the_reference(run: Run, folder: Path) -> None:
    x = rows(40, seed=2)[0].numpy()
    np.savez(folder / "bytes.npz", x=x.astype(np.uint8))
    np.savez(folder / "words.npz", x=x, y=np.array(["cat"] * 40))
    for file in ("empty.npz", "short.npz", "bytes.npz", "words.npz"):
        code, _, err = run(*MEASURE, "--inputs", file)
        assert code == 2
        assert err.startswith(f"deepimportance: inputs {Path(file).stem}: ")
        assert "reference" not in err, err


def test_an_audit_bundle(run: Run, folder: Path) -> None:
    ask = (
        *MEASURE,
        "--inputs",
        "clean.npz",
        "--report",
        "audit:audit",
        "--report",
        "json:idc.json",
    )
    code, out, _ = run(*ask)
    assert code == 0
    assert "written    audit\n" in out
    page = (folder / "audit" / "audit.html").read_text(encoding="utf-8")
    (suite,) = report_in(folder).suites
    assert suite.inputs_digest in page
    assert "None: the inputs were measured by themselves." in page
    script = (folder / "audit" / "reproduce.sh").read_text(encoding="utf-8")
    assert script.splitlines()[-1] == f"deepimportance {' '.join(ask)}"
    files = script.split("<<'END_OF_FILES'\n")[1].split("\nEND_OF_FILES")[0].splitlines()
    assert [line.split("  ")[1] for line in files] == ["clean.npz", "net.pth"]


def test_a_folder_of_something_else_is_refused_before_measuring(run: Run, folder: Path) -> None:
    code, out, err = run(*MEASURE, "--inputs", "clean.npz", "--report", "audit:.")
    assert (code, out) == (2, "")
    assert "which is no file of an audit bundle" in err
    assert (folder / "net.pth").exists()
