"""What stands beside coverage: confidence, impartiality, thin ice."""

from __future__ import annotations

import pytest
import torch

from tests.integration.conftest import Project
from tests.oracles import reference_companions as oracle

TESTS = """
import pytest
from net import suite_points

X, Y = suite_points()
Y = Y.clone()
Y[:5] = (Y[:5] + 1) % 3  # five wrong labels: five errors


@pytest.mark.idc_suite("clean")
def test_a(idc):
    idc(X[:40], labels=Y[:40])


@pytest.mark.idc_suite("clean")
def test_b(idc):
    idc(X[20:])
"""


def predictions(path: object, rows: int) -> tuple[list[list[float]], list[int]]:
    """Probabilities and classes of the project's net, computed again from its source."""
    names: dict[str, object] = {}
    exec((path / "net.py").read_text(), names)  # type: ignore[operator]
    x, _ = names["suite_points"]()  # type: ignore[operator]
    with torch.no_grad():
        scores = names["Net"]()(x[:rows]).tolist()  # type: ignore[operator]
    return [oracle.probabilities(row) for row in scores], [row.index(max(row)) for row in scores]


def check(project: Project) -> None:
    total = project.report()["total"]
    p, classes = predictions(project.path, 60)
    found = total["companions"]
    sure = [oracle.sureness(row) for row in p]
    for at, name in enumerate(("max_softmax", "entropy", "gini")):
        assert found[name] == pytest.approx(sum(row[at] for row in sure) / 60, abs=1e-5), name
    assert found["impartiality"] == pytest.approx(oracle.impartiality(classes, 3))
    assert (found["inputs"], found["classes"]) == (60, 3)
    ice = total["thin_ice"]
    assert (ice["inputs"], ice["errors"]) == (40, 5)
    assert sum(row["inputs"] for row in ice["rows"]) == 40
    assert sum(row["errors"] for row in ice["rows"]) == 5


def test_in_report_and_on_the_screen_serial_and_over_workers(project: Project) -> None:
    project.write("test_net.py", TESTS)
    result = project.run()
    result.assert_outcomes(passed=2)
    line = r"outputs +confidence 0\.\d+  entropy 0\.\d+  Gini 0\.\d+  impartiality 0\.\d+  .*"
    result.stdout.re_match_lines([line])
    assert "accuracy 87.5% of 40 labelled" in " ".join(result.stdout.str().split())
    project.run("-v").stdout.re_match_lines(
        [
            line,
            r"reference inputs alike +inputs +wrong +rate",
            r"\d+-\d+ +\d+ +\d+ +\d+\.\d%",
            r"thin ice +wrong: \d+ of \d+ .*rare combination.*",
        ]
    )
    check(project)
    project.run_apart("-n", "2")
    check(project)


def test_no_label_no_thin_ice_and_no_error_none_on_the_screen(project: Project) -> None:
    project.write(
        "test_net.py",
        """
        import pytest
        from net import suite_points

        @pytest.mark.idc_suite
        def test_a(idc):
            x, y = suite_points()
            idc(x, labels=y)
        """,
    )
    result = project.run()
    assert "thin ice" not in result.stdout.str()
    assert project.report()["total"]["thin_ice"]["errors"] == 0
    project.write(
        "test_net.py",
        """
        import pytest
        from net import suite_points

        @pytest.mark.idc_suite
        def test_a(idc_model):
            idc_model(suite_points()[0])
        """,
    )
    project.run()
    assert project.report()["total"]["thin_ice"] is None


def test_a_sigmoid_gives_no_confidence_and_says_so(project: Project) -> None:
    net = (project.path / "net.py").read_text()
    last = "return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))"
    assert last in net
    project.write(
        "net.py", net.replace(last, last.replace("return ", "return torch.sigmoid(") + ")")
    )
    project.write("test_net.py", TESTS)
    result = project.run("-v")
    assert "no confidence: the model ends in a sigmoid" in " ".join(result.stdout.str().split())
    found = project.report()["total"]["companions"]
    assert found["max_softmax"] is found["gini"] is None
    assert found["impartiality"] > 0
