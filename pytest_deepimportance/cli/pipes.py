"""Standard output that somebody may stop reading (`deepimportance ... | head`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast


class _Output:
    """A stream that takes what is written to it also after its reader has gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._gone = stream, False

    def __getattr__(self, name: str) -> Any:
        """Return everything else of the stream itself."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or do nothing once nobody reads."""
        if not self._gone:
            try:
                return self._stream.write(text)
            except BrokenPipeError:
                self._leave()
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing once nobody reads."""
        if not self._gone:
            try:
                self._stream.flush()
            except BrokenPipeError:
                self._leave()

    def _leave(self) -> None:
        """Send what is still in the buffer nowhere: the interpreter flushes it when it ends."""
        self._gone = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def readers_may_leave(stream: TextIO) -> Iterator[None]:
    """Go on inside when nobody reads `stream` any more: files asked for are written all the same.

    The exit status stays that of the command.
    """
    output = _Output(stream)
    with redirect_stdout(cast("TextIO", output)):
        try:
            yield
        finally:
            output.flush()
