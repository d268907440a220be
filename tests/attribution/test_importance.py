"""Importance: ranking, files, and the reference values for the paper's nets."""

from __future__ import annotations

import gzip
import json
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pytest_deepimportance import importance
from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.errors import AttributionError, LayerError
from tests.attribution.nets import LeNet, noise, realistic
from tests.oracles import reference_lrp as slow

SHARED = Path(os.environ.get("IDC_SHARED", Path(__file__).parents[3] / "shared"))


def made(**scores: list[float]) -> Importance:
    return Importance({name: np.array(values) for name, values in scores.items()})


def test_top_is_descending_with_ties_by_layer_then_index() -> None:
    found = made(b=[0.5, -2.0, 0.5], a=[0.5, 3.0])
    raw = found.top(10, normalize="none")
    assert raw == [("a", 1, 3.0), ("b", 0, 0.5), ("b", 2, 0.5), ("a", 0, 0.5), ("b", 1, -2.0)]
    assert found.top(2, ["b"]) == [("b", 0, 0.5), ("b", 2, 0.5)]
    assert found.top(0) == []


def test_layers_are_compared_by_their_share() -> None:
    found = made(wide=[30.0, 20.0, 50.0], narrow=[0.9, -0.1], silent=[0.0])
    assert found.top(3) == [("narrow", 0, 0.9), ("wide", 2, 50.0), ("wide", 0, 30.0)]
    assert found.top(1, normalize="none") == [("wide", 2, 50.0)]
    share = found.importance_share()
    assert share["wide"] == pytest.approx(100 / 101)
    assert sum(share.values()) == pytest.approx(1)
    assert made(silent=[0.0]).importance_share() == {"silent": 0.0}


def test_an_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(LayerError, match="did you mean fc2"):
        made(fc2=[1.0], fc3=[2.0]).top(1, ["fc22"])


def test_scores_must_be_finite_vectors() -> None:
    with pytest.raises(AttributionError, match="1 values not finite"):
        made(a=[1.0, float("nan")])


def test_json_round_trip_is_exact() -> None:
    found = Importance(
        {"fc": np.array([0.1, 1 / 3]), "conv#1": np.array([-2e-17])},
        rows=7, method="lrp", rule="epsilon", target="predicted", balance=1e-7, input_share=0.9,
        notes=("said",), fingerprint="ab12",
    )  # fmt: skip
    text = json.dumps(found.to_json())
    read = Importance.from_json(json.loads(text))
    assert json.dumps(read.to_json()) == text
    assert read.notes == ("said",)
    assert list(read.scores) == ["fc", "conv#1"]
    with pytest.raises(AttributionError, match="format 9"):
        Importance.from_json({**json.loads(text), "format": 9})
    with pytest.raises(AttributionError, match="no importance file"):
        Importance.from_json({"format": 1, "wrong": 3})


def test_csv_round_trip_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    found = made(**{"layer, with comma": [0.1, 1 / 3], "b": [-2e-17]})
    found.to_csv(path)
    assert path.read_text().splitlines()[0] == "LayerName,NeuronIndex,Score"
    read = Importance.from_csv(path)
    assert {name: values.tolist() for name, values in read.scores.items()} == {
        name: values.tolist() for name, values in found.scores.items()
    }
    assert read.fingerprint is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("LayerName,Score\n", "no column NeuronIndex"),
        ("LayerName,NeuronIndex,Score\na,0,1\na,0,2\n", "line 3: a second row for neuron 0"),
        ("LayerName,NeuronIndex,Score\na,0,1\na,2,2\n", "no row for neuron 1"),
        ("LayerName,NeuronIndex,Score\na,0,=1+1\n", "line 2: could not convert"),
        ("LayerName,NeuronIndex,Score\na,0,inf\n", "line 2: neuron 0 with score inf"),
        ("LayerName,NeuronIndex,Score\na,x,1\n", "line 2"),
    ],
)
def test_malformed_csv_names_the_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(AttributionError, match=words):
        Importance.from_csv(path)


