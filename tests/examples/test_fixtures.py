"""The committed weights are what fixtures/README.md and models.json say."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.examples.sample_modules import FIXTURES, ROOT, imported

FACTS = json.loads((FIXTURES / "models.json").read_text())


def correct(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> int:
    with torch.no_grad():
        found = torch.cat([model(part).argmax(1) for part in images.split(1000)])
    return int((found == labels).sum())


def test_digits_weights_reach_the_stated_accuracy() -> None:
    facts = FACTS["digits_lenet"]
    with imported(ROOT / "sample_project", "app", "model", "data") as app:
        model = app.model.load_classifier(FIXTURES / "digits_lenet.safetensors")
        reference, test = app.data.load_reference(), app.data.load_test()
    assert (len(reference[0]), len(test[0])) == (facts["reference_images"], facts["test_images"])
    # One image may lie so near a decision boundary that another processor rounds it over.
    assert correct(model, *reference) == pytest.approx(facts["reference_correct"], abs=1)
    assert correct(model, *test) == pytest.approx(facts["test_correct"], abs=1)


def test_split_is_balanced_and_complete() -> None:
    with imported(ROOT / "sample_project", "app", "data") as app:
        reference, test = app.data.split()
        labels = app.data.load_reference()[1]
    assert sorted([*reference, *test]) == list(range(1797))
    assert torch.bincount(labels).tolist() == [130] * 10


def test_both_digits_files_hold_the_same_weights() -> None:
    safe = load_file(FIXTURES / "digits_lenet.safetensors")
    pickled = torch.load(FIXTURES / "digits_lenet.pth", weights_only=True)
    assert safe.keys() == pickled.keys()
    assert all(torch.equal(safe[key], pickled[key]) for key in safe)


@pytest.mark.parametrize("name", ["digits_lenet.safetensors", "digits_lenet.pth"])
def test_files_are_small(name: str) -> None:
    assert (FIXTURES / name).stat().st_size < 150_000


def test_readme_states_the_facts() -> None:
    readme = (FIXTURES / "README.md").read_text()
    for facts in FACTS.values():
        assert f"{facts['test_correct']:,} of {facts['test_images']:,}" in readme


def test_mnist_weights_reach_the_stated_accuracy() -> None:
    pytest.importorskip("torchvision")
    root = Path(os.environ.get("IDC_DATA", "")) / "mnist"
    if "IDC_DATA" not in os.environ or not (root / "MNIST" / "raw").is_dir():
        pytest.skip("no MNIST: set IDC_DATA")
    with imported(ROOT / "sample_project" / "mnist", "mnist_app", "model", "data") as app:
        model = app.model.load_classifier(FIXTURES / "mnist_lenet5.safetensors")
        test = app.data.load_split(root, train=False)
    found = correct(model, test.data.unsqueeze(1) / 255, test.targets)
    assert found == pytest.approx(FACTS["mnist_lenet5"]["test_correct"], abs=2)
