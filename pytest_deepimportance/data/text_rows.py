"""Texts and labels from .jsonl files: one JSON object a line, `{"text": ..., "label": ...}`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.errors import ReferenceDataError, did_you_mean
from pytest_deepimportance.formatting import an

SUFFIX = ".jsonl"
TEXT, PAIR, LABEL = "text", "text_pair", "label"
_FORM = '{"text": "...", "label": 0}'
_LFS = "version https://git-lfs"


@dataclass(frozen=True)
class TextRows:
    """Texts of N rows.

    Attributes:
        texts: N texts.
        pairs: The second text of each row, None where rows have one.
        labels: Class of each row, UNKNOWN where it has none; None where no row has one.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    labels: tuple[int, ...] | None


def read_texts(path: Path, class_names: Sequence[str] = ()) -> TextRows:
    """Read a .jsonl file.

    Each line is an object with "text", for pairs also "text_pair", and optionally "label": an
    integer, one of `class_names`, or null. Empty lines are skipped, other keys ignored.

    Args:
        path: UTF-8 text.
        class_names: Names of the classes, in the order of the model's outputs.

    Raises:
        ReferenceDataError: With the number of the first line that cannot be used.
    """
    texts, pairs, labels = [], [], []
    for where, row in _objects(path):
        texts.append(_text(row, TEXT, where))
        pairs.append(_text(row, PAIR, where) if PAIR in row else None)
        labels.append(_label(row.get(LABEL), class_names, where))
        if (pairs[-1] is None) != (pairs[0] is None):
            raise ReferenceDataError(
                f"{where}: some rows have a {PAIR!r} and others have none",
                "A row is one text or two, throughout.",
            )
    second = None if not pairs or pairs[0] is None else tuple(str(pair) for pair in pairs)
    known = any(label != UNKNOWN for label in labels)
    return TextRows(tuple(texts), second, tuple(labels) if known else None)


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                where = f"{path}, line {number}"
                if number == 1 and line.startswith(_LFS):
                    raise ReferenceDataError(
                        f"{path} is a Git LFS pointer, not the data", fix="Type: git lfs pull"
                    )
                if line.strip():
                    yield where, _object(line, where)
    except UnicodeDecodeError as error:
        raise ReferenceDataError(
            f"{path} is not UTF-8 text (after line {number}): {error.reason}",
            fix="Save it as UTF-8.",
        ) from error


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ReferenceDataError(
            f"{where} is not JSON: {error}",
            "Each line is one JSON object by itself.",
            f"Write it as {_FORM}",
        ) from error
    if not isinstance(row, dict):
        raise ReferenceDataError(
            f"{where} is a JSON {type(row).__name__}, not an object", fix=f"Write it as {_FORM}"
        )
    return row


def _text(row: dict[str, Any], key: str, where: str) -> str:
    if key not in row:
        raise ReferenceDataError(
            f"{where} has no {key!r} (its keys: {', '.join(row) or 'none'})",
            f"The input is read from {key!r} and the class from {LABEL!r}.",
            _near(key, row) or f"Write it as {_FORM}",
        )
    value = row[key]
    if not isinstance(value, str):
        raise ReferenceDataError(
            f"{where}: {key!r} is {an(type(value).__name__)}, not a text",
            fix="For pairs of texts write "
            '{"text": "...", "text_pair": "...", "label": 0}; for texts that are tokenised '
            "already, a function: idc_reference = pkg.mod:callable",
        )
    return value


def _near(key: str, row: dict[str, Any]) -> str:
    hint = did_you_mean(key, row)
    return f"Rename the key: {hint}" if hint else ""


def _label(value: Any, names: Sequence[str], where: str) -> int:
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return _named(value, names, where)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ReferenceDataError(
            f"{where}: label {value!r} is neither an integer nor the name of a class",
            "It is the index of the true class among the model's outputs.",
            f"Write it as {_FORM}",
        )
    if value < 0 or (names and value >= len(names)):
        limit = f" ({len(names)} classes: {', '.join(names[:8])})" if names else ""
        raise ReferenceDataError(
            f"{where}: label {value} is no class of the model{limit}",
            fix="Leave the label out, or write null, where a row has none.",
        )
    return value


def _named(value: str, names: Sequence[str], where: str) -> int:
    if value in names:
        return list(names).index(value)
    if not names:
        raise ReferenceDataError(
            f"{where}: label {value!r} is a name, and the names of the classes are not known",
            "It must become the index of one of the model's outputs.",
            "Write integers, or give the names in the order of the outputs: "
            "--idc-class-names complaint,praise,question",
        )
    raise ReferenceDataError(
        f"{where}: label {value!r} is no class of the model",
        f"Its classes: {', '.join(names[:12])}.",
        did_you_mean(value, names)
        or ("Write the index without quotes." if value.isdigit() else "Write one of these names."),
    )
