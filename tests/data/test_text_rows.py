"""Texts from .jsonl files, and what is said of lines that cannot be used."""

from __future__ import annotations

import json

import pytest

from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.text_rows import read_texts
from pytest_deepimportance.errors import ReferenceDataError

NAMES = ("complaint", "praise", "question")


def written(tmp_path, *lines, raw=None):
    path = tmp_path / "rows.jsonl"
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_bytes(raw if raw is not None else text.encode())
    return path


def test_texts_labels_and_names(tmp_path):
    path = written(
        tmp_path,
        "\ufeff" + json.dumps({"text": "late again", "label": 0, "id": 7}),
        "",
        {"text": "gr\u00fc\u00dfe", "label": "question"},
        {"text": "", "label": None},
        {"text": "thanks"},
    )
    rows = read_texts(path, NAMES)
    assert rows.texts == ("late again", "gr\u00fc\u00dfe", "", "thanks")
    assert rows.labels == (0, 2, UNKNOWN, UNKNOWN)
    assert rows.pairs is None


def test_rows_without_any_label_and_pairs(tmp_path):
    rows = read_texts(written(tmp_path, {"text": "a", "text_pair": "b"}))
    assert (rows.texts, rows.pairs, rows.labels) == (("a",), ("b",), None)
    assert read_texts(written(tmp_path)).texts == ()


@pytest.mark.parametrize(
    ("line", "pattern", "hint"),
    [
        ('{"text": "a"', "line 2 is not JSON", "label"),
        ('["a", 0]', "line 2 is a JSON list, not an object", "label"),
        ({"txt": "a", "label": 0}, "line 2 has no 'text' .its keys: txt, label", "txt"),
        ({"label": 0}, "line 2 has no 'text'", "label"),
        ({"text": ["a", "b"]}, "line 2: 'text' is a list, not a text", "text_pair"),
        ({"text": 3}, "line 2: 'text' is an int, not a text", "pkg.mod:callable"),
        ({"text": "a", "label": 1.0}, "line 2: label 1.0 is neither", "label"),
        ({"text": "a", "label": True}, "line 2: label True is neither", "label"),
        ('{"text": "a", "label": NaN}', "line 2: label nan is neither", "label"),
        ({"text": "a", "label": -1}, "line 2: label -1 is no class", "null"),
        ({"text": "a", "label": 3}, "line 2: label 3 is no class of the model .3 classes", "null"),
        ({"text": "a", "label": "prase"}, "line 2: label 'prase' is no class", "praise"),
        ({"text": "a", "label": "1"}, "line 2: label '1' is no class", "without quotes"),
        ({"text": "a", "text_pair": "b"}, "line 2: some rows have a 'text_pair'", ""),
    ],
)
def test_the_first_line_that_cannot_be_used_is_named(tmp_path, line, pattern, hint):
    path = written(tmp_path, {"text": "fine", "label": 0}, line)
    with pytest.raises(ReferenceDataError, match=pattern) as caught:
        read_texts(path, NAMES)
    assert hint in caught.value.fix
    assert str(path) in caught.value.what


def test_names_without_known_classes(tmp_path):
    with pytest.raises(ReferenceDataError, match="label 'spam' is a name") as caught:
        read_texts(written(tmp_path, {"text": "a", "label": "spam"}))
    assert "--idc-class-names" in caught.value.fix


def test_files_of_another_kind(tmp_path):
    with pytest.raises(ReferenceDataError, match="is not UTF-8 text"):
        read_texts(written(tmp_path, raw=b'{"text": "caf\xe9"}\n'))
    with pytest.raises(ReferenceDataError, match="Git LFS pointer"):
        read_texts(written(tmp_path, "version https://git-lfs.github.com/spec/v1"))