def test_importance_sums_over_batches() -> None:
    net, x = realistic(LeNet()), noise(7, 1, 28, 28)
    whole = importance(net, [x])
    parts = importance(net, iter([x[:3], (x[3:], torch.arange(4))]))
    assert list(whole.scores) == ["conv1", "conv2", "fc1", "fc2"]
    assert whole.rows == parts.rows == 7
    for name, scores in whole.scores.items():
        np.testing.assert_allclose(parts.scores[name], scores, rtol=1e-9, atol=1e-12)
    assert (whole.method, whole.rule, whole.target) == ("lrp", "epsilon 1e-06", "predicted")
    assert whole.balance is not None
    assert whole.balance < 1e-6
    assert whole.fingerprint
    one = importance(net, [x], layers=["fc2"], rule="z", target=3)
    assert list(one.scores) == ["fc2"]
    assert one.target == "3"


def test_importance_of_nothing_is_an_error() -> None:
    with pytest.raises(AttributionError, match="no input"):
        importance(LeNet(), [])


def test_the_last_layer_equals_the_closed_form() -> None:
    net, x = realistic(LeNet()), noise(6, 1, 28, 28)
    epsilon = 1e-3
    found = importance(net, [x], layers=["fc2"], epsilon=epsilon).scores["fc2"]
    kept: list[np.ndarray] = []
    net.relu4.register_forward_hook(lambda m, a, out: kept.append(out.detach().numpy()))
    predicted = net(x).argmax(1).tolist()
    weight, bias = (p.detach().numpy() for p in net.fc3.parameters())
    expected = sum(
        slow.last_layer(row, weight, bias, target, epsilon)
        for row, target in zip(kept[0], predicted, strict=True)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


# --- reference values (shared/oracles/idc) -----------------------------------------------------


def paper_net(name: str) -> nn.Sequential:
    """Build LeNet-1 or LeNet-5 of the paper, by shared/data/models/README.md."""
    first, second = {"lenet1": (4, 12), "lenet5": (6, 16)}[name]
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(1, first, 5), "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(first, second, 5), "relu2": nn.ReLU(), "pool2": nn.MaxPool2d(2),
        "flatten": nn.Flatten(),
    }  # fmt: skip
    if name == "lenet1":
        layers["fc1"] = nn.Linear(192, 10)
    else:
        layers |= {"fc1": nn.Linear(256, 120), "relu3": nn.ReLU(), "fc2": nn.Linear(120, 84)}
        layers |= {"relu4": nn.ReLU(), "fc3": nn.Linear(84, 10)}
    net = nn.Sequential(OrderedDict(layers))
    path = SHARED / "data" / "models" / f"deepimportance_{name}_mnist.pt"
    net.load_state_dict(torch.load(path, weights_only=True))
    return net.eval()


@pytest.mark.parametrize(("name", "layer"), [("lenet1", "relu2"), ("lenet5", "relu4")])
def test_importance_of_the_papers_nets(name: str, layer: str) -> None:
    images = SHARED / "data" / "mnist" / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    oracle = SHARED / "oracles" / "idc" / "expected_idc.npz"
    if not images.exists() or not oracle.exists():
        pytest.skip("shared data is absent (IDC_SHARED)")
    expected = np.load(oracle)
    pixels = gzip.decompress(images.read_bytes())
    raw = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 1, 28, 28)
    correct = np.unpackbits(expected[f"{name}_train_correct_packed"])[:60000].astype(bool)
    x = torch.from_numpy(raw[correct]).float().div_(255)
    found = importance(paper_net(name), x.split(512), layers=[layer], conserve_every=40)
    assert found.rows == int(correct.sum())
    scores = next(iter(found.scores.values()))
    reference = expected[f"{name}_all_importance"]
    np.testing.assert_allclose(scores, reference, rtol=1e-5)
    top = [index for _, index, _ in found.top(12)]
    assert top == expected[f"{name}_all_top"].tolist()
    assert found.balance is not None
    assert found.balance < 1e-3


def test_importance_of_a_sample_is_that_of_its_rows() -> None:
    net, x = realistic(LeNet()), noise(20, 1, 28, 28)
    sample = importance(net, x.split(3), samples=6, seed=2)
    assert (sample.rows, sample.seed) == (6, 2)
    again = importance(net, x.split(20), samples=6, seed=2)
    other = importance(net, x.split(3), samples=6, seed=3)
    np.testing.assert_allclose(again.scores["fc2"], sample.scores["fc2"])
    assert not np.allclose(other.scores["fc2"], sample.scores["fc2"])
    assert importance(net, x.split(3), samples=99).rows == 20
    assert importance(net, [x]).seed is None
    drawn = importance(net, [x], method="random", seed=4)
    assert drawn.seed == 4
    assert not np.allclose(drawn.scores["fc2"], importance(net, [x], method="random").scores["fc2"])
