"""Pictures on the HTML page: the same by every way to it, and none where nobody asked for them."""

from __future__ import annotations

import re

import pytest

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project
from tests.integration.sameness import comparable

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


@pytest.fixture
def pictured(project: Project) -> Project:
    project.write("pictured.py", IMAGES)
    project.write("test_it.py", SUITE)
    project.ini(model="pictured:Images", reference="pictured:reference")
    return project


def section(project: Project, name: str) -> str:
    text = (project.path / name).read_text()
    found = re.findall(r'<section id="pictures">.*?</section>', text, re.DOTALL)
    assert len(found) <= 1
    return found[0] if found else ""


def test_every_way_to_the_page_shows_the_same_pictures(pictured: Project) -> None:
    pictured.run("--idc-report=html:a.html")
    shown = section(pictured, "a.html")
    alone = comparable(pictured.path / "idc.json")
    assert 'src="data:image/png;base64,' in shown
    assert "test_it.py::test_rows[0], fixture shared, row 0: predicted" in shown
    # 200 images of attack steps opened nothing.
    assert re.search(r"\d+ inputs that showed", shown)
    assert "image/png" not in (pictured.path / "idc.json").read_text()
    assert main(["report", "--report", "html:b.html"]) == 0
    assert section(pictured, "b.html") == shown
    assert main(["report", "--report", "html:b.html", "--images", "none"]) == 0
    assert section(pictured, "b.html") == ""
    pytest.importorskip("xdist")
    pictured.run("--idc-report=html:c.html", "-n", "2")
    assert section(pictured, "c.html") == shown
    assert comparable(pictured.path / "idc.json") == alone


def test_shards_keep_pictures_when_told_so(pictured: Project) -> None:
    pictured.run("--idc-report=html:a.html")
    for number, tests in enumerate(("rows", "attack")):
        pictured.run(
            "--idc-shard", "--idc-images=keep", "-k", tests, f"--idc-data-file={number}.data"
        )
    assert main(["combine", "0.data", "1.data", "-o", "all.data"]) == 0
    assert main(["report", "all.data", "--report", "html:b.html"]) == 0
    assert section(pictured, "b.html") == section(pictured, "a.html") != ""


def test_nothing_is_kept_unless_a_page_is_asked_for(pictured: Project) -> None:
    pictured.run()
    plain = (pictured.path / "deepimportance.data").read_bytes()
    assert b"PNG" not in plain
    pictured.run("--idc-report=html:a.html", "--idc-images=none")
    assert section(pictured, "a.html") == ""
    assert b"PNG" not in (pictured.path / "deepimportance.data").read_bytes()
    pictured.run("--idc-images=keep")
    assert b"PNG" in (pictured.path / "deepimportance.data").read_bytes()


def test_measure_shows_them_too(pictured: Project, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([
        "measure", "pictured:Images", "--reference", "pictured:reference",
        "--inputs", "pictured:test_data", "--report", "html:m.html",
    ])  # fmt: skip
    assert code == 0, capsys.readouterr()
    assert "test_data, row 0: predicted" in section(pictured, "m.html")
