"""A process with the big libraries imported, which forks itself for every command that a test starts.

A command is a process of its own as before, with its own arguments, folder, environment and standard
streams, and imports this project anew; it only finds torch and the others imported, which takes most
of the time of a small command.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
import types
from contextlib import suppress
from typing import Any, NoReturn

LIBRARIES = (
    "numpy", "torch", "torch.distributed.tensor", "torchvision", "sklearn.datasets", "scipy.stats",
    "safetensors.torch", "captum.attr", "rich.console", "rich.table", "filelock", "pytest",
)  # fmt: skip
"""What commands import."""


def serve(listener: socket.socket) -> dict[str, Any] | None:
    """Answer until the tests are over; return what to run, in the process that shall run it."""
    for name in LIBRARIES:
        # Some are optional.
        with suppress(ImportError):
            importlib.import_module(name)
    # hypothesis's plugin imports it at the end of every session. pytest warns of packages with a plugin
    # that were imported before it, unless they say this.
    with suppress(ImportError, KeyError):
        importlib.import_module("hypothesis.internal.observability")
        for name in ("hypothesis", "_hypothesis_globals"):
            sys.modules[name].__doc__ = "PYTEST_DONT_REWRITE"
    gc.collect()
    gc.freeze()  # a collection in a command leaves the pages that hold the libraries alone
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that watch a command
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            return None
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return start(connection)
        connection.close()


def start(connection: socket.socket) -> dict[str, Any]:
    """Read what to run; return it in a process of its own that this one watches."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    request: dict[str, Any] = json.loads(connection.makefile("rb").readline())
    child = os.fork()
    if child == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return request
    for stream in (*streams, 0, 1, 2):
        os.close(stream)
    os._exit(watch(child, connection))


def watch(child: int, connection: socket.socket) -> int:
    """Tell the client how `child` ended; end it if the client is killed."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            with suppress(OSError):
                connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            return 0
        if select.select([connection], [], [], 0)[0]:
            os.kill(child, signal.SIGKILL)
            return 0
        time.sleep(0.005)


def become(request: dict[str, Any]) -> None:
    """Take over folder, environment and streams, as a new process would have them."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.executable = request["executable"]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    at_once = "-u" in request["flags"]
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = sys.__stdout__ = _text(1, at_once, "strict")
    sys.stderr = sys.__stderr__ = _text(2, at_once, "backslashreplace")
    if "OMP_NUM_THREADS" in os.environ and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def _text(stream: int, at_once: bool, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(stream, "w", closefd=False)
    return io.TextIOWrapper(
        raw if at_once else io.BufferedWriter(raw),
        encoding="utf-8", errors=errors, write_through=at_once, line_buffering=stream == 2,
    )  # fmt: skip


def execute(kind: str, what: str, arguments: list[str]) -> None:
    """Do what `python -m what`, `python -c what` or `python what` does."""
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    # The first entry is the folder of this file.
    sys.path[0:1] = [os.path.dirname(what) if kind == "file" else os.getcwd(), *path]
    importlib.invalidate_caches()
    sys.argv = [what if kind == "file" else kind, *arguments]
    sys.modules["__main__"] = types.ModuleType("__main__")
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    elif kind == "-c":
        exec(compile(what, "<string>", "exec"), vars(sys.modules["__main__"]))
    else:
        runpy.run_path(what, run_name="__main__")


def status_of(kind: str, what: str, arguments: list[str]) -> int:
    """Return the exit status of a command, as the interpreter would give it."""
    try:
        execute(kind, what, arguments)
    except SystemExit as asked:
        if asked.code is None or isinstance(asked.code, int):
            return asked.code or 0
        print(asked.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def end(status: int) -> NoReturn:
    """End as an interpreter does, but leave its million objects: taking them down costs a second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        become(asked)
        end(status_of(asked["kind"], asked["what"], asked["arguments"]))
