"""The 15-test shape of engineering.md row 1: real suites predict in fixtures, threads and copies.

Ten of thirteen marked tests have all their coverage made in a fixture, the first requester of the
session fixture is an unmarked test, and other tests run the model in a thread, as a copy, from a
pickle or compiled. Serial and -n 2 must give the same numbers.
"""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

CONFTEST = """
    import pytest, torch
    from net import Net, suite_points

    @pytest.fixture(scope="session")
    def model(idc_model):
        return idc_model

    @pytest.fixture(scope="session")
    def predictions(model):
        x, y = suite_points()
        with torch.inference_mode():
            return model(x[:20]), y[:20]

    @pytest.fixture(scope="module")
    def module_predictions(model):
        x, y = suite_points()
        with torch.no_grad():
            return model(x[20:25])
"""

SUITE = """
    import copy, pickle, threading, unittest
    import pytest, torch
    from net import Net, suite_points

    X, Y = suite_points()

    def test_unmarked_first(predictions):
        assert predictions[0].shape == (20, 3)

    @pytest.mark.idc_suite("fixtures")
    @pytest.mark.parametrize("n", range(5))
    def test_on_arrays(predictions, n):
        assert predictions[0].argmax(1)[n] == predictions[1][n]

    @pytest.mark.idc_suite("fixtures")
    def test_labels_of_the_fixture(predictions, idc):
        idc.labels(predictions[1])

    @pytest.mark.idc_suite("fixtures")
    def test_module_fixture(module_predictions):
        assert len(module_predictions) == 5

    @pytest.mark.idc_suite("fixtures")
    def test_dynamic(request):
        assert len(request.getfixturevalue("module_predictions")) == 5

    @pytest.mark.idc_suite("thread")
    def test_service_thread(model):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(model(X[25:30])))
        thread.start(); thread.join()
        assert answers[0].shape == (5, 3)

    @pytest.mark.idc_suite("copies")
    def test_deep_copy(model):
        assert copy.deepcopy(model)(X[30:35]).shape == (5, 3)

    @pytest.mark.idc_suite("copies")
    def test_pickle(model):
        again = pickle.loads(pickle.dumps(model))
        assert again(X[35:40]).shape == (5, 3)

    @pytest.mark.idc_suite("compiled")
    def test_compiled(model):
        compiled = torch.compile(model, backend="eager")
        assert compiled(X[40:45]).shape == (5, 3)

    @pytest.mark.idc_suite("class")
    class TestClass(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.answers = Net()(X[45:50])

        def test_answers(self):
            assert self.answers.shape == (5, 3)

        def test_more(self):
            assert self.answers.shape[1] == 3
"""

EXPECTED = {"fixtures": 25, "thread": 5, "copies": 10, "compiled": 5, "class": 5}


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("source", ["spec", "fixture"])
def test_everything_is_recorded_once(project: Project, workers: str, source: str) -> None:
    conftest = CONFTEST
    if source == "fixture":
        project.ini(model="", reference="")
        conftest += """
    from net import reference

    @pytest.fixture(scope="session")
    def idc_model():
        return Net().eval()

    @pytest.fixture(scope="session")
    def idc_reference():
        return reference()
"""
    project.write("conftest.py", conftest)
    project.write("test_shape.py", SUITE)
    result = project.run_apart("-n", workers, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=15)
    report = project.report()
    found = {suite["name"]: suite["inputs"] for suite in report["suites"]}
    assert found == EXPECTED
    assert report["total"]["inputs"] == 50
    assert report["total"]["labelled"] == 20
    assert report["total"]["correct"] == 20
    assert report["run"]["marked_ran"] == 14
    assert report["exclusions"]["unclaimed_passes"] == 0
    assert not [test for test in report["tests"] if test["cause"]]


