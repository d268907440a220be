"""`importance` never hands out a wrong number in silence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance import importance
from pytest_deepimportance.errors import AttributionError
from tests.attribution.nets import noise, realistic


def net() -> nn.Module:
    return realistic(
        nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    )


@pytest.mark.parametrize("method", ["lrp", "activation"])
def test_rows_that_are_not_finite_are_counted_and_said(method: str) -> None:
    x = noise(9, 4)
    clean = importance(net(), [x[1:]], method=method)
    x[0] = float("nan")
    found = importance(net(), [x], method=method)
    assert found.rows == clean.rows == 8
    assert any(note.startswith("1 input of 9 left out: ") for note in found.notes)
    for name, scores in clean.scores.items():
        torch.testing.assert_close(torch.tensor(found.scores[name]), torch.tensor(scores))


def test_nothing_usable_is_an_error() -> None:
    with pytest.raises(AttributionError, match="none of 5 inputs gives relevance"):
        importance(net(), [torch.full((5, 4), float("inf"), dtype=torch.float64)])
    with pytest.raises(AttributionError, match="what the target returns"):
        importance(net(), [noise(5, 4)], target=lambda out: float("nan") * out[:, 0])


def test_scores_that_are_all_zero_are_said() -> None:
    model = net()
    with torch.no_grad():
        model[-1].weight.zero_()  # type: ignore[union-attr, operator]
    notes = importance(model, [noise(5, 4)]).notes
    assert "all scores are 0 (lrp): the target depends on no neuron" in notes


class Overwriting(nn.Module):
    """Writes through views what autograd kept of a relu (torch's own remedy misses such writes)."""

    def __init__(self, view: str) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.view = view

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x).relu()
        if self.view == "operator":
            y[:, 1:3] += 1
        elif self.view == "method":
            part = y.t()[1:3]
            part.add_(1)
        else:
            y = torch.cat([y[:, :1], y[:, 1:3] + 1, y[:, 3:]], 1)
        return self.c(self.b(y).relu())


@pytest.mark.parametrize("view", ["operator", "method"])
def test_what_is_overwritten_through_a_view_leaves_relevance_right(view: str) -> None:
    x = noise(16, 6)
    inside, outside = (importance(realistic(Overwriting(way)), [x]) for way in (view, "none"))
    assert inside.balance is not None
    assert inside.balance < 1e-9
    assert inside.input_share == pytest.approx(outside.input_share)
    for name, scores in outside.scores.items():
        torch.testing.assert_close(torch.tensor(inside.scores[name]), torch.tensor(scores))
    assert not inside.notes
