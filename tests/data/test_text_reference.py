"""A reference of texts: tokenised by a folder of transformers or by a callable."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.references_by_spec import load_reference
from pytest_deepimportance.errors import ReferenceDataError
from tests import text_models
from tests.data.helpers import keywords

CODE = """
import torch
WORDS = {}
def tokenise(texts):
    ids = [[len(word) for word in " ".join(text if isinstance(text, tuple) else [text]).split()] for text in texts]
    width = max(map(len, ids))
    return {"input_ids": torch.tensor([row + [0] * (width - len(row)) for row in ids]),
            "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])}
def wrong(texts): return [1, 2]
five = 5
"""


@pytest.fixture
def user(tmp_path, monkeypatch):
    (tmp_path / "words_of_user.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("words_of_user", None)


@pytest.fixture
def router(user):
    pytest.importorskip("transformers", reason="needs pip install transformers")
    return text_models.saved(user / "router")


def write(folder, rows, name="train.jsonl"):
    (folder / name).write_text("\n".join(map(json.dumps, rows)))
    return name


def rows_of(count, pair=False, **label):
    texts = text_models.sentences(count)
    rows = [{"text": text, "label": i % 3} for i, text in enumerate(texts)]
    return [{**row, "text_pair": "thanks"} for row in rows] if pair else rows


def refused(pattern, **values):
    with pytest.raises(ReferenceDataError, match=pattern) as caught:
        list(load_reference("train.jsonl", keywords(**values)).batches(8))
    return caught.value


def test_a_callable_tokenises(user):
    write(user, rows_of(20))
    reference = load_reference("train.jsonl", keywords(transform="words_of_user:tokenise"))
    assert (reference.rows, reference.available, reference.descriptor) == (20, 20, "train.jsonl")
    calls = list(reference.batches(8))
    assert sum(call.rows for call in calls) == 20
    assert torch.cat([call.labels for call in calls]).tolist() == [i % 3 for i in range(20)]
    first = text_models.sentences(1)[0].split()
    assert calls[0].kwargs["input_ids"][0, : len(first)].tolist() == [len(word) for word in first]


def test_pairs_reach_a_callable(user):
    write(user, rows_of(5, pair=True))
    reference = load_reference("train.jsonl", keywords(transform="words_of_user:tokenise"))
    (call,) = reference.batches(8)
    assert (
        int(call.kwargs["attention_mask"][0].sum()) == len(text_models.sentences(1)[0].split()) + 1
    )


def test_the_models_tokenizer_and_class_names(router):
    rows = [{**row, "label": text_models.LABELS[row["label"]]} for row in rows_of(20)]
    write(router.parent, rows)
    for values in ({"model": "hf:router"}, {"transform": "hf:router"}):
        reference = load_reference("train.jsonl", keywords(**values))
        assert reference.class_names == text_models.LABELS
        calls = list(reference.batches(8))
        assert torch.cat([call.labels for call in calls]).tolist() == [i % 3 for i in range(20)]
        expected = text_models.tokenizer()([row["text"] for row in rows], padding=True)
        assert calls[0].kwargs["input_ids"].tolist() == expected["input_ids"][:8]
        assert set(calls[0].kwargs) == {"input_ids", "attention_mask"}


def test_pairs_have_types(user):
    pytest.importorskip("transformers", reason="needs pip install transformers")
    text_models.saved(user / "bert", "Bert")
    write(user, rows_of(4, pair=True))
    (call,) = load_reference("train.jsonl", keywords(model="hf:bert")).batches(8)
    assert call.kwargs["token_type_ids"].max() == 1


def test_batches_and_their_padding_do_not_change_a_row(router):
    write(router.parent, rows_of(40))
    reference = load_reference("train.jsonl", keywords(model="hf:router"))
    whole = np.concatenate([row_digests(call) for call in reference.batches(256)])
    parts = np.concatenate([row_digests(call) for call in reference.batches(3)])
    small = load_reference("train.jsonl", keywords(model="hf:router", batch_size=2))
    alone = np.concatenate([row_digests(call) for call in small.batches(2)])
    assert np.array_equal(whole, parts)
    assert np.array_equal(whole, alone)


def test_long_texts_are_cut_and_counted_once(router):
    long = [{"text": "late " * n, "label": 0} for n in (2, 30, 40, 22)]
    write(router.parent, long)
    reference = load_reference("train.jsonl", keywords(model="hf:router"))
    for _ in range(2):
        (call,) = reference.batches(8)
        assert call.kwargs["input_ids"].shape == (4, 24)
    assert reference.notes == ["2 texts are longer than the model's 24 tokens and cut there"]


def test_sampling_keeps_the_classes_in_proportion(router):
    write(router.parent, rows_of(60))
    reference = load_reference("train.jsonl", keywords(model="hf:router", reference_samples=30))
    labels = torch.cat([call.labels for call in reference.batches(16)])
    assert torch.bincount(labels).tolist() == [10, 10, 10]
    assert reference.index_of_row(29) >= 29


def test_the_fingerprint_follows_texts_and_tokenizer(router):
    def fingerprint():
        return load_reference("train.jsonl", keywords(model="hf:router")).fingerprint

    rows = rows_of(300)
    write(router.parent, rows)
    first = fingerprint()
    assert first == fingerprint()
    write(router.parent, [*rows[:-1], {"text": "never", "label": rows[-1]["label"]}])
    assert fingerprint() != first
    write(router.parent, rows)
    assert fingerprint() == first
    with open(router / "tokenizer_config.json", "a") as file:
        file.write(" ")
    assert fingerprint() != first


def test_bad_input(user):
    write(user, rows_of(4))
    assert "hf:DIR" in refused("nothing says how to tokenise").fix
    assert "list of texts" in refused("five is an int", transform="words_of_user:five").fix
    assert (
        "dict of tensors"
        in refused("returned a list of 2 ints", transform="words_of_user:wrong").fix
    )
    (user / "train.jsonl").write_text("")
    refused("reference is empty", transform="words_of_user:tokenise")
    (user / "train.jsonl").unlink()
    refused("there is no train.jsonl", transform="words_of_user:tokenise")


def test_tokenizers_that_cannot_be_used(router, monkeypatch):
    write(router.parent, rows_of(4))
    words = text_models.tokenizer()
    words.pad_token = None
    words.save_pretrained(router)
    assert "pad_token" in refused("has no padding token", model="hf:router").fix
    (router / "tokenizer.json").write_text("{}")
    assert "save_pretrained" in refused("cannot be loaded", model="hf:router").fix
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (router / name).unlink()
    assert "hf:DIR" in refused("holds no tokenizer", model="hf:router").fix
    assert "no folder" in str(refused("there is no folder", model="hf:absent"))
    (router / "config.json").unlink()
    assert "save_pretrained" in refused("has no config.json", model="hf:router").fix
    assert "hf:DIR" in refused("holds no tokenizer", transform="hf:router").fix
    (router / "config.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "[hf]" in refused("needs transformers", model="hf:router").fix
