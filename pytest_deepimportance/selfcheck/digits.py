"""A trained network on scikit-learn's digits: importance, clusters and coverage, end to end.

The network, its weights and the split are those of the project's `sample_project`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pytest_deepimportance.checks import Check
from pytest_deepimportance.engine.measuring import record
from pytest_deepimportance.engine.profiles import build_profile
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.selfcheck.stored import cases, weights

_REFERENCE_PER_DIGIT = 130
_CRITERIA = "IDC"


class DigitsLeNet(nn.Module):
    """LeNet for 8 x 8 images: (N, 1, 8, 8) pixels in 0..1 to (N, 10) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 64), nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        x = torch.max_pool2d(torch.relu(self.conv1(images)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2).flatten(1)
        logits: Tensor = self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))
        return logits


def digits() -> Iterator[Check]:
    """Yield the checks of the digits network."""
    stored = cases()["digits"]
    model = DigitsLeNet().eval()
    model.load_state_dict(weights())
    reference, test = split()
    profile = build_profile(model, images_of(reference), criteria=_CRITERIA)
    (space,) = profile.spaces
    chosen = [index for _, index in space.neurons[: space.m]]
    yield Check("digits: important neurons of fc2", str(stored["neurons"]), str(chosen))
    reach = profile.counts[space.name].prefix(space.m).reach
    yield Check("digits: combinations reached", stored["reach"], f"{reach} of {space.total()}")
    images, labels = images_of(test)
    for name, most in (("all digits", 10), ("without 7, 8, 9", 7)):
        yield _suite(model, profile, name, images[labels < most])


def _suite(model: nn.Module, profile: Profile, name: str, images: Tensor) -> Check:
    with record(model, profile, criteria=_CRITERIA) as recording, torch.no_grad():
        model(images)
    row = recording.report().criteria["IDC"]
    found = f"{row.covered} of {row.total}, share {row.exercised_rows} of {row.reference_rows}"
    return Check(f"digits: {name}", cases()["digits"]["suites"][name], found)


def split() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row numbers of the 1,300 reference and the 497 test images."""
    from sklearn.datasets import load_digits

    labels = load_digits().target
    random = np.random.RandomState(0)  # the one numpy generator whose stream never changes
    chosen = [
        random.permutation(np.flatnonzero(labels == digit))[:_REFERENCE_PER_DIGIT]
        for digit in range(10)
    ]
    reference = np.sort(np.concatenate(chosen))
    return reference, np.setdiff1d(np.arange(len(labels)), reference)


def images_of(rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return images (N, 1, 8, 8), pixels in 0..1, and labels (N,)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy(data.images[rows] / 16).float().unsqueeze(1)
    return images, torch.from_numpy(data.target[rows]).long()
