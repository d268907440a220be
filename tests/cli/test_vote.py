"""`deepimportance vote` on a small model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_deepimportance import Importance, vote
from tests.cli.conftest import Run
from tests.profile.builders import Mlp, rows

VOTE = (
    "vote",
    "net.pth",
    "--factory",
    "app.py:net",
    "--reference",
    "app.py:train",
    "--batch-size",
    "50",
)
METHODS = ("--methods", "lrp,lgxa,activation")


def test_the_file_is_that_of_the_api(run: Run, folder: Path) -> None:
    code, out, err = run(*VOTE, *METHODS, "--m", "4", "--out", "votes.csv")
    assert (code, err) == (0, "")
    x, y = rows(200, wrong=10)
    wanted = vote(Mlp(), list(zip(x.split(50), y.split(50), strict=True)), "lrp,lgxa,activation", 4)
    found = Importance.load(folder / "votes.csv")
    assert {n: s.tolist() for n, s in found.scores.items()} == {
        n: s.tolist() for n, s in wanted.scores.items()
    }
    assert found.votes == wanted.votes
    for text in ("4 batches voted", "gradient-x-activation", "m = 4, mode weighted", "top        fc",
                 "written    votes.csv, votes.csv.json", "--idc-importance votes.csv"):  # fmt: skip
        assert text in out
    side = json.loads((folder / "votes.csv.json").read_text())
    assert side["fingerprint"] == wanted.fingerprint
    assert side["reference"]


def test_the_file_is_used_by_a_profile(run: Run, folder: Path) -> None:
    run(*VOTE, *METHODS, "--out", "votes.csv")
    build = ("profile", "build", *VOTE[1:6], "--importance", "votes.csv", "--scope", "global")
    code, out, err = run(*build, "-o", "net.idc")
    assert (code, err) == (0, "")
    assert "importance vote of activation, gradient-x-activation, lrp" in out
    assert "read from votes.csv" in out
    assert "normalize=none" in out
    (folder / "other.csv").write_text("LayerName,NeuronIndex,Score\nfc9,0,1\n")
    code, _, err = run(*build[:7], "--importance", "other.csv", "-o", "b.idc")
    assert code == 2
    assert "importance other.csv: the model has no layer 'fc9'" in err


def test_a_missing_folder_is_made_and_said(run: Run, folder: Path) -> None:
    code, out, _ = run(*VOTE, "--methods", "random", "--out", "new/er/votes.json")
    assert code == 0
    assert out.startswith("made       folder new/er\n")
    assert (folder / "new" / "er" / "votes.json").is_file()


def test_a_folder_that_takes_no_file_is_said_before_anything_runs(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(dir: Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    monkeypatch.setattr("pytest_deepimportance.models.loading.load", None)
    code, out, err = run(*VOTE, *METHODS, "--out", "v.csv")
    assert (code, out) == (2, "")
    assert "--out v.csv cannot be written: Permission denied" in err
    ask = ("importance", *VOTE[1:6], "--json", "i.json")
    assert "--json i.json cannot be written: Permission denied" in run(*ask)[2]
    fit = ("selector", "fit", *VOTE[1:6], "-o", "s.safetensors")
    assert "--out s.safetensors cannot be written: Permission denied" in run(*fit)[2]


def test_the_next_command_has_what_this_one_was_given(run: Run, folder: Path) -> None:
    _, out, _ = run(*VOTE, *METHODS, "--out", "my votes.csv", "--tap", "pre", "--scope", "layer")
    (line,) = [line for line in out.splitlines() if line.startswith("use it")]
    assert line == (
        "use it     pytest --idc-model net.pth --idc-factory app.py:net --idc-reference app.py:train "
        "--idc-tap pre --idc-importance 'my votes.csv' --idc-scope all"
    )


def test_options_reach_the_vote(run: Run, folder: Path) -> None:
    code, out, _ = run(
        *VOTE, *METHODS, "--out", "votes.json", "--mode", "winner", "--scope", "layer", "--by",
        "class", "--points", "one", "--normalize", "rank", "--sign", "absolute", "--m", "all",
        "--layers", "fc2", "--target", "label", "--seed", "7", "--lrp-rule", "z",
    )  # fmt: skip
    assert code == 0
    found = Importance.load(folder / "votes.json")
    votes = found.votes
    assert votes is not None
    assert (votes.mode, votes.scope, votes.by, votes.points) == ("winner", "layer", "class", "one")
    assert (votes.normalize, votes.sign, votes.m) == ("rank", "absolute", None)
    assert (list(found.scores), found.target, found.seed) == (["fc2"], "label", 7)
    assert "written    votes.json\n" in out
    assert "all neurons" in out


def test_a_vote_goes_on_from_its_checkpoint(run: Run, folder: Path) -> None:
    kept = ("--checkpoint", "vote.ckpt", "--checkpoint-every", "1")
    code, out, _ = run(*VOTE, *METHODS, "--out", "a.csv", *kept)
    assert (code, "goes on" in out) == (0, False)
    code, out, _ = run(*VOTE, *METHODS, "--out", "b.csv", *kept)
    assert (code, "goes on    from vote.ckpt: 4 batches done before\n" in out) == (0, True)
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()
    code, _, err = run(*VOTE, *METHODS, "--out", "c.csv", "--m", "3", *kept)
    assert code == 2
    assert "m was 10, now it is 3" in err
    err = run(*VOTE, *METHODS, "--out", "c.csv", "--lrp-rule", "gamma", *kept)[2]
    assert "another vote: rule was epsilon, now it is gamma\n" in err
    err = run(*VOTE, *METHODS, "--out", "c.csv", "--layers", "fc2", *kept)[2]
    assert "layers was fc1, fc2, now it is fc2\n" in err


def test_an_interrupted_vote_says_how_to_go_on(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: object, call: object) -> None:
        raise KeyboardInterrupt

    kept = ("--checkpoint", "vote.ckpt")
    with monkeypatch.context() as patch:
        patch.setattr("pytest_deepimportance.attribution.judging.Judge.judge", interrupted)
        code, _, err = run(*VOTE, *METHODS, "--out", "a.csv", *kept)
        assert (code, "nothing was written" in err) == (130, True)
        (folder / "vote.ckpt").write_text("")
        patch.setattr("pytest_deepimportance.attribution.tally.Checkpoint.read", lambda self: None)
        code, _, err = run(*VOTE, *METHODS, "--out", "a.csv", *kept)
        assert code == 130
        assert "the same command goes on from vote.ckpt" in err
    assert not (folder / "a.csv").exists()


def test_abstaining_and_early_layers_are_shown(run: Run, folder: Path) -> None:
    (folder / "app.py").write_text(
        (folder / "app.py").read_text()
        + "\n\ndef numb():\n    net = Mlp()\n    net.fc3.weight.data.zero_()\n    return net\n"
    )
    code, out, err = run("vote", "app.py:numb", *VOTE[4:], *METHODS, "--out", "votes.csv")
    assert code == 2
    assert "4 of them abstained" in out
    assert "no neuron has a point" in out
    assert "nobody voted" in out
    assert "use it" not in out
    assert "no neuron has a point: votes.csv is not written" in err
    assert "--by sample" in err
    assert not (folder / "votes.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((*VOTE[:4], *METHODS, "--out", "v.csv"), "--reference"),
        ((*VOTE, "--methods", "lpr", "--out", "v.csv"), "did you mean"),
        ((*VOTE, "--methods", ",", "--out", "v.csv"), "no attribution method is named"),
        ((*VOTE, "--methods", "lrp,lrp", "--out", "v.csv"), "named twice"),
        ((*VOTE, *METHODS, "--out", "."), "is a folder"),
        ((*VOTE, *METHODS, "--out", "app.py/v.csv"), "cannot be written"),
        ((*VOTE, *METHODS, "--out", "v.txt"), "must end in .csv or .json"),
        ((*VOTE, *METHODS, "--out", "v"), "must end in .csv or .json"),
        ((*VOTE, *METHODS, "--out", "v.csv", "--m", "0"), "m = '0'"),
        ((*VOTE, *METHODS, "--out", "v.csv", "--checkpoint-every", "0"), "number of batches"),
        ((*VOTE, *METHODS, "--out", "v.csv", "--checkpoint-every", "-5"), "number of batches"),
        ((*VOTE, *METHODS, "--out", "v.csv", "--mode", "wiser"), "winner or wisdom"),
        ((*VOTE, *METHODS, "--out", "v.csv", "--layers", ","), "names no layer"),
        ((*VOTE, *METHODS, "--out", "v.csv", "--layers", "fc22"), "did you mean"),
        ((*VOTE, *METHODS, "--out", "v.csv", "--checkpoint", "app.py"), "no checkpoint of a vote"),
    ],
)
def test_mistakes(run: Run, folder: Path, arguments: tuple[str, ...], hint: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert hint in err
    assert "Traceback" not in err
    assert not list(folder.glob("v*"))
