"""docs/architectures.md: every torchvision model of the issue is there, and within the targets."""

from __future__ import annotations

from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "architectures.md"
ROWS = {
    cells[1]: cells[2:]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and len(cells := [cell.strip() for cell in line.split("|")]) == 9
}
MODELS = [
    "alexnet",
    "vgg16",
    "vgg16_bn",
    "squeezenet1_1",
    "googlenet",
    "inception_v3",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "densenet121",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "shufflenet_v2_x1_0",
    "mnasnet1_0",
    "regnet_y_400mf",
    "convnext_tiny",
    "vit_b_16",
    "swin_t",
    "maxvit_t",
]


@pytest.mark.parametrize("name", MODELS)
def test_a_row_is_within_the_targets(name: str) -> None:
    balance, _, forward, _, memory, lacks, _ = ROWS[name]
    assert float(balance) < 1e-3
    assert float(forward) <= 1e-4
    assert float(memory.split(" MB")[0]) < 1024
    assert lacks == "-"
