"""`deepimportance combine`, `show` and `erase`: data files as files; no torch is imported."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_deepimportance.atomic import partly_written
from pytest_deepimportance.errors import DataFileError
from pytest_deepimportance.formatting import byte_count, count, plural
from pytest_deepimportance.settings import TABLE
from pytest_deepimportance.store.content import DESELECTED, LOST, RAN, WAITING
from pytest_deepimportance.store.datafile import DEFAULT, is_ours, read, write

if TYPE_CHECKING:
    from pytest_deepimportance.store.content import Content, Measured


def add_parsers(commands: Any) -> None:
    """Add the subcommands."""
    parser = commands.add_parser(
        "combine",
        help="put the data files of several shards together",
        description="Combine data files that pytest wrote (--idc-data-file=FILE) into one, in any "
        "order: the result is that of a single run of all their tests. A test that ran in several "
        "of them counts once.",
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="data files, or folders with files *.data"
    )
    parser.add_argument("-o", "--output", default=DEFAULT, metavar="FILE", help=f"({DEFAULT})")
    parser.add_argument(
        "--different-profiles", action="store_true", help="take data of several models together; "
        "each is reported by itself",
    )  # fmt: skip
    parser.set_defaults(run=run_combine)
    parser = commands.add_parser(
        "show", help="what a data file holds", description="Show what a data file holds."
    )
    add_file(parser)
    parser.set_defaults(run=run_show)
    parser = commands.add_parser(
        "erase", help="remove a data file", description="Remove a data file, and what a writer "
        "that was killed left beside it.",
    )  # fmt: skip
    add_file(parser)
    parser.set_defaults(run=run_erase)


def add_file(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a data file."""
    parser.add_argument(
        "file", nargs="?", default=DEFAULT, metavar="FILE", help=f"a data file ({DEFAULT})"
    )


def run_combine(options: argparse.Namespace) -> int:
    """Combine, write, say what came together."""
    from pytest_deepimportance.store.combining import combine

    paths, target = _files(options.files), Path(options.output)
    _refuse_old_output(target, paths, options.files)
    named = [(str(path), read(path)) for path in paths]
    if target.exists() and target.resolve() not in [path.resolve() for path in paths]:
        _refuse_other_file(target)
    content = combine(named, different_profiles=options.different_profiles)
    write(content, target)
    ran = sum(state == RAN for state in content.run.tests.values())
    print(f"combined   {plural(len(paths), 'file')} with {plural(ran, 'marked test')}")
    asked = content.run.settings.get("fail_under") or []
    if any(set(part.run.settings.get("fail_under") or []) != set(asked) for _, part in named):
        print(f"thresholds differ, so all of them are judged: {', '.join(asked)}")
    print(f"written    {target}")
    return 0


def _refuse_old_output(target: Path, paths: Sequence[Path], given: Sequence[str]) -> None:
    """Refuse to combine an earlier result that was found in a folder.

    Raises:
        DataFileError: As said; a file that is named itself is meant.
    """
    own = target.resolve()
    meant = {Path(text).resolve() for text in given}
    if own in [path.resolve() for path in paths] and own not in meant:
        raise DataFileError(
            f"-o {target} lies in a folder that is combined, and is there already",
            "Tests that are gone from the shards would count as it holds them.",
            f"Remove it (deepimportance erase {target}), or give another place with -o.",
        )


def _refuse_other_file(target: Path) -> None:
    """Refuse to write over what is no data file.

    Raises:
        DataFileError: It is none, or damaged.
    """
    try:
        read(target)
    except DataFileError as error:
        raise DataFileError(
            f"-o {target} is there already and is not written over: {error.what}",
            "It may be something that cannot be made again.",
            "Give another file with -o, or remove that one yourself.",
        ) from None


def _files(given: Sequence[str]) -> list[Path]:
    """Return the files named, those of folders in the order of their names.

    Raises:
        DataFileError: A folder holds none.
    """
    found: dict[Path, None] = {}
    for text in given:
        path = Path(text)
        inside = sorted(path.rglob("*.data")) if path.is_dir() else [path]
        if not inside:
            raise DataFileError(
                f"the folder {path} holds no file *.data",
                fix="Name the files themselves, or run the shards with "
                f"--idc-data-file={path / 'NAME.data'}",
            )
        found.update(dict.fromkeys(inside))
    return list(found)


def run_show(options: argparse.Namespace) -> int:
    """Print what the file holds."""
    path = Path(options.file)
    print("\n".join(_shown(path, read(path))))
    return 0


def _shown(path: Path, content: Content) -> Iterator[str]:
    run = content.run
    yield f"data       {path}, {byte_count(path.stat().st_size)}"
    versions = [
        f"{name} {' and '.join(sorted({one.get(name, '?') for one in run.environments}))}"
        for name in ("python", "torch")
    ]
    yield f"run        {run.created[:19]}, {', '.join(versions)}"
    states = Counter(run.tests.values())
    parts = [f"{count(states[s])} {s}" for s in (RAN, DESELECTED, LOST, WAITING) if states[s]]
    yield f"tests      {', '.join(parts)}"
    for because in run.stopped:
        yield f"           a run was stopped early: {because}"
    for fingerprint, measured in sorted(content.profiles.items()):
        yield from _profile(fingerprint, measured)
    changed = [name for name in TABLE if run.origins.get(name, "default") != "default"]
    for name in changed:
        value = run.settings.get(name)
        if value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield f"setting    {TABLE[name].key} = {text} ({run.origins[name]})"


def _profile(fingerprint: str, measured: Measured) -> Iterator[str]:
    yield f"profile    {fingerprint[:16]}, {byte_count(len(measured.profile))}"
    yield f"           model {measured.spec} {measured.model[:16]}"
    yield f"           reference {measured.reference[:16]}"
    suites = Counter(tests[-1]["suite"] for tests in measured.tests.values())
    for suite, number in sorted(suites.items()):
        yield f"suite      {suite}: {plural(number, 'test')}"
    states = [len(state) for by_slot in measured.blocks.values() for state in by_slot.values()]
    yield f"blocks     {plural(len(measured.blocks), 'block')}, {byte_count(sum(states))}"
    twice = sorted(key for key, by_slot in measured.blocks.items() if len(by_slot) > 1)
    for key in twice[:5]:
        yield f"           {key}: {plural(len(measured.blocks[key]), 'state')}"


def run_erase(options: argparse.Namespace) -> int:
    """Remove the file; a file that is none of ours stays.

    Raises:
        DataFileError: It is none.
    """
    path = Path(options.file)
    parts = partly_written(path)
    if not path.exists() and not parts:
        print(f"nothing to erase: {path} does not exist")
        return 0
    if path.is_dir():
        raise DataFileError(
            f"{path} is a folder, not a data file", fix=f"Name the file: {path / DEFAULT}"
        )
    if path.exists():
        if not (path.is_file() and is_ours(path)):
            raise DataFileError(
                f"{path} is no data file, and is not erased",
                "It may be something that cannot be made again.",
                f"Remove it yourself: rm {path}",
            )
        path.unlink()
        print(f"erased     {path}")
    for part in parts:
        part.unlink()
        print(f"erased     {part}")
    return 0
