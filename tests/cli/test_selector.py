"""`deepimportance selector` on a small model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pytest_deepimportance.analysis.selector import Selector
from tests.cli.conftest import Run
from tests.profile.builders import rows

NET = ("net.pth", "--factory", "app.py:net")
FIT = (
    "selector",
    "fit",
    *NET,
    "--reference",
    "app.py:train",
    "--method",
    "lrp,la,random",
    "--m",
    "3",
)


def test_fit_show_and_predict(run: Run, folder: Path) -> None:
    code, out, err = run(*FIT, "-o", "s.safetensors", "--json", "s.json", "--csv", "s.csv")
    assert (code, err) == (0, "")
    for text in ("rows       200 rows of 200 inputs", "selector   logistic, 14 features, fitted on ",
                 "method      mean gain", "on held-out rows", "best for each row", "winner of the class", "ahead of always ",
                 "always choosing "):  # fmt: skip
        assert text in out
    assert max(map(len, out.splitlines())) <= 80
    data = json.loads((folder / "s.json").read_text())
    assert (data["schema"], data["format"]) == ("deepimportance-selector", 1)
    assert data["verdict"] in ("better", "no better", "worse")
    assert {score["method"] for score in data["scores"]} == {"lrp", "activation", "random"}
    with open(folder / "s.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 200
    shown = run("selector", "show", "s.safetensors")[1]
    assert shown.splitlines()[1:] == [
        line for line in out.splitlines()[1:] if "written" not in line
    ]
    x, _ = rows(30, seed=9)
    np.savez(folder / "new.npz", x=x.numpy())
    code, out, err = run(
        "selector", "predict", "s.safetensors", *NET, "--inputs", "new.npz", "--csv", "c.csv"
    )
    assert (code, err) == (0, "")
    assert "new.npz, 30 inputs" in out
    lines = (folder / "c.csv").read_text().splitlines()
    assert lines[0] == "row,method"
    assert len(lines) == 31
    assert {line.split(",")[1] for line in lines[1:]} <= set(
        Selector.load("s.safetensors").report.methods
    )


def test_layer_by_layer(run: Run) -> None:
    code, out, err = run(*FIT, "--by-layer", "-o", "s.safetensors", "--kind", "mlp")
    assert (code, err) == (0, "")
    assert "400 rows of 200 inputs and 2 layers" in out
    assert "(by layer: in the JSON file)" in out
    predict = ("selector", "predict", "s.safetensors", *NET, "--inputs", "app.py:train")
    assert run(*predict, "--layer", "fc1")[0] == 0
    err = run(*predict)[2]
    assert "fitted on fc1, fc2, and none of them is named" in err
    assert "--layer fc1 or --layer fc2" in err
    assert "did you mean fc1" in run(*predict, "--layer", "fc11")[2]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("fit", *NET, "--method", "lrp,la"), "--reference"),
        (("fit", *NET, "--reference", "app.py:train", "--method", "lrp"), "Name several"),
        (("fit", *NET, "--reference", "app.py:train", "--method", "lrp,lrp"), "Name several"),
        (("fit", *NET, "--reference", "app.py:train", "--method", "lrp,nosuch"), "nosuch"),
        (
            ("fit", *NET, "--reference", "app.py:train", "--method", "lrp,la", "--m", "x"),
            "number from 1",
        ),
        (
            ("fit", *NET, "--reference", "app.py:train", "--method", "lrp,la", "--m", "0"),
            "each method may prune for an input",
        ),
        (
            ("fit", *NET, "--reference", "app.py:train", "--method", "lrp,la", "--layers", "fc7"),
            "fc7",
        ),
        (
            ("fit", *NET, "--reference", "app.py:train", "--method", "lrp,la", "--samples", "9"),
            "20 are needed",
        ),
        (("show", "nowhere.safetensors"), "no selector"),
        (("show", "app.py"), "no selector"),
        (("show", "other.safetensors"), "written by something else than selector fit"),
        (
            ("fit", *NET, "--reference", "app.py:train", "--method", "lrp,la", "-o", "s.idc"),
            "must end in .safetensors",
        ),
        (("predict", "s.safetensors", "app.py:other", "--inputs", "app.py:train"), "another model"),
        (("predict", "s.safetensors", *NET, "--inputs", "nowhere.npz"), "nowhere.npz"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], hint: str) -> None:
    if "s.safetensors" in arguments:
        run(*FIT, "-o", "s.safetensors")
    save_file({"x": np.zeros(3)}, "other.safetensors")
    code, out, err = run("selector", *arguments)
    assert (code, out) == (2, "")
    assert hint in err
    assert "Traceback" not in err
