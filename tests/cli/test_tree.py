"""`deepimportance layers --tree` on a small model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run

NET = ("net.pth", "--factory", "app.py:net")


def table(out: str) -> dict[str, list[str]]:
    return {
        line.split()[0]: line.split()[1:]
        for line in out.splitlines()
        if "Linear" in line or "(model)" in line
    }


def test_blocks_with_neurons_and_parameters(run: Run) -> None:
    code, out, err = run("layers", *NET, "--tree")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["block", "type", "layers", "neurons", "parameters"]
    assert table(out) == {
        "(model)": ["Mlp", "3", "27", "249"],
        "fc1": ["Linear", "1", "10", "50"],
        "fc2": ["Linear", "1", "14", "154"],
        "fc3": ["Linear", "1", "3", "45"],
    }
    assert "input shape guessed" in out


def test_share_of_importance_from_reference_and_from_a_file(run: Run) -> None:
    code, out, err = run("layers", *NET, "--tree", "--reference", "app.py:train")
    assert (code, err) == (0, "")
    assert "share of importance: lrp, 200 reference inputs" in out
    computed = table(out)
    ask = ("importance", *NET, "--reference", "app.py:train", "--correct", "all")
    run(*ask, "--json", "i.json", "--csv", "i.csv")
    for name in ("i.json", "i.csv"):
        out = run("layers", *NET, "--tree", "--importance", name)[1]
        assert table(out) == computed
        assert f"share of importance: {name}" in out
    shares = [float(computed[name][-2]) for name in ("fc1", "fc2")]
    assert sum(shares) == pytest.approx(100, abs=0.11)
    assert computed["fc3"][-1] == "-"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--depth", "2"), "--depth belongs to --tree"),
        (("--importance", "i.json"), "--importance belongs to --tree"),
        (("--tree", "--depth", "0"), "number from 1"),
        (("--tree", "--depth", "two"), "number from 1"),
        (("--tree", "--importance", "nowhere.json"), "cannot be read"),
        (("--tree", "--importance", "i.json", "--reference", "app.py:train"), "Leave one of them"),
        (("--tree", "--importance", "other.json"), "other weights"),
        (("--tree", "--importance", "wide.csv"), "'fc2' with 1 neurons"),
        (("--tree", "--importance", "run.json"), "report of a test run"),
    ],
)
def test_mistakes(run: Run, folder: Path, arguments: tuple[str, ...], hint: str) -> None:
    (folder / "wide.csv").write_text("LayerName,NeuronIndex,Score\nfc2,0,1\n")
    reference = ("--reference", "app.py:train")
    run("importance", *NET, *reference, "--json", "i.json")
    run("importance", "app.py:other", *reference, "--json", "other.json", "--correct", "all")
    if "run.json" in arguments:
        run("measure", *NET, *reference, "--inputs", "app.py:train", "--report", "json:run.json")
    code, out, err = run("layers", *NET, *arguments)
    assert (code, out) == (2, "")
    assert hint in err
    assert "Traceback" not in err


def test_a_model_that_cannot_be_attributed_still_has_a_tree(run: Run, folder: Path) -> None:
    (folder / "crooked.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Odd(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.one, self.two = nn.Linear(4, 5), nn.Linear(5, 3)\n"
        "    def forward(self, x):\n"
        "        return self.two(torch.from_numpy(torch.relu(self.one(x)).detach().numpy()).clone()).detach()\n"
    )  # fmt: skip
    code, out, _ = run("layers", "crooked.py:Odd", "--tree", "--reference", "app.py:train")
    assert code == 0
    assert "no share of importance: " in out
    assert "one" in out
