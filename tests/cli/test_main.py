from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_deepimportance import __version__
from pytest_deepimportance.cli import main as module
from pytest_deepimportance.cli.main import EXAMPLES, main
from tests.cli.conftest import Run


def test_nothing_asked_prints_what_there_is(run: Run) -> None:
    for arguments, words in (((), ("layers", "profile", "examples:")),
                             (("profile",), ("build", "show", "check"))):  # fmt: skip
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert all(word in err for word in words)


def test_help_version_and_mistakes(run: Run) -> None:
    assert run("--version") == (0, f"deepimportance {__version__}\n", "")
    code, out, _ = run("profile", "build", "--help")
    assert code == 0
    assert "--min-values N" in out
    assert "--idc-" not in out.replace("--idc-*", "").replace("--idc-profile FILE", "").replace(
        "--idc-model", ""
    )
    for wrong in (("layrs", "x"), ("layers",), ("layers", "app.py:net", "--bogus"),
                  ("profile", "bulid"), ("profile", "build", "app.py:net")):  # fmt: skip
        code, _, err = run(*wrong)
        assert code == 2
        assert "usage:" in err


@pytest.mark.parametrize(
    "command", ["compare a.data b.data", "suggest a b", "profile build m -o x"]
)
def test_an_unknown_option_shows_the_usage_of_the_subcommand(run: Run, command: str) -> None:
    code, _, err = run(*command.split(), "--bogus")
    name = " ".join(command.split()[: 2 if command.startswith("profile") else 1])
    assert code == 2
    assert err.startswith(f"usage: deepimportance {name} ")
    assert "unrecognized arguments: --bogus" in err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_leaves_early_stops_nothing(folder: Path) -> None:
    command = f"{sys.executable} -m pytest_deepimportance.cli.main "
    for arguments in ("profile build app.py:net --reference app.py:train -o n.idc", "layers -h"):
        found = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} {arguments} | true"],
            cwd=folder, env={**os.environ, "PYTHONUNBUFFERED": "1"}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert (found.returncode, found.stderr) == (0, "")
    assert (folder / "n.idc").exists()


def test_the_examples_are_commands_that_exist() -> None:
    commands = re.findall(r"deepimportance (.+)", EXAMPLES.replace("\\\n", ""))
    assert {"layers", "measure", "profile"} <= {command.split()[0] for command in commands}
    for command in commands:
        assert callable(module.parser().parse_args(command.split()).run)


def test_errors_are_exit_code_2_and_say_what_to_do(run: Run) -> None:
    code, out, err = run("layers", "absent.pth")
    assert (code, out) == (2, "")
    assert err.startswith("deepimportance: ")
    assert "absent.pth" in err
    assert "Traceback" not in err


def test_an_interrupt_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pytest_deepimportance.models.sites.find_sites", interrupted)
    assert main(["layers", "app.py:net"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_in_a_process_of_its_own(folder: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c",
         "import sys; from pytest_deepimportance.cli.main import main; sys.exit(main())",
         "layers", "app.py:net"],
        capture_output=True, text=True, cwd=folder, env={"PYTHONPATH": str(root), "HOME": "/"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "fc2" in done.stdout
