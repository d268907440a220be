"""What users stumbled over once: each test is one story, with the smallest project that shows it."""

from __future__ import annotations

import pytest

from tests.integration.conftest import NET, Project

TEST = """
    import pytest, torch
    from net import Net, points, suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    def test_it(idc):
        idc(X, labels=Y)
"""

PLAIN = """
    import torch

    def load():
        generator = torch.Generator().manual_seed(1)
        return torch.randn(600, 2, generator=generator) * 2
"""


def text_of(result: pytest.RunResult) -> str:
    return " ".join((result.stdout.str() + result.stderr.str()).split())


def test_an_edited_forward_does_not_meet_the_cached_profile_of_the_old_one(
    project: Project,
) -> None:
    """Weights and structure are equal, so fingerprints are; activations are not."""
    project.write("ref.py", PLAIN)
    project.ini(reference="ref:load")
    project.write("test_it.py", TEST)
    shares = []
    for code in (NET, NET.replace("torch.relu", "torch.tanh")):
        for origin in ("built", "cached"):
            project.write("net.py", code)
            project.run()
            report = project.report()
            assert report["profile"]["origin"] == origin
            shares.append(report["total"]["criteria"]["IDC"]["exercised_rows"])
    assert shares[0] == shares[1] != shares[2] == shares[3]
    fresh = project.run("--cache-clear")
    assert fresh.ret == 0
    assert project.report()["total"]["criteria"]["IDC"]["exercised_rows"] == shares[2]
