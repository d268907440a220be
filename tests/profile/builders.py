"""Small models with weights by formula, and data for them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.engine.profiles import describe_model
from pytest_deepimportance.profile.build import build
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import from_keywords

WIDTHS = (4, 10, 14, 3)


class Mlp(nn.Module):
    """Linear layers with an activation between them; random weights of a fixed seed."""

    def __init__(self, *widths: int, seed: int = 4, activation: Any = torch.relu) -> None:
        super().__init__()
        widths = widths or WIDTHS
        self.activation = activation
        generator = torch.Generator().manual_seed(seed)
        for number, (inputs, outputs) in enumerate(pairwise(widths), 1):
            layer = nn.Linear(inputs, outputs)
            with torch.no_grad():
                for parameter in layer.parameters():
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.7)
            setattr(self, f"fc{number}", layer)
        self.depth = len(widths) - 1

    def forward(self, x: Tensor) -> Tensor:
        for number in range(1, self.depth):
            x = self.activation(getattr(self, f"fc{number}")(x))
        scores: Tensor = getattr(self, f"fc{self.depth}")(x)
        return scores


def rows(
    count: int, seed: int = 1, *, wrong: int = 0, model: nn.Module | None = None
) -> tuple[Tensor, Tensor]:
    """Inputs with the classes the model predicts; the first `wrong` labels are of another class."""
    model = Mlp() if model is None else model
    width = next(model.parameters()).shape[1]
    x = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        scores = model.forward(x)
    y = scores.argmax(dim=1)
    y[:wrong] = (y[:wrong] + 1) % scores.shape[1]
    return x, y


def profile_of(
    data: Any = None, model: nn.Module | None = None, *, from_spec: bool = False, **settings: Any
) -> Profile:
    """Build a profile without engine, cache or chosen m (all clustered neurons count)."""
    model = Mlp() if model is None else model
    chosen = from_keywords(**settings)
    reference = open_reference(rows(200) if data is None else data, chosen, from_spec=from_spec)
    return build(model, reference, chosen, describe_model(model, "net.py:Mlp"))


def content(profile: Profile) -> dict[str, Any]:
    """Return all integers that decide a result, by space."""
    return {
        space.name: (
            space.neurons,
            space.ks,
            space.class_index,
            *(getattr(profile.counts[space.name], name).tolist()
              for name in ("codes", "classes", "counts", "fit_counts", "first_index")),
        )
        for space in profile.spaces
    }  # fmt: skip
