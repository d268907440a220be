"""What users stumbled over once: each test is one story, with the smallest project that shows it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_deepimportance import measure
from pytest_deepimportance.errors import ModelLoadError, RecordingError, SettingsError
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


def test_a_label_the_model_does_not_score_is_refused(project: Project) -> None:
    """Labels that begin at 1 gave an accuracy of 0 % without a word."""
    project.write("test_it.py", TEST.replace("labels=Y", "labels=Y + 1"))
    result = project.run()
    assert result.ret == 1
    assert "label 3 is given, but the model scores 3 classes, 0 to 2" in text_of(result)
    assert project.report()["total"]["labelled"] == 0


def test_an_input_labelled_in_two_ways_is_said(project: Project) -> None:
    project.write(
        "test_it.py",
        TEST
        + """
    @pytest.mark.idc_suite
    def test_other(idc):
        idc(X[:5], labels=(Y[:5] + 1) % 3)
    """,
    )
    result = project.run()
    assert "5 inputs labelled as different classes in different passes" in text_of(result)


def test_a_layer_that_the_scope_ignores_is_said(project: Project) -> None:
    project.write("test_it.py", TEST)
    result = project.run("--idc-scope=global", "--idc-layer=fc1")
    assert "layer fc1 is not singled out: the scope is global" in text_of(result)


def test_a_data_parallel_model_is_measured_as_the_module_inside(project: Project) -> None:
    project.ini(model="")
    project.write(
        "conftest.py",
        """
        import pytest, torch
        from net import Net

        @pytest.fixture(scope="session")
        def idc_model():
            return torch.nn.DataParallel(Net())
        """,
    )
    project.write("test_it.py", TEST)
    assert project.run().ret == 0
    assert (project.report()["model"]["type"], project.report()["total"]["inputs"]) == ("Net", 60)


MODEL = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
X = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))


def first_of_two(output: torch.Tensor) -> torch.Tensor:
    return output


def test_api_names_what_it_was_given_instead_of_a_model() -> None:
    with pytest.raises(ModelLoadError, match="the model is a str") as caught:
        measure("net:Net", X, X)  # type: ignore[arg-type]
    assert "load_model" in caught.value.fix


def test_api_takes_a_function_as_output_when_it_has_a_name() -> None:
    assert measure(MODEL, X, X, output=first_of_two).total.inputs == 100
    with pytest.raises(SettingsError, match="a function that cannot be imported by name"):
        measure(MODEL, X, X, output=lambda output: output)


def test_api_refuses_to_call_nothing_recorded_a_coverage_of_zero() -> None:
    with pytest.raises(RecordingError, match="nothing was recorded: 100 passes"):
        measure(MODEL, X, list(X))


def test_a_test_that_recorded_nothing_is_named_on_the_screen(project: Project) -> None:
    project.write(
        "test_it.py",
        TEST
        + """
    @pytest.mark.idc_suite
    @pytest.mark.parametrize("i", [1, 2])
    def test_forgetful(i):
        pass
    """,
    )
    assert "(test_forgetful[1] and 1 more)" in text_of(project.run())


def test_a_profile_that_is_a_git_lfs_pointer_is_called_that(project: Project) -> None:
    project.write("model.idc", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    project.write("test_it.py", TEST)
    result = project.run("--idc-profile=model.idc")
    assert "model.idc is a Git LFS pointer" in text_of(result)
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_each_class_stands_once_among_the_weakest(project: Project) -> None:
    project.write("test_it.py", TEST)
    result = project.run("--idc-classes=each", "--idc-class-names=cat,dog,owl")
    (line,) = [line for line in result.outlines if line.startswith("weakest classes (IDC)")]
    assert sorted(entry.split()[0] for entry in line.partition(": ")[2].split(",")) == [
        "cat",
        "dog",
        "owl",
    ]


def test_a_suite_path_that_does_not_exist_is_refused(project: Project) -> None:
    project.ini("idc_suites = test/clean = clean")
    project.write("test_it.py", TEST)
    result = project.run()
    assert "idc_suites: there is no test/clean in" in text_of(result)
    assert result.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("idc_no_samples = maybe", "idc_no_samples (ini pytest.ini): 'maybe' is neither true nor"),
        ("idc_factory =", "idc_factory (ini pytest.ini): empty value"),
        ("idc_k_range = 2-4", "separate numbers by commas, such as 2,3,4"),
    ],
)
def test_an_ini_line_that_is_no_value_is_named(project: Project, line: str, message: str) -> None:
    project.ini(line)
    project.write("test_it.py", TEST)
    assert message in text_of(project.run())


def test_a_suite_that_was_skipped_as_a_whole_names_no_errors(project: Project) -> None:
    project.ini(model="")
    project.write(
        "conftest.py",
        """
        import pytest

        @pytest.fixture(scope="session")
        def idc_model():
            pytest.skip("no weights here")
        """,
    )
    project.write("test_it.py", TEST)
    text = text_of(project.run("--idc-fail-under=share=0.9"))
    assert "(every marked test was skipped); the gate is not judged; no report was" in text


def test_labels_for_a_pass_that_was_not_recorded_say_why_it_was_not(project: Project) -> None:
    """A single row without a batch dimension runs through linear layers, yet is no batch."""
    project.write("test_it.py", TEST.replace("idc(X, labels=Y)", "idc(X[0], labels=Y[:1])"))
    text = text_of(project.run())
    assert "1 label given, but this test has recorded no forward pass" in text
    assert "Seen but not recorded: 1 pass visited no measured layer with one row per input" in text


def test_the_watched_model_itself_with_new_weights_is_called_that(project: Project) -> None:
    """Not "another Net": a training step, or BatchNorm in train mode, changed the very model."""
    project.write(
        "test_it.py",
        TEST
        + """
    @pytest.mark.idc_suite
    def test_trained(idc_model):
        with torch.no_grad():
            idc_model.fc3.bias += 1
        idc_model(X)
    """,
    )
    assert "passes of the watched Net with other weights" in text_of(project.run()).replace(
        "1 pass ", "1 passes "
    )


@pytest.mark.parametrize("made", ["copy.deepcopy(idc_model).half()", "idc_model.half()"])
def test_a_copy_in_another_precision_is_called_that(project: Project, made: str) -> None:
    """It was called "another Net with other weights", by fingerprints that said nothing."""
    project.write(
        "test_it.py",
        f"""
        import copy
        import pytest
        from net import suite_points

        @pytest.mark.idc_suite
        def test_half(idc_model):
            {made}(suite_points()[0].half())
        """,
    )
    text = text_of(project.run())
    assert "the profile's, but in float16 instead of float32, so its values differ" in text
    assert project.report()["exclusions"]["other_weights_passes"] == 1
