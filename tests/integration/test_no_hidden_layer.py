"""Models whose only layers are output layers: what can be measured is, and the rest is said."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

NET = """
    import torch
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.o = nn.Linear(2, 3, bias=False)
            with torch.no_grad():
                self.o.weight.copy_(torch.tensor([[1.0, -2.0], [-1.5, 0.5], [0.3, 1.2]]))

        def forward(self, x):
            return self.o(x)


    def points(count, seed):
        x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed)) * 2
        with torch.no_grad():
            return x, Net().forward(x).argmax(dim=1)


    def reference():
        return points(300, seed=1)
"""
TEST = """
    import pytest
    from net import points

    @pytest.mark.idc_suite
    def test_it(idc):
        idc(points(40, 2)[0])
"""


@pytest.fixture
def linear(project: Project) -> Project:
    project.write("net.py", NET)
    project.write("test_it.py", TEST)
    return project


def text_of(result: pytest.RunResult) -> str:
    return " ".join((result.stdout.str() + result.stderr.str()).split())


def test_a_default_run_measures_the_others_and_says_what_is_left_out(linear: Project) -> None:
    result = linear.run()
    assert result.ret == 0
    rows = linear.report()["total"]["criteria"]
    assert {"NC", "KMNC", "NBC", "SNAC", "TKNC", "TKNP", "CC", "NLC"} <= set(rows)
    assert "IDC left out: the model has no hidden layer (only o); name one with --idc-layer" in (
        text_of(result)
    )
    assert "LSC, DSC, MDSC left out: the model has no hidden layer" in text_of(result)


def test_the_advice_leads_to_a_measured_idc(linear: Project) -> None:
    result = linear.run("--idc-layer=o", "--idc-surprise-layer=o")
    assert {"IDC", "LSC", "DSC", "MDSC"} <= set(linear.report()["total"]["criteria"])
    assert "no hidden layer" not in text_of(result)


@pytest.mark.parametrize("layer", [(), ("--idc-layer=o",)], ids=["default", "named"])
def test_nothing_is_said_of_idc_where_it_is_not_asked_for(
    linear: Project, layer: tuple[str, ...]
) -> None:
    result = linear.run("--idc-criteria=NC,KMNC", *layer)
    assert result.ret == 0
    assert "hidden layer" not in text_of(result)
    assert "--idc-layer" not in text_of(result)


def test_a_profile_file_that_lacks_idc_is_silent_about_it_too(linear: Project) -> None:
    from pytest_deepimportance.cli.main import main

    built = ["profile", "build", f"{linear.path}/net.py:Net", "--reference",
             f"{linear.path}/net.py:reference", "-o", f"{linear.path}/model.idc"]  # fmt: skip
    assert main(built) == 0
    linear.ini(reference="")
    profile = f"--idc-profile={linear.path}/model.idc"
    assert "left out" not in text_of(linear.run(profile, "--idc-criteria=NC"))
    assert "IDC left out" in text_of(linear.run(profile))


def test_idc_by_name_is_refused_with_the_way_out(linear: Project) -> None:
    result = linear.run("--idc-criteria=IDC,NC")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "the model has no hidden layer (only o)" in text_of(result)
    assert "Name a layer with --idc-layer" in text_of(result)


def test_a_criterion_by_name_that_lacks_its_layer_says_which_to_name(linear: Project) -> None:
    result = linear.run("--idc-criteria=LSC")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "name one with --idc-surprise-layer" in text_of(result)
