"""One progress bar, for the pass over the reference."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def bar(title: str, stream: TextIO) -> Generator[Callable[[int, int | None], None], None, None]:
    """Yield a function (rows done, rows in all) that moves a bar; the bar is wiped at the end."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(file=stream), transient=True
    ) as progress:
        task = progress.add_task(title, total=None)

        def update(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        yield update
