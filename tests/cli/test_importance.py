"""`deepimportance importance` on a small model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pytest_deepimportance.importance_results import ImportanceReport
from tests.cli.conftest import Run
from tests.profile.builders import rows

NET = ("net.pth", "--factory", "app.py:net")
ASK = ("importance", *NET, "--reference", "app.py:train")


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    x, y = rows(60, seed=2)
    np.savez(folder / "late.npz", x=x.numpy(), y=y.numpy())
    np.savez(folder / "unlabelled.npz", x=x.numpy())
    np.savez(folder / "narrow.npz", x=x[:, :3].numpy(), y=y.numpy())
    np.savez(folder / "none.npz", x=x[:0].numpy(), y=y[:0].numpy())


def test_the_screen(run: Run) -> None:
    code, out, err = run(*ASK)
    assert (code, err) == (0, "")
    for text in ("model      net.pth ", "app.py:train, 190 of 200 inputs (classified correctly)",
                 "lrp epsilon 1e-06, from the predicted class's score, balance ", "layer  neurons",
                 "fc1         10", "fc2 *       14", "* the layer that IDC measures by default",
                 "next       --classes each", "measure MODEL --reference R"):  # fmt: skip
        assert text in out
    assert max(map(len, out.splitlines())) <= 80


def test_classes_methods_and_inputs_fit_on_the_screen(run: Run) -> None:
    code, out, err = run(
        *ASK, "--classes", "each", "--method", "lrp,lgxa,random", "--inputs", "late.npz", "--m", "4"
    )
    assert (code, err) == (0, "")
    for text in ("class  inputs  fc2: the top 4 of 14 neurons", "common: ",
                 "overlap of two classes: ", "lrp / gradie...ation", "reference / late",
                 "compared with gradient-x-activation, random", "inputs     late: late.npz, 60 of 60",
                 "note       random: importance is random (seed 0)"):  # fmt: skip
        assert text in out
    assert max(map(len, out.splitlines())) <= 80
    assert len(out.splitlines()) <= 48
    verbose = run(*ASK, "--classes", "each", "--m", "4", "-v")[1]
    assert "fc1: the top 4 of 10 neurons" in verbose


def test_many_methods_become_a_matrix(run: Run) -> None:
    out = run(*ASK, "--method", "lrp,la,lgxa,random,ii,lc", "--m", "3")[1]
    assert "below the diagonal the overlap of the top 3 (by chance" in out
    assert "6  conductance" in out
    assert max(map(len, out.splitlines())) <= 80


def test_one_class_by_name_or_index(run: Run) -> None:
    by_index = run(*ASK, "--classes", "1")[1]
    by_name = run(*ASK, "--classes", "mid", "--class-names", "low,mid,high")[1]
    assert by_index.replace("\n1   ", "\nmid ")[-400:].split("next")[0].strip()
    assert "\nmid " in by_name
    assert "\n1 " in by_index
    assert "common:" not in by_index


def test_samples_are_drawn_by_the_seed(run: Run) -> None:
    first = run(*ASK, "--samples", "50", "--seed", "1")[1]
    again = run(*ASK, "--samples", "50", "--seed", "1")[1]
    other = run(*ASK, "--samples", "50", "--seed", "2")[1]
    assert first == again != other
    assert "of 50 inputs" in first


def test_files(run: Run, folder: Path) -> None:
    code, out, _ = run(
        *ASK, "--classes", "each", "--inputs", "late.npz", "--json", "o/i.json", "--csv", "o/i.csv",
        "--npz", "o/i.npz", "--plots", "o/plots", "--m", "3",
    )  # fmt: skip
    assert code == 0
    data = json.loads((folder / "o/i.json").read_text())
    assert (data["schema"], data["format"]) == ("deepimportance-importance", 1)
    report = ImportanceReport.from_json(
        {k: v for k, v in data.items() if k not in ("schema", "format")}
    )
    assert [s.class_name for s in report.by_class("lrp", "late")] == ["0", "1", "2"]
    lines = (folder / "o/i.csv").read_text().splitlines()
    assert lines[0] == "LayerName,NeuronIndex,Score"
    assert len(lines) == 25
    assert float(lines[1].split(",")[2]) == report.whole()[0].scores["fc1"][0]
    arrays = np.load(folder / "o/i.npz", allow_pickle=False)
    assert arrays["values"].shape == (60, 6)
    for name in ("top-neurons", "class-fc1", "class-fc2", "common-fc2", "common"):
        assert (folder / "o/plots" / f"{name}.png").stat().st_size > 2000
    assert "no picture of relevance over the input: the inputs are no images" in out


def test_several_methods_are_several_csv_files(run: Run, folder: Path) -> None:
    run(*ASK, "--method", "lrp,random", "--csv", "i.csv")
    assert sorted(path.name for path in folder.glob("i*.csv")) == ["i-lrp.csv", "i-random.csv"]


def test_the_scores_choose_neurons_in_a_measurement(run: Run, folder: Path) -> None:
    run(*ASK, "--csv", "i.csv", "--method", "la", "--json", "i.json")
    code, _, err = run(
        "measure", *NET, "--reference", "app.py:train", "--inputs", "late.npz", "--importance",
        "i.csv", "--m", "3", "--report", "json:r.json",
    )  # fmt: skip
    assert (code, err) == (0, "")
    report = json.loads((folder / "r.json").read_text())["reports"][0]
    chosen = [neuron["index"] for neuron in report["profile"]["spaces"][0]["neurons"][:3]]
    data = json.loads((folder / "i.json").read_text())
    scores = data["sets"][0]["scores"]["fc2"]
    assert chosen == sorted(range(14), key=lambda n: -scores[n])[:3]


def test_stored_results_are_shown_again(run: Run) -> None:
    run(*ASK, "--classes", "each", "--json", "i.json", "--csv", "i.csv", "--m", "4")
    code, out, err = run("importance", "--from", "i.json", "--m", "2")
    assert (code, err) == (0, "")
    assert "fc2: the top 2 of 14 neurons" in out
    code, out, err = run("importance", "--from", "i.csv", "--m", "2", *NET[0:1], *NET[1:])
    assert (code, err) == (0, "")
    assert "fc2: the top 2 of 14 neurons" in out
    assert "- " in out  # rows of a class are not known to an importance file
    run("importance", "--from", "i.json", "--json", "again.json", "--m", "4")
    first, again = (json.loads(Path(name).read_text()) for name in ("i.json", "again.json"))
    assert first == again


def test_stored_results_are_known_by_what_is_in_them(run: Run, folder: Path) -> None:
    run(*ASK, "--json", "i.json", "--csv", "i.csv")
    (folder / "i.csv.json").unlink()
    wanted = [run("importance", "--from", name)[1] for name in ("i.json", "i.csv")]
    (folder / "i.json").rename(folder / "j.txt")
    (folder / "i.csv").rename(folder / "c.txt")
    shown = [run("importance", "--from", name)[1] for name in ("j.txt", "c.txt")]
    assert shown == [text.replace("i.csv", "c.txt") for text in wanted]
    tree = run("layers", *NET, "--tree", "--importance", "c.txt")
    assert (tree[0], "share of importance: c.txt" in tree[1]) == (0, True)


def test_parts_of_stored_results_are_shown(run: Run) -> None:
    run(*ASK, "--classes", "each", "--method", "lrp,random", "--json", "i.json", "--m", "4")
    code, out, err = run("importance", "--from", "i.json", "--layers", "fc2", "--method", "random")
    assert (code, err) == (0, "")
    assert "fc2 *" in out
    assert ("fc1" in out, "lrp" in out, "method     random" in out) == (False, False, True)
    out = run("importance", "--from", "i.json", "--classes", "1")[1]
    assert ("\n1 " in out, "\n2 " in out, "common:" in out) == (True, False, False)
    assert "class  inputs" not in run("importance", "--from", "i.json", "--classes", "all")[1]
    refused = ("--reference", "app.py:train", "--correct", "all", "--lrp-rule", "z")
    code, out, err = run("importance", "--from", "i.json", *refused)
    assert (code, out) == (2, "")
    assert "--reference, --correct, --lrp-rule needs a model and data" in err


def test_a_csv_without_a_side_file_names_no_model(run: Run, folder: Path) -> None:
    (folder / "s.csv").write_text("LayerName,NeuronIndex,Score\nfc2,0,1\nfc2,1,3\n")
    code, out, _ = run("importance", "--from", "s.csv")
    assert code == 0
    assert "the file does not say which model it belongs to" in out
    assert "1 (75%)  0 (25%)" in out
    assert "does not say which model" in run("importance", "--from", "s.csv", *NET)[2]


def test_common_neurons_of_a_stored_report_of_a_run(run: Run, folder: Path) -> None:
    measure = ("measure", *NET, "--reference", "app.py:train", "--inputs", "late.npz", "--m", "3")
    run(*measure, "--classes", "each", "--report", "json:each.json")
    run(*measure, "--report", "json:all.json")
    code, out, err = run("importance", "--from", "each.json", "--m", "3", "--plots", "p")
    assert (code, err) == (0, "")
    assert "fc2: most important neurons, by rank (of 14 neurons)" in out
    assert "of all 3 classes" in out
    assert sorted(path.name for path in (folder / "p").iterdir()) == [
        "common-fc2.png",
        "common.png",
    ]
    assert run("importance", "--from", "all.json")[0] == 0
    double = json.loads((folder / "each.json").read_text())
    double["reports"] *= 2
    (folder / "double.json").write_text(json.dumps(double))
    assert "the first of 2 reports" in run("importance", "--from", "double.json")[1]
    double["reports"] = []
    (folder / "double.json").write_text(json.dumps(double))
    assert "no important neurons" in run("importance", "--from", "double.json")[2]
    code, _, err = run("importance", "--from", "all.json", "--plots", "p")
    assert code == 2
    assert "--idc-classes each" in err
    assert "another model" in run("importance", "--from", "each.json", "app.py:other")[2]
    out = run("importance", "--from", "each.json", "--classes", "1")[1]
    assert ("\n1 " in out, "\n2 " in out) == (True, False)
    assert "There are: 0, 1, 2" in run("importance", "--from", "each.json", "--classes", "x")[2]
    assert "by one method" in run("importance", "--from", "each.json", "--method", "lrp")[2]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((), "--from FILE"),
        (NET, "--reference pkg.mod:callable"),
        ((*NET, "--reference", "app.py:train", "--method", "lpr"), "did you mean lrp"),
        ((*NET, "--reference", "app.py:train", "--method", "bogus"), "The methods are lrp, "),
        ((*NET, "--reference", "app.py:train", "--method", ","), "names nothing"),
        ((*NET, "--reference", "app.py:train", "--layers", "fc5"), "fc"),
        ((*NET, "--reference", "app.py:train", "--layers", ","), "names nothing"),
        ((*NET, "--reference", "app.py:train", "--m", "0"), "number from 1"),
        ((*NET, "--reference", "app.py:train", "--m", "many"), "number from 1"),
        ((*NET, "--reference", "app.py:train", "--samples", "none"), "reference-samples"),
        ((*NET, "--reference", "app.py:train", "--classes", "9"), "classes: 0, 1, 2"),
        ((*NET, "--reference", "unlabelled.npz", "--classes", "each"), "needs data with labels"),
        ((*NET, "--reference", "none.npz"), "none.npz"),
        ((*NET, "--reference", "app.py:train", "--inputs", "none.npz"), "none.npz"),
        ((*NET, "--reference", "app.py:train", "--inputs", "narrow.npz"), "inputs of narrow.npz: "),
        ((*NET, "--reference", "app.py:train", "--inputs", "reference=late.npz"), "another name"),
        ((*NET, "--reference", "app.py:train", "--target", "17"), "3 classes"),
        ((*ASK[1:], "--class-names", "x,x,z"), "'x' is named twice"),
        ((*ASK[1:], "--class-names", "x,y"), "2 classes named (x, y), but the model has 3"),
        ((*NET, "--reference", "app.py:shifted", "--correct", "all"),
         "app.py:shifted: labels go from 7 to 9 and the model has 3 classes"),
        (("--from", "nowhere.json"), "cannot be read"),
        (("--from", "nowhere.csv"), "not found"),
        (("--from", "late.npz"), "it is no text in columns"),
        (("--from", "app.py"), "it has no column LayerName"),
        (("--from", "list.json"), "holds no importance"),
        (("--from", "other.json"), "holds no importance"),
        (("--from", "new.json"), "this version reads 1"),
        (("--from", "damaged.json"), "is damaged"),
        (("--from", "unfit.json"), "do not fit the layers"),
        (("--from", "i.json", "app.py:other"), "another model"),
        (("--from", "i.json", "--npz", "x.npz"), "--npz"),
        (("--from", "i.json", "--m", "none"), "number from 1"),
        (("--from", "i.json", "--layers", "fc22"), "did you mean fc2"),
        (("--from", "i.json", "--method", "random"), "There are: lrp"),
        (("--from", "i.json", "--classes", "each"), "--classes each: i.json holds nothing of it"),
        (("--from", "i.json", "--input-samples", "5"), "--input-samples needs a model"),
    ],
)  # fmt: skip
def test_mistakes(run: Run, folder: Path, arguments: tuple[str, ...], hint: str) -> None:
    if "--from" in arguments:
        run(*ASK, "--json", "i.json")
        good = json.loads((folder / "i.json").read_text())
        unfit = json.loads((folder / "i.json").read_text())
        unfit["sets"][0]["scores"]["fc2"].pop()
        for name, content in {
            "list": [1], "other": {"schema": "deepimportance-drift"}, "new": {**good, "format": 9},
            "damaged": {k: v for k, v in good.items() if k != "sets"}, "unfit": unfit,
        }.items():  # fmt: skip
            (folder / f"{name}.json").write_text(json.dumps(content))
    code, out, err = run("importance", *arguments)
    assert (code, out) == (2, "")
    assert hint in err
    assert "Traceback" not in err


def test_m_larger_than_a_layer_is_said(run: Run) -> None:
    code, out, _ = run(*ASK, "--m", "12")
    assert code == 0
    assert "m = 12 is more than the neurons of fc1 (10): all of them count there" in out
    everything = run(*ASK, "--m", "all")[1]
    assert everything == run(*ASK, "--m", "-1")[1]
    assert "is more than" not in everything


def test_files_that_cannot_be_written(run: Run, folder: Path) -> None:
    for option, ending in (("--json", ".json"), ("--csv", ".csv"), ("--npz", ".npz")):
        code, out, err = run(*ASK, option, f"app.py/x{ending}")
        assert (code, out) == (2, "")
        assert f"{option} app.py/x{ending} cannot be written" in err
        code, out, err = run(*ASK, option, "x.txt")
        assert (code, out) == (2, "")
        assert f"must end in {ending}" in err
    code, _, err = run(*ASK, "--plots", "app.py/x")
    assert code == 2
    assert "app.py" in err
    assert "written" in err
