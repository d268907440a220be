"""What is said of a user's forward: what it raises, where it cuts gradients off, how it is wrapped."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pytest_deepimportance import build_profile, importance, vote
from pytest_deepimportance.errors import (
    AttributionError,
    ForwardError,
    MethodUnavailable,
    ReferenceDataError,
)
from tests.attribution.method_nets import CAPTUM, Cut, run
from tests.attribution.nets import LeNet, noise, realistic


def test_what_the_forward_raises_is_told_with_the_batch_and_the_line() -> None:
    class OfFewColumns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(4, 3), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            if bool((x > 100).any()):
                raise KeyError("my own")
            return self.head(self.body(x).relu())

    model, x = realistic(OfFewColumns()), noise(8, 4)
    told = r"(?s)forward raised KeyError: 'my own'\nOfFewColumns \(.*test_forwards.py:\d+, in forward\)"
    with pytest.raises(ForwardError, match=told + " on inputs of batch 1: a tensor") as caught:
        importance(model, [x, x + 200])
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ForwardError, match=told + " on inputs of batch 1: a tensor"):
        vote(model, [x, x + 200], ["lrp"], 2)
    rows = torch.cat([x, x, x + 200])
    with pytest.raises(
        ReferenceDataError, match=told + " on inputs of .*, rows 16 to 23: a tensor"
    ):
        build_profile(model, rows, batch_size=8, min_values=2)


def test_data_parallel_is_taken_off_and_said() -> None:
    model, x = realistic(LeNet()), noise(2, 1, 28, 28)
    wrapped, plain = importance(nn.DataParallel(model), [x]), importance(model, [x])
    assert wrapped.fingerprint == plain.fingerprint
    for name, scores in plain.scores.items():
        assert scores.tolist() == wrapped.scores[name].tolist()
    assert "DataParallel: the module inside it is what runs" in wrapped.notes[0]
    voted = vote(nn.DataParallel(model), [x], ["deeplift"], 2)
    assert any("the module inside it" in note for note in voted.notes)
    profile = build_profile(nn.DataParallel(model), torch.cat([x] * 5))
    assert "the module inside it" in profile.model.notes[0]


class Overwriting(nn.Module):
    """Writes into what the layers return and does not use what the functions give back."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)
        self.hidden, self.head = nn.Linear(64, 8), nn.Linear(8, 3)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        if not self.in_place:
            hidden = self.hidden(self.second(first.relu()).relu().flatten(1))
            return self.head(hidden.relu())
        F.relu_(first)
        second = self.second(first)
        F.relu_(second)
        hidden = self.hidden(second.flatten(1))
        F.relu_(hidden)
        return self.head(hidden)


@pytest.mark.parametrize("method", CAPTUM)
def test_functions_in_place_whose_result_is_ignored(method: str) -> None:
    plain, x = realistic(Overwriting(False)), noise(3, 1, 8, 8)
    writing = Overwriting(True).double().eval()
    writing.load_state_dict(plain.state_dict())
    wanted, found = (run(method, m, x, steps=3, samples=2).relevance for m in (plain, writing))
    assert wanted.keys() == found.keys() == {"first", "second", "hidden"}
    for name, values in wanted.items():
        torch.testing.assert_close(found[name], values)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (
            "a leaf Variable that requires grad is being used in an in-place operation.",
            "writes into",
        ),
        ("Inference tensors do not track version counter.", r"under torch.inference_mode\(\)"),
        ("element 0 of tensors does not require grad and has no grad_fn", r"by torch.no_grad\(\)"),
    ],
)
def test_what_torch_says_of_a_forward_is_told_by_its_cause(
    words: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(words)

    monkeypatch.setattr("captum.attr.LayerConductance.attribute", fails)
    with pytest.raises(MethodUnavailable, match=rf"conductance cannot run.* {cause}"):
        run("lc", realistic(Cut()), noise(2, 1, 3, 3))


class CutOff(nn.Module):
    def __init__(self, cut: str) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 3)
        self.cut = cut

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).relu()
        if self.cut == "torch.no_grad()":
            with torch.no_grad():
                return self.head(hidden)
        scores = self.head(hidden)
        if self.cut == ".numpy()":
            return torch.from_numpy(scores.detach().numpy())
        if self.cut == ".tolist()":
            return torch.tensor(scores.tolist(), dtype=scores.dtype)
        return scores.data if self.cut == ".data" else scores.detach()


@pytest.mark.parametrize("cut", ["torch.no_grad()", ".detach()", ".data", ".numpy()", ".tolist()"])
def test_what_cuts_the_output_off_is_named_with_its_line(cut: str) -> None:
    model, x = realistic(CutOff(cut)), noise(5, 4)
    told = rf"{re.escape(cut)} in .*test_forwards.py:\d+, in forward"
    with pytest.raises(AttributionError, match=f"no path leads back.*{told}") as caught:
        importance(model, x, method="gradient-x-activation")
    assert f"{cut} out of the forward pass" in caught.value.fix
    if "or use lrp" in caught.value.fix:
        assert isinstance(caught.value, MethodUnavailable)
        assert importance(model, x).scores["body"].any()
    else:
        with pytest.raises(AttributionError, match=told):
            importance(model, x)
