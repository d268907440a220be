"""Workers of pytest-xdist on another machine (`--tx ssh=HOST`): the report is the serial one.

A stand-in for `ssh` starts the remote command on this machine, in another folder and with another
home, so that nothing is found there but what was sent.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Project
from tests.integration.images import IMAGES, SUITE, section
from tests.integration.sameness import comparable

pytest.importorskip("xdist")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")

SSH = """\
#!/bin/sh
# ssh [-C] [-F FILE] HOST COMMAND
echo "$@" >> {other}/calls
for command; do :; done
cd {other} && HOME={other} exec sh -c "$command"
"""

MAKE = """
import numpy as np
import torch
from pictured import Images, reference

torch.save(Images().state_dict(), "net.pth")
x, y = reference()
np.savez("ref.npz", x=x.numpy(), y=y.numpy())
"""


@pytest.fixture
def other_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder on the other machine."""
    other, ssh = tmp_path / "other", tmp_path / "bin" / "ssh"
    other.mkdir()
    ssh.parent.mkdir()
    ssh.write_text(SSH.format(other=other))
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return other


def test_a_worker_here_and_one_elsewhere_report_what_one_process_does(
    project: Project, other_machine: Path
) -> None:
    project.write("pictured.py", IMAGES)
    project.write("tests/test_it.py", SUITE)
    project.ini("idc_factory = pictured.py:Images", model="", reference="")
    project.pytester.runpython(project.write("make.py", MAKE))
    # Paths of the command line mean the same files there as here.
    given = ("-q", "--idc-model=net.pth", "--idc-reference=ref.npz")
    project.run("-p", "no:xdist", *given, "--idc-report=html:a.html")
    alone, shown = comparable(project.path / "idc.json"), section(project, "a.html")
    (project.path / "idc.json").unlink()
    result = project.run(
        "--dist=each", "--tx=popen", f"--tx=ssh=elsewhere//python={sys.executable}",
        f"--rsyncdir={project.path}", str(project.path), *given, "--idc-report=html:b.html",
    )  # fmt: skip
    assert "elsewhere" in (other_machine / "calls").read_text()
    assert result.parseoutcomes()["passed"] == 8
    assert comparable(project.path / "idc.json") == alone
    assert section(project, "b.html") == shown != ""
    # Its profile was made there.
    assert list(other_machine.rglob("*.idc"))