def test_function_fixture_parametrised_and_teardown(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest
        from net import suite_points

        X, _ = suite_points()

        @pytest.fixture(params=[0, 10])
        def part(request, idc_model):
            idc_model(X[request.param : request.param + 10])
            yield
            idc_model(X[40:50])

        @pytest.mark.idc_suite
        def test_part(part):
            pass
        """,
    )
    result = project.run()
    result.assert_outcomes(passed=2)
    assert project.report()["total"]["inputs"] == 20


def test_unclaimed_and_unmarked_passes_are_counted(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest
        from net import suite_points

        X, _ = suite_points()

        @pytest.fixture(scope="module")
        def nobody(idc_model):
            idc_model(X[:5])

        def test_unmarked(nobody, idc_model):
            idc_model(X[5:10])
            idc_model(X[5:10])

        @pytest.mark.idc_suite
        def test_marked(idc):
            with idc.paused():
                idc(X[:3])
            idc(X[10:20])
        """,
    )
    project.run().assert_outcomes(passed=2)
    report = project.report()
    assert report["total"]["inputs"] == 10
    assert report["exclusions"]["unmarked_passes"] == 2
    assert report["exclusions"]["unmarked_tests"] == 1
    assert report["exclusions"]["paused_passes"] == 1
    assert report["exclusions"]["unclaimed_passes"] == 1


def test_only_the_last_attempt_of_a_rerun_counts(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest
        from net import suite_points

        X, _ = suite_points()
        attempts = []

        @pytest.fixture(scope="module")
        def shared(idc_model):
            idc_model(X[50:55])

        @pytest.mark.idc_suite
        def test_flaky(idc, shared):
            attempts.append(1)
            idc(X[len(attempts) * 10 : len(attempts) * 10 + 10])
            assert len(attempts) == 3

        @pytest.mark.idc_suite
        def test_other(shared):
            pass
        """,
    )
    result = project.run("--reruns", "2", "-p", "no:xdist")
    assert result.parseoutcomes()["passed"] == 2
    report = project.report()
    assert report["total"]["inputs"] == 15
    assert report["total"]["rows"] == 15


def test_the_model_fixture_may_be_a_compiled_wrapper(project: Project) -> None:
    project.ini(model="")
    project.write(
        "conftest.py",
        """
        import pytest, torch
        from net import Net

        @pytest.fixture(scope="session")
        def idc_model():
            return torch.compile(Net().eval(), backend="eager")
        """,
    )
    project.write(
        "test_it.py",
        """
        import pytest
        from net import suite_points

        @pytest.mark.idc_suite
        def test_it(idc_model):
            idc_model(suite_points()[0][:10])
        """,
    )
    project.run().assert_outcomes(passed=1)
    assert project.report()["total"]["inputs"] == 10
    assert project.report()["model"]["type"] == "Net"


@pytest.mark.parametrize("random", [False, True])
def test_a_fixture_set_up_twice_counts_once_unless_its_inputs_differ(
    project: Project, random: bool
) -> None:
    project.write(
        "test_it.py",
        f"""
        import pytest
        from net import suite_points

        X, _ = suite_points()
        made = []

        @pytest.fixture(scope="module", params=["a", "b"])
        def kind(request):
            return request.param

        @pytest.fixture(scope="module")
        def shared(idc_model, kind):
            made.append(1)
            start = 10 * len(made) if {random} else 0
            idc_model(X[start : start + 10])

        @pytest.mark.idc_suite
        def test_part(shared):
            pass
        """,
    )
    project.run().assert_outcomes(passed=2)
    report = project.report()
    assert report["total"]["inputs"] == (20 if random else 10)
    assert any("not reproducible" in note for note in report["notes"]) is random


def test_a_fixture_that_an_unmarked_test_asks_for_while_it_runs(project: Project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest
        from net import suite_points

        X, _ = suite_points()

        @pytest.fixture(scope="module")
        def shared(idc_model):
            idc_model(X[:10])

        def test_unmarked(request, idc_model):
            request.getfixturevalue("shared")
            idc_model(X[10:12])

        @pytest.mark.idc_suite
        def test_marked(shared):
            pass
        """,
    )
    project.run().assert_outcomes(passed=2)
    assert project.report()["total"]["inputs"] == 10
    assert project.report()["exclusions"]["unmarked_passes"] == 1
