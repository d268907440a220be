"""The echo: answers on made-up inputs tell changed code from the profiled model."""

from __future__ import annotations

import torch
from torch import nn

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.profile.echo import answers_alike, listen

CALL = as_call(torch.zeros(3, 5))


class Scaled(nn.Module):
    factor = 1.0

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x) * self.factor


def test_same_model_same_answers_other_constant_other_answers() -> None:
    model = Scaled().train()
    echo = listen(model, CALL)
    assert echo is not None
    assert echo.shape == (5,)
    assert answers_alike(echo, model)
    assert answers_alike(echo, Scaled().double())
    assert model.training
    model.factor = 1.1
    assert not answers_alike(echo, model)


def test_models_without_an_echo() -> None:
    class Named(Scaled):
        def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
            return self.fc(x) * scale

    class Random(Scaled):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x + torch.rand(5))

    assert listen(Named(), as_call({"x": torch.zeros(3, 5), "scale": torch.ones(3, 1)})) is None
    assert listen(Scaled(), as_call(torch.zeros(3, 7))) is None
    assert listen(nn.Embedding(5, 4), as_call(torch.zeros(3, dtype=torch.long))) is None
    random = Random()
    state = torch.get_rng_state()
    listen(random, CALL)
    assert torch.equal(torch.get_rng_state(), state)
