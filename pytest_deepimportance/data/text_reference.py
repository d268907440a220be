"""A reference of texts: rows in memory, tokenised batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from pytest_deepimportance.data.hf_folders import (
    CONFIG,
    SCHEME,
    class_names,
    folder_of,
    read_config,
)
from pytest_deepimportance.data.reference import Reference, open_reference
from pytest_deepimportance.data.text_rows import TextRows, read_texts
from pytest_deepimportance.data.tokenising import Tokeniser, tokeniser_for
from pytest_deepimportance.errors import ReferenceDataError
from pytest_deepimportance.settings import Settings


def load_texts(path: Path, settings: Settings, descriptor: str) -> Reference:
    """Open a .jsonl file of texts.

    Args:
        path: See `text_rows.read_texts`.
        settings: `transform` or `model` name the tokenizer, `class_names` or the model's folder the
            classes; and what `open_reference` uses.
        descriptor: What the report calls it.

    Raises:
        ReferenceDataError: A line cannot be used, or there is no tokenizer.
    """
    known = _names_of_model(settings)
    names = settings.class_names or known
    rows = read_texts(path, names)
    tokeniser = tokeniser_for(settings, str(path))
    return open_texts(rows, names, tokeniser, settings, descriptor)


def open_texts(
    rows: TextRows,
    names: Sequence[str],
    tokeniser: Tokeniser,
    settings: Settings,
    descriptor: str,
) -> Reference:
    """Open texts that were read."""
    data = _Texts(rows, names)
    collate = _Collate(tokeniser)
    loader: DataLoader[Any] = DataLoader(data, batch_size=settings.batch_size, collate_fn=collate)
    reference = open_reference(loader, settings, from_spec=True, descriptor=descriptor)
    collate.notes = reference.notes
    return reference


def _names_of_model(settings: Settings) -> tuple[str, ...]:
    for source in (settings.model, settings.transform):
        if source is not None and source.startswith(SCHEME):
            folder = folder_of(source, ReferenceDataError, download=settings.download)
            # A folder of a tokenizer alone is fine; one that is given as the model is not.
            if source is settings.model or (folder / CONFIG).is_file():
                return class_names(read_config(folder, ReferenceDataError))
    return ()


class _Texts(Dataset[dict[str, Any]]):
    """Rows by number; `targets` and `classes` as data sets of torchvision have them."""

    def __init__(self, rows: TextRows, names: Sequence[str]) -> None:
        self._rows = rows
        self.classes = tuple(names)
        if rows.labels is not None:
            self.targets = list(rows.labels)
        digest = hashlib.sha256()
        for text in (*rows.texts, *(rows.pairs or ())):
            digest.update(f"{len(text)} {text}".encode("utf-8", "surrogatepass"))
        # Data sets are fingerprinted by their arrays: this one stands for all the texts.
        self.content = np.frombuffer(digest.digest(), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._rows.texts)

    def __getitem__(self, row: int) -> dict[str, Any]:
        rows = self._rows
        return {
            "row": row,
            "text": rows.texts[row],
            "text_pair": None if rows.pairs is None else rows.pairs[row],
            "label": None if rows.labels is None else rows.labels[row],
        }


class _Collate:
    """Makes a batch of rows; its repr identifies the tokenizer."""

    def __init__(self, tokeniser: Tokeniser) -> None:
        self._tokeniser = tokeniser
        self._said = ""
        self.notes: list[str] = []

    def __repr__(self) -> str:
        return repr(self._tokeniser)

    def __call__(self, items: list[dict[str, Any]]) -> Any:
        texts = [item["text"] for item in items]
        pairs = [item["text_pair"] for item in items]
        batch = self._tokeniser(
            [item["row"] for item in items], texts, None if pairs[0] is None else pairs
        )
        self._say(self._tokeniser.note())
        labels = [item["label"] for item in items]
        return (batch,) if labels[0] is None else (batch, torch.tensor(labels))

    def _say(self, sentence: str) -> None:
        """Keep one sentence that is true of all batches so far."""
        if sentence and sentence != self._said:
            if self._said in self.notes:
                self.notes.remove(self._said)
            self.notes.append(sentence)
            self._said = sentence
