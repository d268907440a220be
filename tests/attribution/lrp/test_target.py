"""Where relevance starts, and outputs and relevance that are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.nets import (
    Detector,
    LeNet,
    attribute,
    lrp,
    noise,
    realistic,
)


def test_targets() -> None:
    net, x = realistic(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))), noise(5, 4)
    scores = net(x)
    labels = torch.tensor([0, 1, 2, 0, 1])
    expected = {
        "predicted": scores.max(1).values,
        "label": scores.gather(1, labels[:, None])[:, 0],
        "1": scores[:, 1],
        2: scores[:, 2],
    }
    for target, start in expected.items():
        batch = lrp(net, x, target=target).attribute(as_call((x, labels)))
        assert batch.conservation.target == pytest.approx(float(start.detach().sum()))
        assert batch.activations.labels.tolist() == labels.tolist()
        assert batch.activations.predictions.tolist() == scores.argmax(1).tolist()
    assert (attribute(net, x).activations.labels == UNKNOWN).all()


@pytest.mark.parametrize(
    ("target", "words"),
    [("label", "without a label"), (7, "the model has 3 classes"), ("best", "neither")],
)
def test_targets_that_cannot_be_chosen(target: str | int, words: str) -> None:
    net, x = realistic(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))), noise(5, 4)
    with pytest.raises(AttributionError, match=words):
        attribute(net, x, target=target)


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_a_final_softmax_is_looked_through(last: nn.Module) -> None:
    net = realistic(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)))
    x = noise(5, 4)
    plain = attribute(net, x)
    engine = lrp(nn.Sequential(*net, last), x)
    batch = engine.attribute(as_call(x))
    torch.testing.assert_close(batch.relevance["0"], plain.relevance["0"])
    assert batch.conservation == plain.conservation
    (note,) = engine.notes
    assert "relevance starts from what it is given" in note


def test_an_output_without_class_scores_is_refused_with_both_settings() -> None:
    net, x = realistic(Detector()), noise(5, 4)
    with pytest.raises(AttributionError) as caught:
        attribute(net, x)
    message = str(caught.value)
    assert "output is a list of 5 dicts: not a class score" in message
    assert "Give idc_output = pkg.mod:callable" in message
    assert "idc_correct = all" in message
    batch = attribute(net, x, output=lambda out: torch.stack([row["boxes"] for row in out]))
    assert batch.conservation.balance < 1e-9


def test_rows_with_nan_are_left_to_the_caller() -> None:
    net, x = realistic(LeNet()), noise(3, 1, 28, 28)
    clean = attribute(net, x)
    x[1, 0, 3, 3] = float("nan")
    batch = attribute(net, x)
    assert batch.activations.finite().tolist() == [True, False, True]
    assert batch.conservation.rows == 2
    for name, relevance in batch.relevance.items():
        torch.testing.assert_close(relevance[[0, 2]], clean.relevance[name][[0, 2]])
        assert not relevance[1].any()


def test_relevance_that_is_not_finite_is_an_error_with_counts() -> None:
    class Net(Detector):
        def forward(self, x: Tensor) -> Tensor:
            h = self.body(x).sigmoid().clone()
            if h.requires_grad:
                h.register_hook(lambda gradient: torch.full_like(gradient, float("inf")))
            return self.head(h)

    net, x = realistic(Net()), noise(5, 4)
    with pytest.raises(AttributionError) as caught:
        attribute(net, x)
    assert "layer 'body' by lrp (epsilon 1e-06) is not finite for 5 of 5 inputs" in str(
        caught.value
    )
    assert "0 NaN, 30 infinite" in str(caught.value)


class _Counting(nn.Module):
    """Not the same twice: what it adds depends on how often it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.mid, self.head = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        h = self.body(x).relu()
        return self.head((self.mid(h) * self.calls).relu())


def test_a_forward_that_differs_names_the_first_layer() -> None:
    net, x = realistic(_Counting()), noise(5, 4)
    with pytest.raises(AttributionError, match="first at layer 'mid'"):
        attribute(net, x)
    lrp(net, x, check_forward=False).attribute(as_call(x))


def test_no_path_back_is_an_error() -> None:
    class Cut(Detector):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(self.head(self.body(x).relu()).detach().numpy()) * 2

    with pytest.raises(AttributionError, match=r"no path leads back.*; \.numpy\(\) in .*forward"):
        attribute(realistic(Cut()), noise(5, 4))


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_a_forward_without_gradients_is_followed(guard: Callable) -> None:
    class Guarded(LeNet):
        def forward(self, x: Tensor) -> Tensor:
            with guard():
                x = self.pool1(self.relu1(self.conv1(x)))
                x = self.pool2(self.relu2(self.conv2(x))).flatten(1).detach()
                x = self.relu3(self.fc1(x))
            return self.fc3(self.relu4(self.fc2(x)))

    x = noise(2, 1, 28, 28)
    plain, guarded = attribute(realistic(LeNet()), x), attribute(realistic(Guarded()), x)
    assert guarded.conservation == plain.conservation
    for name, relevance in plain.relevance.items():
        torch.testing.assert_close(guarded.relevance[name], relevance)


def test_unknown_settings_are_refused() -> None:
    net, x = realistic(LeNet()), noise(2, 1, 28, 28)
    sites = find_sites(net, as_call(x))
    with pytest.raises(AttributionError, match="no LRP rule 'gama'"):
        LrpAttribution(net, sites, ["fc2"], rule="gama")
    with pytest.raises(AttributionError, match=r"epsilon is -1\.0"):
        LrpAttribution(net, sites, ["fc2"], epsilon=-1)
    with pytest.raises(AttributionError, match="no layer"):
        LrpAttribution(net, sites, [])
    with pytest.raises(AttributionError, match="empty"):
        LrpAttribution(net, sites, ["fc2"]).attribute(as_call(x[:0]))
