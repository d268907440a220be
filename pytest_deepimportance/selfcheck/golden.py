"""The case that can be checked by hand: two neurons, two clusters each, 50 % and then 75 %.

Reference values {0, 0, 10, 10} and {0, 5, 0, 5} give centroids {0, 10} and {0, 5}, so there are
four combinations. The inputs (1, 1), (9, 1), (9, 2) show two of them; (0, 5) shows a third.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pytest_deepimportance.checks import Check
from pytest_deepimportance.engine.measuring import record
from pytest_deepimportance.engine.profiles import build_profile

_REFERENCE = ((0.0, 0.0), (0.0, 5.0), (10.0, 0.0), (10.0, 5.0))
_SUITES = (
    ("three inputs", ((1.0, 1.0), (9.0, 1.0), (9.0, 2.0)), "2 of 4"),
    ("a fourth", ((0.0, 5.0),), "3 of 4"),
)


class _Identity(nn.Module):
    """Two hidden neurons that pass their inputs on."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(2, 2), nn.Linear(2, 2)
        with torch.no_grad():
            for layer in (self.hidden, self.out):
                layer.weight.copy_(torch.eye(2))
                layer.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 2) scores of (N, 2) inputs."""
        scores: Tensor = self.out(torch.relu(self.hidden(x)))
        return scores


def golden() -> Iterator[Check]:
    """Yield the checks of the golden case."""
    model = _Identity()
    profile = build_profile(model, torch.tensor(_REFERENCE), min_values=2, m=2, criteria="IDC")
    with record(model, profile, criteria="IDC") as recording, torch.no_grad():
        for name, inputs, expected in _SUITES:
            model(torch.tensor(inputs))
            row = recording.report().criteria["IDC"]
            yield Check(f"IDC by hand: {name}", expected, f"{row.covered} of {row.total}")
