"""The published votes of the research code: read in, and used for IDC on LeNet-5.

They are reference data without a licence and stay in the shared folder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from pytest_deepimportance import Importance, measure
from pytest_deepimportance.attribution.importance_fit import fitted_to
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import LayerError
from pytest_deepimportance.models.sites import find_sites
from tests.oracles import paper


@pytest.mark.parametrize(
    ("name", "layers", "total", "scored"),
    [
        ("lenet_mnist", {"conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84}, 103_125, 73),
        ("lenet_cifar10", {"conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84}, 85_965, 69),
        ("resnet18_cifar10", None, 85_965, 313),
        ("resnet18_imagenet", None, 8_808_030, 2936),
        ("vgg16_cifar10", None, 85_955, 91),
    ],
)
def test_the_files_are_read(name: str, layers: Any, total: int, scored: int) -> None:
    found = Importance.load(paper.shared("data", "voting", f"{name}.csv"))
    assert sum(float(scores.sum()) for scores in found.scores.values()) == total
    assert sum(int(np.count_nonzero(scores)) for scores in found.scores.values()) == scored
    if layers is not None:
        assert {layer: len(scores) for layer, scores in found.scores.items()} == layers
    assert found.fingerprint is None


def test_idc_on_lenet5_by_the_published_vote() -> None:
    path = paper.shared("data", "voting", "lenet_mnist.csv")
    x, y = paper.mnist("train")
    test = tuple(part[:500] for part in paper.mnist("test"))
    report = measure(
        paper.lenet("lenet5"), (x[:2000], y[:2000]), test, importance=path, preset="wisdom",
        criteria="IDC",
    )  # fmt: skip
    (space,) = report.profile.spaces
    first = [(row.layer, row.index) for row in space.neurons[:10]]
    assert first == [
        ("conv1", 3), ("conv1", 0), ("conv1", 5), ("conv2", 1), ("conv1", 2), ("conv1", 1),
        ("conv2", 7), ("conv2", 4), ("conv2", 8), ("fc2", 36),
    ]  # fmt: skip
    assert report.criteria["IDC"].total == 2**10
    assert report.profile.importance.source == str(path)
    assert "no fingerprint" in report.profile.importance.notes[0]


def test_widths_of_another_model_are_refused() -> None:
    sites = find_sites(paper.lenet("lenet1"), as_call(torch.rand(2, 1, 28, 28)))
    found = Importance.load(paper.shared("data", "voting", "lenet_mnist.csv"))
    with pytest.raises(LayerError, match="6 scores for layer 'conv1' of 4 neurons"):
        fitted_to(found, sites, "f" * 64)


def test_residual_ends_of_the_research_codes_resnet() -> None:
    """Its shortcuts are called shortcut_conv; in torchvision's net they are downsample.0."""
    net = torchvision.models.resnet18(weights=None).eval()
    sites = find_sites(net, as_call(torch.rand(2, 3, 64, 64)))
    found = Importance.load(paper.shared("data", "voting", "resnet18_cifar10.csv"))
    with pytest.raises(LayerError, match=r"no layer 'layer2\.0\.shortcut_conv'"):
        fitted_to(found, sites, "f" * 64)
    names = {name: name.replace("shortcut_conv", "downsample.0") for name in found.scores}
    renamed = Importance({names[name]: scores for name, scores in found.scores.items()})
    fitted = fitted_to(renamed, sites, "f" * 64)
    assert set(fitted.scores) == {site.name for site in sites.candidates()}
    whole = sum(float(scores.sum()) for scores in fitted.scores.values())
    assert whole == sum(float(scores.sum()) for scores in found.scores.values())
    assert any("the sum of layer2.0.conv2 and layer2.0.downsample.0" in n for n in fitted.notes)
