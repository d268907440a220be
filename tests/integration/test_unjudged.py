"""A gate that judges nothing: it fails where nobody left the marked tests out on purpose."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

PLAIN = "def test_plain(): pass\n"
MARKED = """
    import pytest
    from net import Net, suite_points

    @pytest.mark.MARK
    def test_it():
        Net()(suite_points()[0])
"""
GATE = "--idc-fail-under=share=0.5"


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("tests/test_plain.py", PLAIN)
    return project


def marked(project: Project, mark: str = "idc_suite") -> Project:
    project.write("tests/test_marked.py", MARKED.replace("MARK", mark))
    return project


def text_of(result: pytest.RunResult) -> str:
    return " ".join((result.stdout.str() + result.stderr.str()).split())


@pytest.mark.parametrize("named", [(), ("tests",), ("tests/test_plain.py",)])
def test_a_threshold_that_was_typed_fails_without_a_marked_test(
    suite: Project, named: tuple[str, ...]
) -> None:
    result = suite.run(GATE, "--junitxml=junit.xml", *named)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes() == {"passed": 1, "failed": 1}
    assert "FAILED idc::gate - share=0.5: not judged, since no test is marked" in text_of(result)
    assert 'failures="1"' in (suite.path / "junit.xml").read_text()


def test_a_threshold_of_the_ini_file_fails_when_all_tests_are_run(suite: Project) -> None:
    suite.ini("idc_fail_under = 0.5", "testpaths = tests")
    for named in ((), ("tests",), (".",)):
        result = suite.run(*named)
        assert "no test is marked" in text_of(result)
        assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_and_is_said_to_judge_nothing_when_a_part_is_run(suite: Project) -> None:
    suite.ini("idc_fail_under = 0.5")
    marked(suite)
    result = suite.run("tests/test_plain.py")
    assert result.ret == 0
    assert (
        "idc: no marked test is among those selected; the gate is not judged; no report was written"
        in text_of(result)
    )


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("-k", "plain"), 0),
        (("--deselect", "tests/test_marked.py::test_it"), 0),
        (("-k", "nothing"), 5),
    ],
)
def test_marked_tests_that_were_deselected_keep_the_status(
    suite: Project, arguments: tuple[str, ...], status: int
) -> None:
    result = marked(suite).run(GATE, *arguments)
    assert result.ret == status
    assert "no marked test ran: none of 1 was selected; the gate is not judged" in text_of(result)


@pytest.mark.parametrize("way", ["--co", "--idc-shard", "--idc-partial=warn", "--no-idc", "--lf"])
def test_ways_not_to_judge(suite: Project, way: str) -> None:
    result = suite.run(GATE, way)
    assert result.ret == 0
    assert ("not judged" in text_of(result)) == (way not in ("--co", "--no-idc"))


def test_marked_tests_without_a_model_to_watch(suite: Project) -> None:
    suite.ini(model="")
    result = marked(suite).run(GATE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "share=0.5: not judged, since no model is named" in text_of(result)


def test_a_model_that_skips_every_marked_test_fails_the_gate(suite: Project) -> None:
    suite.write(
        "conftest.py",
        """
        import pytest

        @pytest.fixture(scope="session")
        def idc_model():
            pytest.skip("no weights here")
        """,
    )
    result = marked(suite).run(GATE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "share=0.5: not judged, since every marked test was skipped" in text_of(result)
    assert suite.run(GATE, "--idc-missing=skip").ret == 0


@pytest.mark.parametrize("mark", ["idc_suit", "idc"])
def test_a_misspelled_mark_is_refused(suite: Project, mark: str) -> None:
    result = marked(suite, mark).run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"test_it: unknown mark '{mark}', so the test is in no suite: " in text_of(result)
    assert "idc_suite" in text_of(result)


def test_a_mark_of_the_users_own_is_left_alone(suite: Project) -> None:
    suite.ini("markers = idc_slow(why): mine")
    assert marked(suite, "idc_slow('x')").run().ret == 0


def test_workers_tell_what_they_collected(suite: Project) -> None:
    result = suite.run("-n", "1", GATE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "share=0.5: not judged, since no test is marked" in text_of(result)
    result = marked(suite, "idc_suit").run("-n", "1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "FAILED idc::marks" in text_of(result)
    assert "did you mean idc_suite?" in text_of(result)
