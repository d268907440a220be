"""Data files: whole or refused, whatever happens to them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load as load_safetensors

from pytest_deepimportance.errors import DataFileError
from pytest_deepimportance.store import container, datafile
from pytest_deepimportance.store.datafile import partly_written, read, write
from tests.store.builders import content

SMALL = content({"t.py::a": "one", "t.py::b": "two"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "deepimportance.data"
    write(SMALL, found)
    return found


def refused(path: Path, match: str) -> DataFileError:
    with pytest.raises(DataFileError, match=match) as caught:
        read(path)
    assert caught.value.what
    assert caught.value.fix
    return caught.value


def test_what_is_written_is_read(path: Path) -> None:
    assert read(path) == SMALL


def test_equal_contents_give_equal_bytes(path: Path, tmp_path: Path) -> None:
    write(content({"t.py::b": "two", "t.py::a": "one"}), tmp_path / "other.data")
    assert (tmp_path / "other.data").read_bytes() == path.read_bytes()


def test_it_is_a_safetensors_file(path: Path) -> None:
    body = load_safetensors(path.read_bytes())["body"].tobytes()
    for measured in SMALL.profiles.values():
        assert body.endswith(measured.profile)
        assert all(s in body for by_slot in measured.blocks.values() for s in by_slot.values())


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        with pytest.raises(DataFileError):
            datafile.parse(bytes(changed), "changed.data")


def test_every_truncation_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(len(whole)):
        with pytest.raises(DataFileError):
            datafile.parse(whole[:length], "short.data")
    with pytest.raises(DataFileError, match="bytes of data instead of"):
        datafile.parse(whole + b"\0", "long.data")


def test_other_files_are_named_for_what_they_are(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    refused(other, "Git LFS pointer")
    other.write_bytes(container.join(json.dumps({"kind": "something"}), b""))
    refused(other, "no data file of this plugin")
    other.write_bytes(container.join(json.dumps([1]), b""))
    refused(other, "no table")
    other.write_text("just text, longer than eight bytes")
    refused(other, "no data file: it does not begin as one does")
    other.write_bytes(b"")
    refused(other, "it is empty")
    other.write_text('{"schema": "a report"}')
    refused(other, "it is JSON, as a report is")
    other.write_bytes(b"PK\x03\x04 and so on")
    refused(other, "it is a zip archive, as checkpoints of torch are")
    other.write_bytes(path.read_bytes()[:-1])
    assert f"deepimportance erase {other}" in refused(other, "is damaged: it holds").fix
    absent = refused(tmp_path / "deepimportance.dat", "data file not found")
    assert "Nearest files there: deepimportance.data" in absent.fix
    assert (
        "Nearest files there: deepimportance.data"
        in refused(tmp_path / "deepimportance.dat", "").fix
    )
    refused(tmp_path, "cannot be read")


def test_weights_are_not_taken_for_data(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(3)}, str(tmp_path / "w.safetensors"), {"format": "pt"})
    refused(tmp_path / "w.safetensors", "no data file: it is a safetensors file")


def test_a_newer_format_is_refused_with_both_numbers(path: Path) -> None:
    text, body = container.split(path.read_bytes())
    newer = json.dumps({**json.loads(text), "format": 99, "version": "9.9"})
    path.write_bytes(container.join(newer, bytes(body)))
    error = refused(path, "data format 99, written by version 9.9")
    assert f"reads {datafile.FORMAT}" in error.what


def test_a_field_that_is_missing_is_said(path: Path) -> None:
    text, body = container.split(path.read_bytes())
    header = json.loads(text)
    del header["run"]
    path.write_bytes(container.join(json.dumps(header), bytes(body)))
    refused(path, "a field is missing or unknown")


def test_a_folder_that_cannot_be_written_to(path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="is a folder"):
        write(SMALL, tmp_path)
    with pytest.raises(DataFileError, match="cannot be written") as caught:
        write(SMALL, path / "below" / "a.data")
    assert caught.value.fix == "Give a file in a folder you may write to."


def test_a_write_that_fails_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataFileError, match="No space left"):
        write(content({"t.py::c": "three"}), path)
    assert read(path) == SMALL
    assert partly_written(path) == []


def test_what_killed_writers_left_is_removed_after_an_hour(path: Path) -> None:
    old, new = (path.with_name(f".{path.name}.{name}.part") for name in ("old", "new"))
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    write(SMALL, path)
    assert partly_written(path) == [new]


WRITER = """
import sys
from pathlib import Path
from pytest_deepimportance.store.datafile import write
from tests.store.builders import content
path = Path(sys.argv[1])
versions = [content({f"t.py::{n}": str(v) * 40_000 for n in range(20)}) for v in (1, 2)]
print("ready", flush=True)
while True:
    for version in versions:
        write(version, path)
        print(".", end="", flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    target = tmp_path / "deepimportance.data"
    versions = [content({f"t.py::{n}": str(v) * 40_000 for n in range(20)}) for v in (1, 2)]
    moments = random.Random(24)
    parts: Callable[[], int] = lambda: len(partly_written(target))  # noqa: E731
    killed_while_writing = 0
    write(versions[0], target)
    for _ in range(25):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(moments.random() * 0.06)
        before = parts()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        killed_while_writing += parts() > 0 or before > 0
        assert read(target) in versions
        for part in partly_written(target):
            part.unlink()
    assert killed_while_writing
