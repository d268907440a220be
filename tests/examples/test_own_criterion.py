"""The README's criterion of a user's own: twenty lines, run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.examples.readme import README, checkout

CODE = re.compile(r"<!-- own criterion -->\n```python\n(.*?)```", re.DOTALL)


def test_the_readmes_own_criterion_is_measured_and_gated(tmp_path: Path) -> None:
    found = CODE.search(README.read_text(encoding="utf-8"))
    assert found is not None
    assert sum(bool(line.strip()) for line in found[1].splitlines()) <= 20
    project = checkout(tmp_path) / "sample_project"
    conftest = project / "conftest.py"
    conftest.write_text(conftest.read_text(encoding="utf-8") + "\n\n" + found[1], encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--idc-report=json:idc.json"]
    gates = ["--idc-fail-under", "SILENT=1", "--idc-fail-under", "share=0.9"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "IDC_"))}
    done = subprocess.run(
        [*command, *gates], cwd=project, capture_output=True, text=True, env=clean
    )
    report = json.loads((project / "idc.json").read_text(encoding="utf-8"))["reports"][0]
    row = report["total"]["criteria"]["SILENT"]
    assert (row["covered"], row["total"]) in ((0, 1), (1, 1))
    assert done.returncode == 1 - row["covered"], done.stdout
