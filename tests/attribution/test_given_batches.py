"""What `importance` and `vote` are given: batches in every form, and models without a hidden layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance import importance, vote
from pytest_deepimportance.data.calls import ROWS, calls_of
from pytest_deepimportance.errors import BatchError, LayerError
from tests.attribution.nets import noise, realistic

ASKED: dict[str, Callable[[nn.Module, Any], Any]] = {
    "importance": lambda model, batches: importance(model, batches, target="label"),
    "vote": lambda model, batches: vote(model, batches, ["lrp", "deeplift"], 2, target="label"),
}


def net() -> nn.Module:
    return realistic(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)))


@pytest.mark.parametrize("asked", ASKED.values(), ids=list(ASKED))
@pytest.mark.parametrize("form", ["pair", "list", "mapping"])
def test_data_as_a_whole_are_what_they_are_as_one_batch(
    asked: Callable[[nn.Module, Any], Any], form: str
) -> None:
    x, y = noise(8, 4), torch.arange(8) % 3
    given = {"pair": (x, y), "list": [x, y], "mapping": {"input": x, "labels": y}}[form]
    whole, batches = asked(net(), given), asked(net(), [(x, y)])
    assert whole.rows == 8
    assert {n: s.tolist() for n, s in whole.scores.items()} == {
        n: s.tolist() for n, s in batches.scores.items()
    }


def test_a_tensor_is_all_inputs_and_cut_into_batches() -> None:
    x = noise(ROWS + 5, 4)
    assert importance(net(), x).rows == ROWS + 5
    assert [call.rows for call in calls_of(x)] == [ROWS, 5]


def test_two_tensors_of_one_form_are_two_batches() -> None:
    assert [call.rows for call in calls_of((noise(3, 4), noise(3, 4)))] == [3, 3]
    assert [call.rows for call in calls_of([noise(3, 4), noise(5, 4)])] == [3, 5]
    assert [call.rows for call in calls_of((noise(3, 4), noise(3, 1)))] == [3]


@pytest.mark.parametrize("given", ["reference.py:data", None, 3])
def test_what_is_no_data_is_refused(given: Any) -> None:
    with pytest.raises(BatchError, match=r"(?s)batches is .*Give x, \(x, y\), a list of batches"):
        importance(net(), given)


@pytest.mark.parametrize("asked", ASKED.values(), ids=list(ASKED))
def test_a_model_of_its_output_layer_alone(asked: Callable[[nn.Module, Any], Any]) -> None:
    told = r"(?s)no hidden layer \(only Linear\).*The output layer is never a candidate"
    with pytest.raises(LayerError, match=told):
        asked(realistic(nn.Linear(4, 3)), noise(4, 4))


@pytest.mark.parametrize("asked", ASKED.values(), ids=list(ASKED))
def test_torchscript_is_asked_for_the_eager_model(asked: Callable[[nn.Module, Any], Any]) -> None:
    scripted = torch.jit.trace(net(), noise(2, 4))
    told = r"(?s)TorchScript \(Sequential\).*Hooks never fire.*Give the eager module"
    with pytest.raises(LayerError, match=told):
        asked(scripted, noise(4, 4))


def test_hidden_layers_inside_torchscript_are_named() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inner = nn.Sequential(nn.Linear(4, 5), nn.ReLU()).double()
            self.body = torch.jit.trace(inner, noise(2, 4))
            self.head = nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x))

    with pytest.raises(LayerError, match="not measured: body: TorchScript"):
        importance(Half().double(), noise(4, 4))


@pytest.mark.parametrize(
    "settings", [{"method": "deeplift-shap"}, {"method": "lc", "baseline": "mean"}]
)
def test_baselines_drawn_from_the_first_batch_are_said(settings: dict[str, str]) -> None:
    x, method = noise(24, 4), settings["method"]
    others = {name: value for name, value in settings.items() if name != "method"}
    said = "the sample of inputs is drawn from the first batch alone"
    assert any(said in note for note in importance(net(), [x, x], **settings).notes)
    assert any(said in note for note in vote(net(), [x, x], [method], 2, **others).notes)
    plain = vote(net(), [x, x], ["lc", "deeplift"], 2)
    assert not any(said in note for note in plain.notes)
