"""Models of transformers: `hf:DIR`, a folder with config.json and weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from pytest_deepimportance.data.hf_folders import SCHEME, class_names, folder_of, read_config
from pytest_deepimportance.errors import IdcError, ModelLoadError
from pytest_deepimportance.formatting import listed
from pytest_deepimportance.models.factories import Factory
from pytest_deepimportance.models.files import FileLoader
from pytest_deepimportance.models.pickles import only_weights

__all__ = ["SCHEME", "load"]

_DEFAULT = "AutoModelForSequenceClassification"
_CLASSIFIERS = ("ForSequenceClassification", "ForImageClassification", "ForAudioClassification")
_PICKLED = "pytorch_model"


def load(
    spec: str, weights: str | None, files: FileLoader, *, download: bool
) -> tuple[nn.Module, tuple[str, ...]]:
    """Load the classifier in a folder of transformers; code in the folder is never run.

    Args:
        spec: `hf:DIR`, or `hf:NAME` of a model in the local cache.
        weights: None: those in the folder; "none": random ones; else a file of weights.
        files: Reads a file of weights.
        download: Whether NAME may be downloaded.

    Raises:
        ModelLoadError: transformers is absent, the folder holds no classifier or no weights, or it
            needs code of its own.
    """
    folder = folder_of(spec, ModelLoadError, download=download, root=files.root)
    config = read_config(folder, ModelLoadError)
    transformers = _library(spec)
    kind = _kind(config, spec, transformers)
    with _explained(spec, config):
        settings = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    name = kind.__name__
    if weights is not None:
        factory = Factory(spec, lambda: _random(kind, settings, spec, config))
        if weights.lower() == "none":
            note = f"{spec} has random weights (--idc-weights none): it has learned nothing."
            return factory.build(), (_says(name, spec, config), note)
        module, notes = files.fill(factory, files.path(weights))
        return module, (_says(name, spec, config), *notes)
    return _trained(kind, folder, spec, config)


def _library(spec: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ModelLoadError(
            f"the model {spec} needs transformers, which cannot be imported ({error})",
            fix="pip install 'pytest-deepimportance[hf]'",
        ) from error
    return transformers


def _kind(config: dict[str, Any], spec: str, transformers: Any) -> Any:
    """Return the class to load: the one that saved the folder, if it classifies."""
    if config.get("auto_map"):
        raise _needs_code(spec)
    saved = (config.get("architectures") or [None])[0]
    if saved is None:
        return getattr(transformers, _DEFAULT)
    if not str(saved).endswith(_CLASSIFIERS):
        raise ModelLoadError(
            f"{spec} holds a {saved}, which does not classify",
            "Importance starts from the score of a class, and a new head would be random.",
            f"Fine-tune and save a {_DEFAULT}, or write a function that builds the model and set "
            "idc_output: --idc-model app/model.py:build",
        )
    found = getattr(transformers, str(saved), None)
    if found is None:
        raise _needs_code(spec, f"its class {saved} is not in transformers")
    return found


def _trained(
    kind: Any, folder: Path, spec: str, config: dict[str, Any]
) -> tuple[nn.Module, tuple[str, ...]]:
    safe = any(folder.glob("*.safetensors"))
    if not safe and not any(folder.glob(f"{_PICKLED}*")):
        raise ModelLoadError(
            f"{spec} has no weights (model.safetensors)",
            fix=f"Save them with model.save_pretrained({str(folder)!r}); "
            "--idc-weights none takes random ones (only to try things out).",
        )
    with _explained(spec, config), only_weights(), _quiet():
        module, info = kind.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=safe,
            output_loading_info=True,
        )
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelLoadError(
            f"{spec} lacks the weights {listed(missing, 4)} of {kind.__name__}",
            "They would be random, and so would every number.",
            "Save the fine-tuned model with model.save_pretrained(DIR).",
        )
    notes = [_says(type(module).__name__, spec, config)]
    unused = sorted(info["unexpected_keys"])
    if unused:
        notes.append(f"{spec}: {listed(unused, 4)} in the file are not used.")
    return module, tuple(notes)


def _random(kind: Any, settings: Any, spec: str, config: dict[str, Any]) -> nn.Module:
    with _explained(spec, config):
        if hasattr(kind, "from_config"):
            made = kind.from_config(settings, trust_remote_code=False)
        else:
            made = kind(settings)
    assert isinstance(made, nn.Module)
    return made


def _says(kind: str, spec: str, config: dict[str, Any]) -> str:
    names = class_names(config)
    classes = f" (classes: {listed(list(names), 8)})" if names else ""
    return f"{spec} is a {kind} of transformers{classes}."


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar and no table of missing weights, which are an error here."""
    from transformers.utils import logging

    bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def _explained(spec: str, config: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except IdcError:
        raise
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise _needs_code(spec) from error
        reason = next(iter(str(error).splitlines()), "")
        raise ModelLoadError(
            f"{spec} cannot be loaded: {type(error).__name__}: {reason}",
            fix=f"It was saved by transformers {config.get('transformers_version', '?')}; try that "
            "version, or save it again.",
        ) from error


def _needs_code(
    spec: str, why: str = "its config.json names code of its own (auto_map)"
) -> IdcError:
    return ModelLoadError(
        f"{spec} needs code that is not part of transformers: {why}",
        "Code that comes with a model is never run from here.",
        "Write a function that builds it and name that: def build(): return "
        "AutoModelForSequenceClassification.from_pretrained(..., trust_remote_code=True)  ->  "
        "--idc-model app/model.py:build",
    )
