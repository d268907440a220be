"""What stands for `python` while tests run: hands its command to the server and ends as it ended."""

from __future__ import annotations

import json
import os
import socket
import sys

FLAGS = ("-u", "-B")


def request(executable: str, arguments: list[str]) -> dict[str, object] | None:
    """Return what to ask the server; None for a use of `python` that it does not know."""
    given = list(arguments)
    flags = []
    while given and given[0] in FLAGS:
        flags.append(given.pop(0))
    if not given:
        return None
    first = given.pop(0)
    if first in ("-m", "-c") and given:
        kind, what = first, given.pop(0)
    elif first.startswith(("-m", "-c")):
        kind, what = first[:2], first[2:]
    elif first.startswith("-"):
        return None
    else:
        kind, what = "file", first
    environment = dict(os.environ)
    if "-B" in flags:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return {
        "executable": executable, "folder": os.getcwd(), "environment": environment,
        "flags": flags, "kind": kind, "what": what, "arguments": given,
    }  # fmt: skip


def main(python: str, address: str, executable: str, *arguments: str) -> int:
    """Run `python` with `arguments`, in the server where it can."""
    asked = request(executable, list(arguments))
    if asked is None:
        os.execv(python, [python, *arguments])
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"!"], [0, 1, 2])
        connection.sendall(json.dumps(asked).encode() + b"\n")
        answer = connection.recv(16)
    if not answer:
        print(f"{executable}: the server of {address} ended", file=sys.stderr)
        return 70
    status = int(answer)
    if status < 0:
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
