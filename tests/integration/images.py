"""A small project whose inputs are images, and the pictures of its page."""

from __future__ import annotations

import re

from tests.integration.conftest import Project

IMAGES = """
import torch
from torch import nn


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.fc = nn.Linear(128, 8)
        self.out = nn.Linear(8, 3)
        generator = torch.Generator().manual_seed(6)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        x = nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)
        return self.out(torch.relu(self.fc(x)))


def images(count, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 1, 8, 8, generator=generator) * 2
    with torch.no_grad():
        return x, Images().forward(x).argmax(dim=1)


def reference():
    return images(400, seed=1)


def test_data():
    return images(30, seed=2)
"""

SUITE = """
import pytest
import torch
from pictured import images

pytestmark = pytest.mark.idc_suite(name="clean")


@pytest.fixture(scope="session")
def shared(idc_model):
    return idc_model(images(20, seed=11)[0])


@pytest.mark.parametrize("seed", range(3))
def test_rows(idc, seed, shared):
    idc(images(20, seed=20 + seed))


def test_attack(idc_model, idc):
    x = images(200, seed=50)[0].requires_grad_()
    idc_model(x).sum().backward()
    idc(images(5, seed=51))
"""


def section(project: Project, name: str) -> str:
    text = (project.path / name).read_text()
    found = re.findall(r'<section id="pictures">.*?</section>', text, re.DOTALL)
    assert len(found) <= 1
    return found[0] if found else ""
