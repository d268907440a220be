"""The environment is read in whichever way torch allows."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

CODE = """
import torch
from pytest_deepimportance.engine.environment import environment
torch.backends.cuda.matmul.fp32_precision = "tf32"
torch.backends.cudnn.conv.fp32_precision = "ieee"
found = environment(["cpu"])
print(found["TF32 in matrix products"], found["TF32 in convolutions"], sep="|")
"""


@pytest.mark.skipif(
    not hasattr(torch.backends.cudnn, "conv"), reason="a torch without the newer switches"
)
def test_switches_set_under_their_newer_names() -> None:
    """In a process of its own: once they are set, torch refuses the older names for good."""
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "True|False"
