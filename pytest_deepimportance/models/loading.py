"""Models by specification: a file, a factory, or a name that a library knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from pytest_deepimportance.data.importing import is_object_spec
from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models import hf
from pytest_deepimportance.models.factories import Factory, open_factory, unwrapped
from pytest_deepimportance.models.files import FileLoader
from pytest_deepimportance.models.libraries import collection_of, needs_weights

_RANDOM = "none"


@dataclass(frozen=True)
class LoadedModel:
    """A model as it will be measured.

    Attributes:
        module: The network, in eval mode.
        spec: The specification it was loaded from.
        notes: How it was loaded, as sentences for the report's header.
    """

    module: nn.Module
    spec: str
    notes: tuple[str, ...]


def load_model(
    spec: str,
    factory: str | None = None,
    *,
    allow_pickle: bool = False,
    weights: str | None = None,
    download: bool = False,
    device: str | torch.device | None = None,
) -> nn.Module:
    """Load a model and put it in eval mode.

    Args:
        spec: A file (state_dict, whole module, checkpoint, safetensors, .pt2),
            `package.module:factory`, `path/to/file.py:factory`, `torchvision:NAME`, `timm:NAME`,
            or `hf:DIR` (a folder that transformers saved).
        factory: What builds the network that a file of weights is loaded into; it also allows the
            classes of that network in a whole pickled module.
        allow_pickle: Let the file run code while it is unpickled, if it cannot be read otherwise.
        weights: For a factory: a file of weights. For torchvision and timm: a file, DEFAULT, or
            none. For hf: none (random weights).
        download: Allow libraries to download weights.
        device: Where to move it (default: files to the CPU, factories where they build it).

    Raises:
        ModelLoadError: It cannot be loaded; the message says what to type next.
    """
    return load(
        spec,
        factory=factory,
        weights=weights,
        allow_pickle=allow_pickle,
        download=download,
        device=device,
    ).module


def load(
    spec: str,
    *,
    factory: str | None = None,
    weights: str | None = None,
    allow_pickle: bool = False,
    download: bool = False,
    device: str | torch.device | None = None,
    root: Path | None = None,
) -> LoadedModel:
    """Load a model as `load_model` does, and say how.

    Args:
        spec: As for `load_model`, and so are all others but `root`.
        factory: See there.
        weights: See there.
        allow_pickle: See there.
        download: See there.
        device: See there.
        root: Folder of the project, for relative paths and the search for classes (default: the
            current directory).

    Raises:
        ModelLoadError: It cannot be loaded; the message says what to type next.
    """
    files = FileLoader((root or Path.cwd()).absolute(), allow_pickle)
    text = spec.strip()
    if text.startswith(hf.SCHEME):
        module, notes = hf.load(text, weights, files, download=download)
    elif collection_of(text) is not None:
        module, notes = _from_collection(text, weights, files, download=download)
    elif is_object_spec(text) and not files.path(text).exists():
        module, notes = _from_factory(text, weights, files)
    else:
        module, notes = _from_file(text, weights, factory, files)
        factory = None
    if factory is not None:
        notes += (f"The factory {factory} was not used, since {text} builds the network itself.",)
    module, how = unwrapped(module, text)
    return LoadedModel(_place(module, device).eval(), spec, (*notes, *how))


def _from_collection(
    spec: str, weights: str | None, files: FileLoader, *, download: bool
) -> tuple[nn.Module, tuple[str, ...]]:
    known = collection_of(spec)
    assert known is not None
    build = known.untrained(spec)
    if weights is None:
        raise needs_weights(spec, known.LIBRARY)
    if weights.lower() == _RANDOM:
        note = f"{spec} has random weights (--idc-weights none): it has learned nothing."
        return build(), (note,)
    made = known.pretrained(spec, weights, download=download)
    if made is not None:
        return made, (f"{spec} has the weights {weights} of {known.LIBRARY}.",)
    return files.fill(Factory(spec, build), files.path(weights))


def _from_factory(
    spec: str, weights: str | None, files: FileLoader
) -> tuple[nn.Module, tuple[str, ...]]:
    factory = open_factory(spec, files.root, "model")
    if weights is None or weights.lower() == _RANDOM:
        return factory.build(), ()
    if weights == "DEFAULT" and not files.path(weights).exists():
        raise ModelLoadError(
            f"--idc-weights DEFAULT does not go with the factory {spec}",
            "DEFAULT names the weights of torchvision or timm.",
            "Give a file (--idc-weights FILE), or let the factory load the weights.",
        )
    return files.fill(factory, files.path(weights))


def _from_file(
    text: str, weights: str | None, factory: str | None, files: FileLoader
) -> tuple[nn.Module, tuple[str, ...]]:
    path = files.path(text)
    if not path.exists():
        _refuse_module_name(text, files.root)
    if weights is not None:
        raise ModelLoadError(
            f"--idc-model {text} is a file, and --idc-weights {weights} was given as well",
            "One of the two would be ignored.",
            f"Give the file alone (--idc-model {text}), or weights for a factory: "
            f"--idc-model app.model:Classifier --idc-weights {weights}",
        )
    return files.load(path, factory)


def _refuse_module_name(text: str, root: Path) -> None:
    parts = text.split(".")
    place = root.joinpath(*parts)
    if all(part.isidentifier() for part in parts) and (
        place.is_dir() or place.with_suffix(".py").is_file()
    ):
        raise ModelLoadError(
            f"{text} names a module, not a model",
            fix=f"Name the class or function in it that builds the model: {text}:NAME",
        )


def _place(module: nn.Module, device: str | torch.device | None) -> nn.Module:
    if device is None:
        return module
    try:
        return module.to(device)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise ModelLoadError(
            f"the model cannot be moved to the device {device!s}: {reason}",
            fix="Devices are named cpu, cuda, cuda:1, mps, ...: --idc-device cpu",
        ) from error
