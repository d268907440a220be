"""Bad input gets a clear message, and everything else is kept."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

TEST = """
    import pytest, torch
    from net import Net, suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    def test_it(idc):
        idc(X, labels=Y)
"""


def text_of(result: pytest.RunResult) -> str:
    return " ".join((result.stdout.str() + result.stderr.str()).split())


REFERENCES = {
    "empty": ("return torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)", "empty"),
    "too few": ("x, y = points(6, 1); return x, y", "at least 10"),
    "wrong shape": ("return torch.zeros(50, 5), torch.zeros(50, dtype=torch.long)", "shape"),
    "all wrong": ("x, y = points(50, 1); return x, (y + 1) % 3", "0 of 50"),
    "all nan": ("x, y = points(50, 1); return x * float('nan'), y", "not finite"),
    "nothing": ("return None", "None"),
    "raises": ("raise OSError('disk gone')", "disk gone"),
    "lengths": ("return torch.zeros(50, 2), torch.zeros(49, dtype=torch.long)", "49"),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_unusable_reference(project: Project, case: str) -> None:
    code, hint = REFERENCES[case]
    project.write("ref.py", f"import torch\nfrom net import points\n\ndef load():\n    {code}\n")
    project.ini(reference="ref:load")
    project.write("test_it.py", TEST)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert hint in text_of(result)


def test_unusable_reference_from_a_fixture_fails_the_marked_tests_only(project: Project) -> None:
    project.ini(reference="")
    project.write(
        "conftest.py",
        """
        import pytest, torch

        @pytest.fixture(scope="session")
        def idc_reference():
            return torch.zeros(0, 2)
        """,
    )
    project.write("test_it.py", TEST + "\n    def test_plain(idc_model):\n        pass\n")
    result = project.run()
    assert result.parseoutcomes() == {"passed": 1, "errors": 1}
    assert "empty" in text_of(result)


def test_reference_without_labels_fits_on_all_and_says_so(project: Project) -> None:
    project.write("ref.py", "from net import points\n\ndef load():\n    return points(300, 1)[0]\n")
    project.ini(reference="ref:load")
    project.write("test_it.py", TEST)
    project.run().assert_outcomes(passed=1)
    report = project.report()
    assert report["reference"]["fitted"] == report["reference"]["usable"] == 300
    assert any("no class labels" in note for note in report["profile"]["notes"])


def test_some_nan_rows_in_the_reference_are_left_out_and_said(project: Project) -> None:
    project.write(
        "ref.py",
        "from net import points\n\ndef load():\n    x, y = points(300, 1)\n"
        "    x[::30] = float('nan')\n    return x, y\n",
    )
    project.ini(reference="ref:load")
    project.write("test_it.py", TEST)
    result = project.run()
    result.assert_outcomes(passed=1)
    assert project.report()["reference"]["non_finite"] == 10
    assert project.report()["reference"]["usable"] == 290


def test_no_reference_at_all_teaches(project: Project) -> None:
    project.ini(reference="")
    project.write("test_it.py", TEST)
    result = project.run()
    assert result.parseoutcomes() == {"errors": 1}
    assert "--idc-reference" in text_of(result)


def test_nan_in_a_test_is_never_counted_and_named(project: Project) -> None:
    project.write(
        "test_it.py",
        TEST
        + """
    @pytest.mark.idc_suite
    def test_nan(idc):
        x = X.clone()
        x[:7] = float("inf")
        idc(x)
    """,
    )
    result = project.run()
    result.assert_outcomes(passed=2)
    report = project.report()
    assert report["exclusions"]["non_finite_rows"] == 7
    assert any("fc1" in line and "test_nan" in line for line in report["exclusions"]["details"])
    assert report["total"]["inputs"] == 60


def test_model_in_training_mode_is_measured_in_evaluation_mode(project: Project) -> None:
    project.ini(model="")
    project.write(
        "conftest.py",
        """
        import pytest
        from torch import nn
        from net import Net

        class Dropping(Net):
            def __init__(self):
                super().__init__()
                self.drop = nn.Dropout(0.5)

            def forward(self, x):
                return super().forward(self.drop(x))

        @pytest.fixture(scope="session")
        def idc_model():
            return Dropping().train()
        """,
    )
    body = """
    import torch
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    def test_it(idc):
        {mode}
        idc(X)
        assert idc.model.training is {training}
    """
    project.write("test_it.py", body.format(mode="pass", training=True))
    result = project.run()
    result.assert_outcomes(passed=1)
    training = project.report()
    assert any("training mode" in note for note in training["notes"])
    assert "training mode" in text_of(result)
    project.write("test_it.py", body.format(mode="idc.model.eval()", training=False))
    project.run().assert_outcomes(passed=1)
    plain = project.report()
    covered = [r["total"]["criteria"]["IDC"]["covered"] for r in (training, plain)]
    assert covered[0] == covered[1]


def test_forward_that_raises_names_the_model(project: Project) -> None:
    project.write(
        "broken.py",
        "from net import Net as Base\n\nclass Net(Base):\n    def forward(self, x):\n"
        "        raise ZeroDivisionError('in forward')\n",
    )
    project.ini(model="broken:Net")
    project.write("test_it.py", TEST)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "in forward" in text_of(result)


def test_a_test_that_fails_after_recording_still_counts(project: Project) -> None:
    project.write("test_it.py", TEST + "        assert False\n")
    project.run().assert_outcomes(failed=1)
    report = project.report()
    assert report["total"]["inputs"] == 60
    assert report["total"]["failed_tests"] == 1
    row = report["total"]["criteria"]["IDC"]
    assert row["only_failing"] == row["covered"]


def test_a_test_that_skips_in_its_call_does_not_count(project: Project) -> None:
    project.write("test_it.py", TEST + "        pytest.skip('enough')\n")
    project.run().assert_outcomes(skipped=1)
    assert project.report()["total"]["inputs"] == 0


def test_inference_mode_in_one_test_and_none_in_the_next(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest, torch
        from net import suite_points

        X, Y = suite_points()

        @pytest.fixture(scope="module")
        def shared(idc_model):
            with torch.inference_mode():
                return idc_model(X[:10])

        @pytest.mark.idc_suite
        def test_inference(idc, shared):
            with torch.inference_mode():
                idc(X[10:20], labels=Y[10:20])

        @pytest.mark.idc_suite
        def test_no_grad(idc, shared):
            with torch.no_grad():
                idc(X[20:30])

        @pytest.mark.idc_suite
        def test_training_call(idc, shared):
            idc(X[30:40]).sum().backward()
            assert idc.model.fc1.weight.grad is not None
            idc.model.zero_grad()
        """,
    )
    project.run().assert_outcomes(passed=3)
    assert project.report()["total"]["inputs"] == 40


def test_a_wrong_number_of_labels_is_refused(project: Project) -> None:
    project.write("test_it.py", TEST.replace("labels=Y)", "labels=Y[:7])"))
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "label" in text_of(result)


def test_blocked_plugin_leaves_no_trace(project: Project) -> None:
    project.ini(model="", reference="")
    project.write("test_it.py", "def test_plain():\n    pass\n")
    result = project.run_apart("-p", "no:deepimportance", "--override-ini=addopts=")
    assert "unrecognized arguments: --idc-report" in text_of(result)
    result = project.pytester.runpytest_subprocess("-p", "no:deepimportance")
    result.assert_outcomes(passed=1)


def test_a_model_that_is_no_class_scorer_is_refused_with_the_way_on(project: Project) -> None:
    project.write(
        "odd.py",
        "from net import Net as Base\n\nclass Net(Base):\n    def forward(self, x):\n"
        "        return [{'boxes': super(Net, self).forward(row[None])} for row in x]\n",
    )
    project.ini(model="odd:Net")
    project.write("test_it.py", TEST)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "idc_output" in text_of(result)
    assert "none of the criteria asked for can be measured" in text_of(result)
