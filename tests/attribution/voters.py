"""Made-up attribution methods, whose scores a test can compute by hand, and a net for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance import methods
from pytest_deepimportance.attribution import base
from pytest_deepimportance.attribution.base import AttributionBatch, Conservation
from pytest_deepimportance.attribution.lrp.running import undisturbed
from pytest_deepimportance.attribution.observing import observe
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.errors import MethodUnavailable

Scoring = Callable[[str, Tensor], Tensor]


class Made:
    """Scores are what a function makes of each layer's activations; see `register`."""

    name = "made"
    scoring: Scoring
    asked: list[int]

    def __init__(
        self, model: nn.Module, sites: Any, layers: Sequence[str], *, target: Any = "predicted",
        tap: str = "post", output: Any = None,
    ) -> None:  # fmt: skip
        self._model, self._layers, self._tap = model, list(layers), tap
        self._sites = [sites.find(layer) for layer in layers]

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    def attribute(self, call: ModelCall) -> AttributionBatch:
        self.asked.append(call.rows)
        with undisturbed(self._model):
            seen = observe(
                self._model, self._sites, call, tap=self._tap, reduce="mean", output=None
            )
        scores = {name: type(self).scoring(name, seen.values[name].values) for name in self._layers}
        return AttributionBatch(seen.batch(call, self._layers), scores, Conservation())


def register(patch: pytest.MonkeyPatch, name: str, scoring: Scoring) -> list[int]:
    """Make a method of that name known; return the list that its batches' rows go into."""
    asked: list[int] = []
    kind = type(
        f"Made_{name}", (Made,), {"name": name, "scoring": staticmethod(scoring), "asked": asked}
    )
    globals()[f"Made_{name}"] = kind
    _known(patch, name, f"Made_{name}")
    return asked


def refuse(patch: pytest.MonkeyPatch, name: str, reason: str) -> None:
    """Make a method known that cannot run."""

    class Never(Made):
        def __init__(self, *given: Any, **named: Any) -> None:
            raise MethodUnavailable(reason)

    globals()[f"Never_{name}"] = Never
    _known(patch, name, f"Never_{name}")


def _known(patch: pytest.MonkeyPatch, name: str, factory: str) -> None:
    patch.setattr(methods, "METHOD_NAMES", (*methods.METHOD_NAMES, name))
    patch.setitem(base.METHODS, name, f"{__name__}:{factory}")  # type: ignore[arg-type]


def planted(seed: int = 0) -> nn.Sequential:
    """A net whose answer hangs on neuron 3 of the second layer alone."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)
    ).double()
    with torch.no_grad():
        net[4].weight.mul_(0.01)
        net[4].bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
        net[2].weight[3] = net[2].weight[3].abs()
        net[2].bias[3] = 1.0
        net[4].weight[:, 3] = torch.tensor([-8.0, 4.0, 4.2])
    return net
