"""The profile is computed once, cached, and portable as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_deepimportance.cli.main import main
from tests.integration.conftest import Project

TEST = """
    import pytest
    from net import suite_points

    X, Y = suite_points()

    @pytest.mark.idc_suite
    @pytest.mark.parametrize("part", range(4))
    def test_it(idc, part, idc_profile):
        idc(X[part::4], labels=Y[part::4])
        assert idc_profile.fingerprint
        assert idc.coverage().inputs == 15
"""


@pytest.fixture
def suite(project: Project) -> Project:
    project.write("test_it.py", TEST)
    return project


def numbers(report: dict) -> str:
    kept = {k: v for k, v in report.items() if k not in ("created", "settings", "profile", "tests")}
    kept["profile"] = {k: v for k, v in report["profile"].items() if k != "origin"}
    kept["tests"] = [{k: v for k, v in t.items()} for t in report["tests"]]
    return json.dumps(kept, sort_keys=True)


def test_second_run_uses_the_cache_and_cache_clear_clears_it(suite: Project) -> None:
    suite.run()
    first = suite.report()
    suite.run()
    second = suite.report()
    assert (first["profile"]["origin"], second["profile"]["origin"]) == ("built", "cached")
    assert numbers(first) == numbers(second)
    suite.run("--cache-clear")
    assert suite.report()["profile"]["origin"] == "built"


def test_other_settings_other_profile(suite: Project) -> None:
    suite.run()
    suite.run("--idc-zeros=drop")
    assert suite.report()["profile"]["origin"] == "built"
    suite.run("--idc-m=2")
    assert suite.report()["profile"]["origin"] == "cached"


def test_workers_build_one_profile_and_agree_with_the_serial_run(suite: Project) -> None:
    suite.run_apart("-n", "2", "--cache-clear")
    parallel = suite.report()
    assert parallel["profile"]["origin"] == "built"
    result = suite.run_apart("-n", "2")
    assert suite.report()["profile"]["origin"] == "cached"
    assert "cached" in next(line for line in result.outlines if line.startswith("reference "))
    assert len(list((suite.path / ".pytest_cache/d/idc").glob("*.idc"))) == 1
    suite.run_apart("-p", "no:xdist", "--cache-clear")
    assert numbers(parallel) == numbers(suite.report())


def test_portable_profile(suite: Project, capsys: pytest.CaptureFixture[str]) -> None:
    suite.run()
    wanted = suite.report()
    path = suite.path / "model.idc"
    assert main(["profile", "build", f"{suite.path}/net.py:Net", "--reference",
                 f"{suite.path}/net.py:reference", "-o", str(path)]) == 0  # fmt: skip
    built = capsys.readouterr().out
    assert "written" in built
    assert main(["profile", "show", str(path)]) == 0
    assert "fc2[" in capsys.readouterr().out
    assert main(["profile", "check", str(path), f"{suite.path}/net.py:Net"]) == 0
    suite.write("other.py", "from net import Net as N\n\ndef other():\n    return N(0.2)\n")
    suite.ini(reference="")
    suite.run(f"--idc-profile={path}").assert_outcomes(passed=4)
    got = suite.report()
    for key in ("covered", "total", "reach", "exercised_rows"):
        row = got["total"]["criteria"]["IDC"]
        assert row[key] == wanted["total"]["criteria"]["IDC"][key]
    result = suite.run(f"--idc-profile={path}", "--idc-model=other:other")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert wanted["model"]["fingerprint"][:8] in text
    result = suite.run(f"--idc-profile={path}", "--idc-zeros=drop")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "zeros" in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "absent", "weights"])
def test_damaged_profile_is_refused(suite: Project, damage: str, tmp_path: Path) -> None:
    path = tmp_path / "model.idc"
    main(["profile", "build", f"{suite.path}/net.py:Net", "--reference",
          f"{suite.path}/net.py:reference", "-o", str(path)])  # fmt: skip
    data = path.read_bytes()
    if damage == "absent":
        path.unlink()
    elif damage == "weights":
        from safetensors.torch import save_file
        from torch import ones

        save_file({"fc1.weight": ones(2)}, str(path))
    else:
        changed = bytearray(data)
        changed[-40] ^= 1
        path.write_bytes(
            {"truncated": data[:-100], "flipped": bytes(changed), "text": b"hi"}[damage]
        )
    result = suite.run(f"--idc-profile={path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "profile build" in text or "--idc-model" in text


def test_no_samples_keeps_counts_only(suite: Project, tmp_path: Path) -> None:
    from pytest_deepimportance import Profile

    path = tmp_path / "model.idc"
    main(["profile", "build", f"{suite.path}/net.py:Net", "--reference",
          f"{suite.path}/net.py:reference", "--no-samples", "-o", str(path)])  # fmt: skip
    counts = Profile.load(path).counts["fc2"]
    assert (counts.first_index == -1).all()


def test_a_stored_profile_notices_code_that_changed_under_the_same_weights(
    suite: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    path = suite.path / "model.idc"
    main(["profile", "build", f"{suite.path}/net.py:Net", "--reference",
          f"{suite.path}/net.py:reference", "-o", str(path)])  # fmt: skip
    suite.run(f"--idc-profile={path}").assert_outcomes(passed=4)
    source = (suite.path / "net.py").read_text()
    suite.write("changed.py", source.replace("torch.relu(self.fc1(x))", "torch.tanh(self.fc1(x))"))
    result = suite.run(f"--idc-profile={path}", "--idc-model=changed:Net")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "gave other answers" in result.stdout.str() + result.stderr.str()
    capsys.readouterr()
    assert main(["profile", "check", str(path), f"{suite.path}/changed.py:Net"]) == 2
    assert "gave other answers" in capsys.readouterr().err
