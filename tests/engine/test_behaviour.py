"""A few answers of a model, and when they say nothing to another session."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from pytest_deepimportance.data.reference import Reference, open_reference
from pytest_deepimportance.engine.behaviour import ROWS, answers
from pytest_deepimportance.settings import from_keywords

X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
MODEL = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))


def opened(source: Any, **settings: Any) -> Reference:
    return open_reference(source, from_keywords(**settings))


def test_answers_are_the_scores_of_the_first_rows_in_eval_mode() -> None:
    MODEL.train()
    state = torch.get_rng_state()
    found = answers(MODEL, opened(X))
    assert MODEL.training
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        wanted = MODEL.eval()(X[:ROWS]).double().numpy()
    assert found is not None
    assert (found == wanted).all()


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x)


class Shy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("no")


class Augmented(Dataset[Tensor]):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Tensor:
        return X[index] + torch.randn(3)


def test_what_cannot_be_compared_gives_no_answers() -> None:
    assert answers(Noisy(), opened(X)) is None
    assert answers(Shy(), opened(X)) is None
    assert answers(MODEL, opened(Augmented())) is None
    assert answers(MODEL, opened(iter([X]), memory=4)) is None
    assert answers(MODEL, opened(lambda: iter([X]))) is None
    assert answers(nn.Linear(3, 1), opened(X)) is None
