"""`deepimportance drift` on a small model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.profile.builders import rows

NET = ("net.pth", "--factory", "app.py:net")
AGAINST = (*NET, "--reference", "app.py:train")


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    x = rows(60, seed=2)[0].numpy()
    np.savez(folder / "week.npz", x=x)
    np.savez(folder / "far.npz", x=rows(150, seed=2)[0].numpy() * 6 + 3)
    np.savez(folder / "one.npz", x=x[:1])
    np.savez(folder / "narrow.npz", x=x[:, :2])


def test_the_screen(run: Run) -> None:
    code, out, err = run("drift", "week.npz", *AGAINST)
    assert (code, err) == (0, "")
    for text in ("new data   week.npz, 60 inputs", "share  ", "unknown  ", "chi-square", "p = ",
                 "class  reference", "A small p says"):  # fmt: skip
        assert text in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_and_a_profile_instead_of_a_reference(run: Run, folder: Path) -> None:
    run("profile", "build", *AGAINST, "-o", "net.idc")
    assert run("drift", "week.npz", *AGAINST, "--report", "json:a.json")[0] == 0
    ask = ("drift", "week.npz", *NET, "--profile", "net.idc", "--report", "json:b.json")
    assert run(*ask)[0] == 0
    first, second = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert first["schema"] == "deepimportance-drift"
    assert first["spaces"] == second["spaces"]
    assert first["inputs"] == 60
    assert sum(row["inputs"] for row in first["spaces"][0]["classes"]) == 60


def test_other_data_are_told_from_the_reference(run: Run, folder: Path) -> None:
    for name in ("far", "week"):
        run("drift", f"{name}.npz", *AGAINST, "--m", "7", "--report", f"json:{name}.json")
    far, week = (
        json.loads((folder / f"{n}.json").read_text())["spaces"][0] for n in ("far", "week")
    )
    assert far["chi_square"]["p"] < 0.001 < 0.01 < week["chi_square"]["p"]
    assert far["unknown_inputs"] > week["unknown_inputs"]


@pytest.mark.parametrize(
    ("data", "threshold", "code", "said"),
    [
        ("week.npz", "p=0.001", 0, "ok         p 0."),
        ("far.npz", "p=0.01", 2, "FAIL       p < 1e-6 < 0.01"),
        ("far.npz", "known=1", 2, "FAIL       known"),
        ("week.npz", "share=0.1", 0, "ok         share"),
        ("far.npz", "share=1", 2, "FAIL       share"),
    ],
)
def test_the_gate(run: Run, data: str, threshold: str, code: int, said: str) -> None:
    found, out, _ = run("drift", data, *AGAINST, "--m", "7", "--fail-under", threshold)
    assert found == code
    assert said in out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("one.npz", *AGAINST), "1 distinct input"),
        (("wek.npz", *AGAINST), "week.npz"),
        (("narrow.npz", *AGAINST), "on inputs of narrow.npz"),
        (("week.npz", *NET), "--profile FILE.idc"),
        (("week.npz",), "MODEL"),
        (("week.npz", *AGAINST, "--fail-under", "IDC=0.5"), "known=0.99"),
        (("week.npz", *AGAINST, "--fail-under", "reached=0.5"), "known=0.99"),
        (("week.npz", *AGAINST, "--fail-under", "share:1=0.5"), "known=0.99"),
        (("week.npz", *AGAINST, "--fail-under", "known=99"), "known=0.99"),
        (("week.npz", *AGAINST, "--report", "x"), "json:PATH"),
        (("week.npz", *AGAINST, "--kmnc-sections", "3"), "unrecognized"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], hint: str) -> None:
    code, out, err = run("drift", *arguments)
    assert (code, out) == (2, "")
    assert hint in err
    assert "Traceback" not in err


def test_a_profile_of_another_model(run: Run) -> None:
    run("profile", "build", *AGAINST, "-o", "net.idc")
    code, _, err = run("drift", "week.npz", "app.py:other", "--profile", "net.idc")
    assert code == 2
    assert "fingerprint" in err
