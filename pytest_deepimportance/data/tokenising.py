"""Texts to model inputs: the tokenizer of a folder of transformers, or a callable of the user's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pytest_deepimportance.data.batches import describe, is_array
from pytest_deepimportance.data.fingerprints import stable_repr
from pytest_deepimportance.data.hf_folders import CONFIG, SCHEME, folder_of, read_config
from pytest_deepimportance.data.importing import import_object
from pytest_deepimportance.errors import ReferenceDataError
from pytest_deepimportance.formatting import count
from pytest_deepimportance.settings import Settings

_LARGEST = 1 << 20
"""A tokenizer without a limit names a number beyond this."""


class Tokeniser(Protocol):
    """Turns texts into a batch; its repr identifies it."""

    def __call__(self, rows: Sequence[int], texts: list[str], pairs: list[str] | None) -> Any:
        """Return a batch of the texts (and second texts) of the rows with these numbers."""

    def note(self) -> str:
        """Return what the report must say of the texts so far, or nothing."""


def tokeniser_for(settings: Settings, what: str) -> Tokeniser:
    """Return what turns texts into inputs: `idc_transform`, else the tokenizer of an hf: model.

    Raises:
        ReferenceDataError: Neither names one.
    """
    if settings.transform is not None and not settings.transform.startswith(SCHEME):
        return _Callable(settings.transform)
    source = settings.transform or settings.model or ""
    if not source.startswith(SCHEME):
        raise ReferenceDataError(
            f"{what} holds texts, and nothing says how to tokenise them",
            "A model reads numbers.",
            "Give the model as hf:DIR (its tokenizer is used), or idc_transform = hf:DIR, or "
            "idc_transform = pkg.mod:callable (list of texts, or of pairs -> batch).",
        )
    return _OfFolder(source, folder_of(source, ReferenceDataError, download=settings.download))


class _Callable:
    def __init__(self, spec: str) -> None:
        self._function: Callable[[Any], Any] = import_object(spec, "transform")
        self._spec = spec
        if not callable(self._function):
            raise ReferenceDataError(
                f"idc_transform {spec} is {describe(self._function)}, which cannot be called",
                fix="Name a function: list of texts, or of pairs (first, second) -> batch.",
            )

    def __repr__(self) -> str:
        return f"{self._spec} {stable_repr(self._function)}"

    def __call__(self, rows: Sequence[int], texts: list[str], pairs: list[str] | None) -> Any:
        given = texts if pairs is None else list(zip(texts, pairs, strict=True))
        batch = self._function(given)
        if not isinstance(batch, Mapping) and not is_array(batch):
            raise ReferenceDataError(
                f"idc_transform {self._spec} returned {describe(batch)} for {len(texts)} texts",
                "For texts it is called with a list of them, and returns one batch.",
                "Return a dict of tensors (N, T), such as "
                "tokenizer(texts, padding=True, return_tensors='pt').",
            )
        return batch

    def note(self) -> str:
        return ""


class _OfFolder:
    """The tokenizer that lies in a folder; texts beyond the model's length are cut, and counted."""

    def __init__(self, spec: str, folder: Path) -> None:
        self._tokenizer = _tokenizer(spec, folder)
        self._limit = _limit(self._tokenizer, folder)
        self._cut: set[int] = set()
        self._identity = _identity(folder)

    def __repr__(self) -> str:
        return f"tokenizer {self._identity} {self._limit}"

    def __call__(self, rows: Sequence[int], texts: list[str], pairs: list[str] | None) -> Any:
        made = self._tokenizer(texts, pairs, verbose=False)
        lengths = [len(ids) for ids in made["input_ids"]]
        if self._limit is not None and max(lengths) > self._limit:
            self._cut |= {row for row, n in zip(rows, lengths, strict=True) if n > self._limit}
            made = self._tokenizer(texts, pairs, truncation=True, max_length=self._limit)
        return dict(self._tokenizer.pad(made, return_tensors="pt"))

    def note(self) -> str:
        if not self._cut:
            return ""
        some = "1 text is" if len(self._cut) == 1 else f"{count(len(self._cut))} texts are"
        return f"{some} longer than the model's {self._limit} tokens and cut there"


def _tokenizer(spec: str, folder: Path) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ReferenceDataError(
            f"the tokenizer of {spec} needs transformers, which cannot be imported ({error})",
            fix="pip install 'pytest-deepimportance[hf]'",
        ) from error
    if (
        not (folder / "tokenizer_config.json").is_file()
        and not (folder / "tokenizer.json").is_file()
    ):
        raise ReferenceDataError(
            f"{folder} holds no tokenizer (tokenizer.json, tokenizer_config.json)",
            "Texts must be tokenised as in training.",
            f"Save it there (tokenizer.save_pretrained({str(folder)!r})), or name another folder: "
            "idc_transform = hf:DIR",
        )
    try:
        made = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise ReferenceDataError(
            f"the tokenizer in {folder} cannot be loaded: {type(error).__name__}: {reason}",
            fix="Save it again with tokenizer.save_pretrained(DIR), or write a function: "
            "idc_transform = pkg.mod:callable",
        ) from error
    if made.pad_token is None:
        raise ReferenceDataError(
            f"the tokenizer in {folder} has no padding token",
            "Texts of different length could not be one batch.",
            "Set it (tokenizer.pad_token = tokenizer.eos_token, and the model's "
            "config.pad_token_id), and save both again.",
        )
    return made


def _limit(tokenizer: Any, folder: Path) -> int | None:
    """Return how many tokens the model takes, None if nothing says so."""
    found = [tokenizer.model_max_length]
    if (folder / CONFIG).is_file():
        config = read_config(folder, ReferenceDataError)
        positions = config.get("max_position_embeddings") or config.get("n_positions")
        if isinstance(positions, int):
            # RoBERTa and its kin number positions from behind the padding token's.
            offset = (config.get("pad_token_id") or 0) + 1 if "roberta" in _family(config) else 0
            found.append(positions - offset)
    limit = min(found)
    return int(limit) if limit < _LARGEST else None


def _family(config: dict[str, Any]) -> str:
    return str(config.get("model_type", ""))


def _identity(folder: Path) -> str:
    """Return a hash of the tokenizer's files."""
    digest = hashlib.sha256()
    names = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt")
    for name in (*names, "special_tokens_map.json", "spiece.model", "tokenizer.model"):
        path = folder / name
        if path.is_file():
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()
