"""Pictures on the HTML page: the same by every way to it, and none where nobody asked for them."""

from __future__ import annotations

import re

import pytest

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project
from tests.integration.images import IMAGES, SUITE, section


@pytest.fixture
def pictured(project: Project) -> Project:
    project.write("pictured.py", IMAGES)
    project.write("test_it.py", SUITE)
    project.ini(model="pictured:Images", reference="pictured:reference")
    return project


def test_every_way_to_the_page_shows_the_same_pictures(pictured: Project) -> None:
    pictured.run("--idc-report=html:a.html")
    shown = section(pictured, "a.html")
    assert 'src="data:image/png;base64,' in shown
    assert "test_it.py::test_rows[0], fixture shared, row 0: predicted" in shown
    # 200 images of attack steps opened nothing.
    assert re.search(r"\d+ inputs that showed", shown)
    assert "image/png" not in (pictured.path / "idc.json").read_text()
    assert main(["report", "--report", "html:b.html"]) == 0
    assert section(pictured, "b.html") == shown
    assert main(["report", "--report", "html:b.html", "--images", "none"]) == 0
    assert section(pictured, "b.html") == ""


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


def test_a_test_keeps_a_limited_number(pictured: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pictured.run("--idc-report=html:a.html", "-k", "attack")
    whole = re.findall(r'alt="([^"]*)"', section(pictured, "a.html"))
    monkeypatch.setattr("pytest_deepimportance.engine.reducing.SHOWN", 2)
    pictured.run("--idc-report=html:b.html", "-k", "attack")
    shown = section(pictured, "b.html")
    assert len(whole) > 2
    assert re.findall(r'alt="([^"]*)"', shown) == whole[:2]
    assert f"2 of {len(whole)} inputs, the first that" in shown
