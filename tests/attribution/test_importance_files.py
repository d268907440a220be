"""Importance files: what is written, what is read, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_deepimportance import Importance
from pytest_deepimportance.attribution.importance_files import side_file
from pytest_deepimportance.errors import AttributionError

HEAD = "LayerName,NeuronIndex,Score\n"


def made(**more: Any) -> Importance:
    scores = {"conv1": np.array([0.1, 1 / 3]), "fc#1": np.array([-2e-17, 0.0, 5.0])}
    known: dict[str, Any] = {"rows": 7, "method": "lrp", "target": "label", "fingerprint": "ab12"}
    return Importance(scores, **{**known, "seed": 3, "versions": {"torch": "2.9"}, **more})


def same(one: Importance, two: Importance) -> bool:
    return json.dumps(one.to_json()) == json.dumps(two.to_json())


@pytest.mark.parametrize("name", ["scores.csv", "scores.json", "SCORES.JSON", "scores"])
def test_a_saved_file_is_read_back_exactly(tmp_path: Path, name: str) -> None:
    found = made(by_class={2: {"conv1": np.array([1.0, 2.0])}}, notes=("said",), reference="rows-1")
    found.save(tmp_path / name)
    read = Importance.load(tmp_path / name)
    assert same(read, found)
    assert read.source == str(tmp_path / name)
    assert read.by_class[2]["conv1"].tolist() == [1.0, 2.0]
    first = (tmp_path / name).read_bytes()
    read.save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == first


def test_the_csv_is_the_research_codes_and_its_side_file_says_whose_it_is(tmp_path: Path) -> None:
    made().save(tmp_path / "scores.csv")
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[:3] == ["LayerName,NeuronIndex,Score", "conv1,0,0.1", f"conv1,1,{1 / 3!r}"]
    side = json.loads((tmp_path / "scores.csv.json").read_text())
    wanted = {"method": "lrp", "target": "label", "fingerprint": "ab12", "seed": 3, "rows": 7}
    assert {name: side[name] for name in wanted} == wanted
    assert side["versions"] == {"torch": "2.9"}
    assert "scores" not in side


def test_a_csv_without_a_side_file_says_nothing_about_a_model(tmp_path: Path) -> None:
    path = tmp_path / "research.csv"
    path.write_text("\ufeff" + HEAD + "b,1,2\nb,0,1\na,0,3.5\n", encoding="utf-8")
    read = Importance.load(path)
    assert {name: values.tolist() for name, values in read.scores.items()} == {
        "b": [1.0, 2.0], "a": [3.5]
    }  # fmt: skip
    assert (read.fingerprint, read.method, read.source) == (None, None, str(path))


def test_scores_changed_after_their_side_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    made().save(path)
    path.write_text(path.read_text().replace("conv1,0,0.1", "conv1,0,0.2"))
    with pytest.raises(AttributionError, match=r"other scores than scores\.csv\.json") as caught:
        Importance.load(path)
    assert str(side_file(path)) in caught.value.fix
    side_file(path).unlink()
    assert Importance.load(path).scores["conv1"][0] == 0.2


@pytest.mark.parametrize("start", ["=1+1", "+x", "-x", "@x", "\tx"])
def test_a_layer_name_that_a_spreadsheet_computes_is_not_written(
    tmp_path: Path, start: str
) -> None:
    found = Importance({start: np.ones(2)})
    with pytest.raises(AttributionError, match="formula") as caught:
        found.save(tmp_path / "scores.csv")
    assert "scores.json" in caught.value.fix
    assert not list(tmp_path.iterdir())
    found.save(tmp_path / "scores.json")
    assert list(Importance.load(tmp_path / "scores.json").scores) == [start]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column LayerName"),
        (HEAD, "it holds no row"),
        (HEAD + "a,0,1\na,0,2\n", "line 3: a second row for neuron 0"),
        (HEAD + "a,0,1\na,2,2\n", "no row for neuron 1"),
        (HEAD + "a,0,=1+1\n", "line 2: could not convert"),
        (HEAD + "a,0,nan\n", "line 2: neuron 0 with score nan"),
        (HEAD + "a,-1,1\n", "line 2: neuron -1"),
        (HEAD + "a,1.5,1\n", "line 2"),
        (HEAD + "a\n", "line 2"),
        (HEAD + 'a,0,1\n"b', "line 3"),
    ],
)
def test_a_malformed_csv_is_refused_in_three_parts(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(AttributionError, match=words) as caught:
        Importance.load(path)
    assert caught.value.why
    assert "LayerName,NeuronIndex,Score" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{", "is no importance file"),
        ("a.json", b"[1]", "is no importance file"),
        ("a.json", b'{"format": 1}', "no field 'scores'"),
        ("a.json", b'{"format": 9, "scores": {}}', "format 9"),
        ("a.json", b'{"format": 1, "scores": {"a": ["x"]}}', "no importance file"),
        ("a.json", b'{"format": 1, "scores": {"a": [NaN]}}', "not a finite vector"),
        ("a.json", b'{"format": 1, "scores": {"a": [1]}, "extra": 2}', "extra"),
        ("a.csv", b"\xff\xfe\x00", "no text in columns"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AttributionError, match=words):
        Importance.load(tmp_path / name)


def test_an_absent_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text(HEAD)
    with pytest.raises(AttributionError, match="not found") as caught:
        Importance.load(tmp_path / "vote.csv")
    assert "votes.csv" in caught.value.fix
    assert "deepimportance vote" in caught.value.fix


def test_the_side_file_is_no_file_of_scores(tmp_path: Path) -> None:
    made().save(tmp_path / "scores.csv")
    with pytest.raises(AttributionError, match="side file") as caught:
        Importance.load(tmp_path / "scores.csv.json")
    assert "scores.csv" in caught.value.fix
    (tmp_path / "scores.csv.json").write_text("nothing")
    with pytest.raises(AttributionError, match="no importance file"):
        Importance.load(tmp_path / "scores.csv")


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AttributionError, match="cannot be written"):
        made().save(tmp_path / "file" / "scores.csv")


def test_all_neurons_of_a_list() -> None:
    found = made()
    assert len(found.top(-1)) == 5
    assert found.top(-1)[:2] == found.top(2)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    for name in ("scores.txt", "scores.safetensors"):
        with pytest.raises(AttributionError, match=r"must end in .csv or .json"):
            made().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_misspelt_layer_is_guessed_where_no_model_is_at_hand(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(HEAD + "fc1,0,1\nfcl,1,2\n")
    with pytest.raises(AttributionError, match=r"'fcl' has no row for neuron 0") as caught:
        Importance.load(tmp_path / "scores.csv")
    assert "did you mean fc1?" in caught.value.fix
