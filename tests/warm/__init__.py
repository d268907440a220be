"""Commands that start at once: a folder with a `python` whose libraries are imported already."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = Path(sys.executable).parent


@contextmanager
def warm_commands() -> Iterator[Path]:
    """Yield a folder with `python`, `pytest` and `deepimportance`, as an environment's folder of scripts.

    Where processes do not fork safely, it is the folder of the real ones.
    """
    if sys.platform != "linux":
        yield SCRIPTS
        return
    # Addresses of sockets are short: not in pytest's own folder, which is deep.
    with tempfile.TemporaryDirectory(prefix="warm") as name, socket.socket(socket.AF_UNIX) as door:
        folder = Path(name)
        address = str(folder / "door")
        door.bind(address)
        door.listen(64)  # commands wait here until the server has imported its libraries
        python = folder / "python"
        _script(python, address, python)
        for command in ("pytest", "deepimportance"):
            _script(folder / command, address, python, SCRIPTS / command)
        # The libraries shall see neither where tests run, nor this project.
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CI")}
        server = subprocess.Popen(
            [sys.executable, str(HERE / "server.py"), str(door.fileno())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
            pass_fds=[door.fileno()], env=environment,
        )  # fmt: skip
        try:
            yield folder
        finally:
            server.communicate()  # the end of its input is the end of the server


def _script(path: Path, *arguments: object) -> None:
    words = [sys.executable, "-IS", HERE / "client.py", sys.executable, *arguments]
    path.write_text("#!/bin/sh\nexec " + shlex.join(map(str, words)) + ' "$@"\n')
    path.chmod(0o755)
