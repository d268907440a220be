"""Importance files: JSON, and the research code's CSV with a side file that says whose it is."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pytest_deepimportance.atomic import write_atomically
from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.attribution.importance_data import digest, from_plain, to_plain
from pytest_deepimportance.errors import AttributionError, did_you_mean, nearest
from pytest_deepimportance.formatting import clean, is_formula

COLUMNS = ("LayerName", "NeuronIndex", "Score")

_LFS = b"version https://git-lfs"
_CSV_DIGEST = "scores_sha256"


class IncompleteScores(AttributionError):
    """A layer lacks the score of a neuron: either that, or a row names another layer than meant.

    Attributes:
        layers: The names in the file.
    """

    layers: tuple[str, ...] = ()


def save(importance: Importance, path: Path) -> None:
    """Write JSON, or CSV with its side file (also without an ending), as that of `path` says."""
    kind = path.suffix.lower()
    if kind not in (".csv", ".json", ""):
        raise AttributionError(
            f"{path}: the name of an importance file must end in .csv or .json",
            "The ending says what is in it.",
            f"For example: {path.with_suffix('.csv')}",
        )
    if kind == ".json":
        _write(path, json.dumps(to_plain(importance), indent=1) + "\n")
    else:
        write_csv(importance, path)


def load(path: Path) -> Importance:
    """Read a file of either kind.

    Raises:
        AttributionError: The file is absent, malformed, or was changed after its side file.
    """
    _check_there(path)
    if not is_json(path):
        return read_csv(path)
    data = _parsed(path)
    if _CSV_DIGEST in data:
        raise AttributionError(
            f"{path} is the side file of a CSV: it holds no scores",
            fix=f"Give the CSV beside it: {path.with_suffix('')}",
        )
    try:
        return replace(from_plain(data), source=str(path))
    except AttributionError as error:
        raise AttributionError(f"{path}: {error.what}", error.why, error.fix) from error


def is_json(path: Path) -> bool:
    """Return whether a file is JSON, by its name or, since files are renamed, by what is in it."""
    if path.suffix.lower() == ".json" or not path.is_file():
        return path.suffix.lower() != ".csv"
    with open(path, "rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))


def side_file(path: Path) -> Path:
    """Return where a CSV's side file is."""
    return path.with_name(path.name + ".json")


def write_csv(importance: Importance, path: Path) -> None:
    """Write the table and its side file; a name that is a formula in a spreadsheet is refused."""
    for name in importance.scores:
        if is_formula(name):
            raise AttributionError(
                f"layer {clean(name)!r} would be a formula in a CSV",
                "Spreadsheet programs compute cells that begin with = + - or @.",
                f"Write JSON instead: {path.with_suffix('.json')}",
            )
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, scores in importance.scores.items():
        writer.writerows((name, index, repr(float(s))) for index, s in enumerate(scores))
    data = to_plain(importance)
    del data["scores"]
    side = {**data, _CSV_DIGEST: digest(importance.scores)}
    # The side file last: a CSV without one is unknown, a side file of other scores would lie.
    with suppress(OSError):  # what cannot be removed is replaced, or the next line says why not
        side_file(path).unlink()
    _write(path, table.getvalue())
    _write(side_file(path), json.dumps(side, indent=1) + "\n")


def read_csv(path: Path) -> Importance:
    """Read the table in any order, and the side file if there is one."""
    scores, layers = {}, _table(path)
    for name, values in layers.items():
        if set(values) != set(range(len(values))):
            absent = next(i for i in range(len(values)) if i not in values)
            raise _incomplete(path, name, absent, list(layers))
        scores[name] = np.array([values[index] for index in range(len(values))])
    if not scores:
        raise _malformed(path, "it holds no row")
    side = side_file(path)
    if not side.is_file():
        return Importance(scores, source=str(path))
    data = _parsed(side)
    told = data.pop(_CSV_DIGEST, None)
    if told != digest(scores):
        raise AttributionError(
            f"{path} holds other scores than {side.name} was written for",
            "The side file says whose scores these are, and it speaks of others.",
            f"If you changed the scores on purpose, remove {side}.",
        )
    try:
        return replace(from_plain({**data, "scores": scores}), source=str(path))
    except AttributionError as error:
        raise AttributionError(f"{side}: {error.what}", error.why, error.fix) from error


def _table(path: Path) -> dict[str, dict[int, float]]:
    layers: dict[str, dict[int, float]] = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise _malformed(path, f"it has no column {missing[0]}")
            for row in table:
                _read_row(path, table.line_num, row, layers)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _malformed(path, f"it is no text in columns ({error})") from error
    return layers


def _read_row(
    path: Path, number: int, row: Mapping[str, Any], layers: dict[str, dict[int, float]]
) -> None:
    try:
        name, index = str(row["LayerName"]), int(row["NeuronIndex"])
        score = float(row["Score"])
    except (TypeError, ValueError) as error:
        raise _malformed(path, f"line {number}: {error}") from error
    if not math.isfinite(score) or index < 0:
        raise _malformed(path, f"line {number}: neuron {index} with score {score}")
    known = layers.setdefault(name, {})
    if index in known:
        raise _malformed(path, f"line {number}: a second row for neuron {index} of {name!r}")
    known[index] = score


def _incomplete(path: Path, name: str, absent: int, layers: list[str]) -> IncompleteScores:
    told = _malformed(path, f"layer {name!r} has no row for neuron {absent}")
    alike = clean(did_you_mean(name, [other for other in layers if other != name]))
    error = IncompleteScores(told.what, told.why, f"{told.fix} {alike}".rstrip())
    error.layers = tuple(layers)
    return error


def _malformed(path: Path, what: str) -> AttributionError:
    return AttributionError(
        f"importance file {path}: {clean(what)}",
        "Each neuron of a layer needs exactly one finite score.",
        f"Expected are the columns {','.join(COLUMNS)}, neurons numbered from 0.",
    )


def _check_there(path: Path) -> None:
    if path.is_file():
        with open(path, "rb") as file:
            pointer = file.read(len(_LFS)) == _LFS
        if pointer:
            raise AttributionError(
                f"{path} is a Git LFS pointer, not the scores themselves",
                "Git has checked out the pointer; the content is fetched by Git LFS.",
                "Run: git lfs pull",
            )
        return
    there = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
    close = nearest(path.name, there)
    raise AttributionError(
        f"importance file not found: {path}",
        "Without scores it is not known which neurons matter.",
        (f"Nearest files there: {', '.join(close)}. " if close else "")
        + "Make one with: deepimportance vote MODEL --reference R --methods lrp --out votes.csv",
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("it is no table of fields")
    except (ValueError, RecursionError) as error:
        raise AttributionError(
            f"{path} is no importance file: {error}",
            fix="Files are written by Importance.save and 'deepimportance vote --out FILE'.",
        ) from error
    return data


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise AttributionError(
            f"the scores cannot be written to {path}: {error.strerror or error}",
            fix="Give the path of a file in a folder that may be written to.",
        ) from error
