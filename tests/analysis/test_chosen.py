"""Activations of the chosen neurons, and relevance over the input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pytest_deepimportance.analysis.chosen import chosen_activations, write_npz
from pytest_deepimportance.analysis.importances import Asked, importances
from pytest_deepimportance.analysis.input_relevance import MOST, input_maps
from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.engine.profiles import describe_model
from pytest_deepimportance.errors import ReportError
from pytest_deepimportance.settings import from_keywords
from tests.profile.builders import Mlp, rows

SETTINGS = from_keywords(batch_size=16)
X, Y = rows(40)


def test_values_of_the_most_important_neurons(tmp_path: Path) -> None:
    model = Mlp()
    report = importances(
        model, {"reference": open_reference((X, Y), SETTINGS)}, SETTINGS, Asked(m=3),
        info=describe_model(model),
    )  # fmt: skip
    late = rows(25, seed=4)
    found = chosen_activations(model, open_reference(late, SETTINGS), report, SETTINGS)
    path = write_npz(found, tmp_path / "new" / "chosen.npz")
    read = np.load(path, allow_pickle=False)
    with torch.no_grad():
        fc1 = torch.relu(model.fc1(late[0]))
        fc2 = torch.relu(model.fc2(fc1))
    tops = [("fc1", n) for n in report.whole()[0].top("fc1", 3)] + [
        ("fc2", n) for n in report.whole()[0].top("fc2", 3)
    ]
    assert read["names"].tolist() == [f"{layer}[{n}]" for layer, n in tops]
    assert read["values"].shape == (25, 6)
    for column, (layer, n) in enumerate(tops):
        expected = {"fc1": fc1, "fc2": fc2}[layer][:, n]
        assert read["values"][:, column] == pytest.approx(expected.numpy(), abs=1e-6)
        assert read["scores"][column] == report.whole()[0].scores[layer][n]
    assert read["labels"].tolist() == late[1].tolist()
    assert read["predictions"].tolist() == late[1].tolist()
    assert len(np.unique(read["digests"])) == 25
    assert str(read["fingerprint"]) == report.fingerprint
    with pytest.raises(ReportError, match="cannot be written"):
        write_npz(found, path / "x.npz")


class Pictures(nn.Module):
    """A small convolutional net on 5 x 5 images of two channels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(2, 3, 3, bias=False), nn.Linear(27, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).flatten(1))


def test_relevance_of_pixels_adds_up_to_the_score() -> None:
    torch.manual_seed(1)
    model, x = Pictures(), torch.rand(40, 2, 5, 5)
    with torch.no_grad():
        y = model(x).argmax(1)
    maps, why = input_maps(model, open_reference((x, y), SETTINGS), SETTINGS)
    assert why == ""
    assert len(maps) == MOST
    present = sorted({int(label) for label in y})
    assert [int(item.label) for item in maps[: len(present)]] == present
    for item in maps:
        assert item.label == item.predicted == str(int(y[item.row]))
        assert item.image == pytest.approx(x[item.row].mean(0).numpy())
        assert item.relevance.shape == (5, 5)
        assert np.abs(item.relevance).sum() == pytest.approx(1)
        gradient = torch.autograd.functional.jacobian(
            lambda v: model(v[None])[0].max(), x[item.row]
        )
        # Without biases epsilon-LRP of a ReLU net is input x gradient (up to epsilon).
        exact = (gradient * x[item.row]).sum(0).numpy()
        assert item.relevance == pytest.approx(exact / np.abs(exact).sum(), abs=1e-3)


def test_what_is_no_image_has_no_picture() -> None:
    maps, why = input_maps(Mlp(), open_reference((X, Y), SETTINGS), SETTINGS)
    assert (maps, why) == ([], "the inputs are no images (N, C, H, W)")
