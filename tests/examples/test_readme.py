"""Every README command runs, and its output block is the real one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.examples import readme

EXIT = {"failed": 1, "measure": 2, "demo_gate": 1}


@pytest.mark.parametrize("name", readme.COMMANDS)
def test_block_is_the_real_output(name: str, tmp_path: Path) -> None:
    if name.startswith("mnist") and not readme.mnist_raw().is_dir():
        pytest.skip(f"needs {readme.mnist_raw()} (set IDC_SHARED)")
    if name.startswith("text"):
        pytest.importorskip("transformers", reason="needs pip install transformers")
    status, output = readme.run(name, readme.checkout(tmp_path))
    assert status == EXIT.get(name, 0), output
    if name.startswith("mnist"):
        # Inputs at the edge of a cluster fall to one side or the other with the processor.
        words, numbers = parts(output)
        wanted = parts(readme.blocks()[name])
        assert words == wanted[0]
        assert numbers == pytest.approx(wanted[1], rel=0.02)
    else:
        assert readme.blocks()[name] == output


def parts(text: str) -> tuple[list[str], list[float]]:
    """Split a text into its words and its numbers."""
    number = r"\d[\d,]*(?:\.\d+)?"
    found = [float(one.replace(",", "")) for one in re.findall(number, text)]
    return re.sub(number, "0", text).split(), found


def test_every_block_has_a_command() -> None:
    assert set(readme.blocks()) == set(readme.COMMANDS)


def test_set_up_commands_install_what_pyproject_offers() -> None:
    text = readme.README.read_text(encoding="utf-8")
    setups = re.findall(r"^python3 -m venv \.venv && (.*)$", text, re.MULTILINE)
    assert len(setups) == 2
    extras = re.findall(r"\.\[(\w+)\]", " ".join(setups))
    pyproject = (readme.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert extras
    assert all(re.search(rf"^{extra} = \[", pyproject, re.MULTILINE) for extra in extras)


def test_options_settings_and_files_named_in_the_readme_exist() -> None:
    from pytest_deepimportance.settings import TABLE

    text = readme.README.read_text(encoding="utf-8")
    for option in set(re.findall(r"--idc-[a-z-]+[a-z]", text)):
        assert option in {s.option for s in TABLE.values()} | {"--idc-settings"}, option
    for key in set(re.findall(r"^(idc_\w+) ?=", text, re.MULTILINE)):
        assert key in {s.key for s in TABLE.values()}, key
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (readme.ROOT / link).exists(), link


def test_notebook_lines_run() -> None:
    import torch

    text = readme.README.read_text(encoding="utf-8")
    (code,) = re.findall(
        r"```python\n(from pytest_deepimportance import measure\n.*?)```", text, re.S
    )
    generator = torch.Generator().manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 9), torch.nn.ReLU(), torch.nn.Linear(9, 3)
    ).eval()
    train_x = torch.randn(300, 4, generator=generator)
    names = {"model": model, "train_x": train_x, "test_x": train_x[:40] + 0.1}
    with torch.no_grad():
        names |= {"train_y": model(train_x).argmax(1), "test_y": model(names["test_x"]).argmax(1)}
    exec(compile(code, "README.md", "exec"), names)
    report = names["report"]
    assert 0 < report.criteria["IDC"].value <= 1
    assert report.total.inputs == 40
    assert report.total.accuracy == 1


def test_activation_lines_run() -> None:
    import numpy as np

    text = readme.README.read_text(encoding="utf-8")
    (code,) = re.findall(
        r"```python\n(from pytest_deepimportance import measure_activations.*?)```", text, re.S
    )
    generator = np.random.default_rng(0)
    names: dict[str, Any] = {
        "train_fc1": generator.normal(size=(200, 5)), "train_fc2": generator.normal(size=(200, 3)),
        "fc1": generator.normal(size=(30, 5)), "fc2": generator.normal(size=(30, 3)),
        "train_classes": np.arange(200) % 3, "classes": np.arange(30) % 3,
    }  # fmt: skip
    exec(compile(code, "README.md", "exec"), names)
    report = names["report"]
    assert 0 < report.criteria["KMNC"].value < 1
    assert report.criteria["DSC"].covered > 0
