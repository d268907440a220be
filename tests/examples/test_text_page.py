"""The project on docs/text-models.md is one that runs."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.examples.readme import ROOT

pytest.importorskip("transformers", reason="needs pip install transformers")


def block(language: str) -> str:
    page = (ROOT / "docs" / "text-models.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return found


def test_the_tests_of_the_page_pass_and_are_measured(pytester: pytest.Pytester):
    shutil.copytree(ROOT / "fixtures" / "router", pytester.path / "router")
    (pytester.path / "pytest.ini").write_text(block("ini"))
    (pytester.path / "test_router.py").write_text(block("python"))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=40)
    result.stdout.fnmatch_lines(["*Importance-Driven Coverage*", "messages *40 *", "IDC total:*"])


def test_the_rows_of_the_page_can_be_read(tmp_path):
    from pytest_deepimportance.data.text_rows import read_texts

    page = (ROOT / "docs" / "text-models.md").read_text(encoding="utf-8")
    lines = re.findall(r'^\{"text".*\}$', page, re.MULTILINE)
    assert len(lines) == 3
    names = ("complaint", "praise", "question")
    for line, label in zip(lines, (0, 2, -1), strict=True):
        (tmp_path / "rows.jsonl").write_text(line)
        labels = read_texts(tmp_path / "rows.jsonl", names).labels
        assert (labels[0] if labels else -1) == label


def test_the_committed_classifier_is_right_on_its_test_texts():
    import json

    import torch
    from transformers import AutoTokenizer

    from pytest_deepimportance.models.loading import load_model

    folder = ROOT / "fixtures" / "router"
    model, words = load_model(f"hf:{folder}"), AutoTokenizer.from_pretrained(folder)
    rows = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    with torch.no_grad():
        batch = words([row["text"] for row in rows], padding=True, return_tensors="pt")
        found = model(**batch).logits.argmax(1).tolist()
    names = model.config.id2label
    assert sum(names[i] == row["label"] for i, row in zip(found, rows, strict=True)) == len(rows)
