"""Reference data named by a specification (`--idc-reference`, ini `idc_reference`; DESIGN D4)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_deepimportance.data.arrayfiles import SUFFIXES, read_arrays
from pytest_deepimportance.data.flat_images import FlatImages, fact, flat_images
from pytest_deepimportance.data.importing import import_object, is_object_spec
from pytest_deepimportance.data.reference import Reference, open_reference
from pytest_deepimportance.data.rowsources import reading
from pytest_deepimportance.data.text_reference import load_texts
from pytest_deepimportance.data.text_rows import SUFFIX as TEXTS
from pytest_deepimportance.errors import ReferenceDataError, did_you_mean
from pytest_deepimportance.formatting import an
from pytest_deepimportance.settings import Settings

FORMS = """A reference is one of:
  package.module:callable     returns a DataLoader, Dataset, iterable of batches, or (x, y)
  path/to/file.py:callable    the same
  FOLDER                      images in one folder per class
  FILE.npz, FILE.safetensors  arrays x and y
  FILE.jsonl                  texts: lines {"text": ..., "label": ...}
  torchvision:NAME:SPLIT      such as torchvision:MNIST:train"""

_TORCHVISION = "torchvision:"
_DEFAULT_ROOT = "data"
_TRAIN = {"train": True, "test": False}


def load_reference(spec: str, settings: Settings, *, flat: bool = False) -> Reference:
    """Open the reference data that `spec` names.

    Args:
        spec: See `FORMS`.
        settings: `transform`, `data_root`, `download`, and what `open_reference` uses. More than
            10,000 rows are sampled unless `reference_samples` says otherwise.
        flat: Take a folder that holds images but no class folders too, without labels.

    Raises:
        ReferenceDataError: The specification names nothing that can be used.
    """
    text, folder = spec.strip(), Path(spec.strip()).expanduser()
    if folder.suffix == TEXTS:
        return load_texts(_existing(folder), settings, text)
    notes: list[str] = []
    facts: list[str] = []
    source: Any
    if text.startswith(_TORCHVISION):
        source = _torchvision(text, settings)
    elif folder.is_dir():
        source = _image_folder(folder, settings, flat)
        facts = [fact(source, folder)] if isinstance(source, FlatImages) else []
    elif folder.suffix in SUFFIXES:
        source = read_arrays(_existing(folder))
    elif is_object_spec(text) and not text.startswith(("hf:", "timm:")):
        source = import_object(text, "reference")
    else:
        raise _unknown(text, folder)
    if settings.transform and not text.startswith(_TORCHVISION) and not folder.is_dir():
        facts.append("idc_transform is not applied: it is for image folders and torchvision data")
    reference = open_reference(source, settings, from_spec=True, descriptor=text)
    reference.notes.extend([*notes, *facts])
    reference.facts.extend(facts)
    return reference


def _existing(path: Path) -> Path:
    if path.is_file():
        return path
    raise _absent(path)


def _absent(path: Path) -> ReferenceDataError:
    parent = path.parent
    if not parent.is_dir():
        return ReferenceDataError(
            f"there is no {path}: the folder {parent} does not exist (from {Path.cwd()})",
            fix="Give an absolute path, or one from the folder pytest runs in.",
        )
    known = {entry.name: entry for entry in parent.iterdir()}
    hint = did_you_mean(path.name, known) or f"It holds: {', '.join(sorted(known)[:10]) or '-'}"
    return ReferenceDataError(
        f"there is no {path} (in {parent.resolve()})",
        fix=hint[0].upper() + hint[1:],
    )


def _unknown(text: str, path: Path) -> ReferenceDataError:
    if ":" not in text:
        found = _absent(path)
        return ReferenceDataError(found.what, found.why, f"{found.fix}\n{FORMS}")
    return ReferenceDataError(f"the reference {text!r} is not understood", "", FORMS)


def _image_folder(folder: Path, settings: Settings, flat: bool) -> Any:
    datasets = _vision("datasets", str(folder))
    transform = _transform(settings)
    try:
        return datasets.ImageFolder(str(folder), transform=transform)
    except FileNotFoundError as error:
        found = flat_images(folder, transform) if flat else None
        if found is not None:
            return found
        names = sorted(entry.name for entry in folder.iterdir())[:8]
        raise ReferenceDataError(
            f"{folder} is no folder of class folders with images: {error}",
            "Each class needs a folder of its own, with at least one image in it.",
            f"Expected {folder}/CLASS/image.png; found: {', '.join(names) or 'nothing'}",
        ) from error


def _torchvision(spec: str, settings: Settings) -> Any:
    name, _, split = spec[len(_TORCHVISION) :].partition(":")
    split = split or "train"
    datasets = _vision("datasets", spec)
    kind = getattr(datasets, name, None)
    base = datasets.VisionDataset
    if not (isinstance(kind, type) and issubclass(kind, base) and kind is not base):
        known = [
            key
            for key, value in vars(datasets).items()
            if isinstance(value, type) and issubclass(value, base)
        ]
        raise ReferenceDataError(
            f"torchvision has no data set {name!r}",
            fix=(did_you_mean(name, known) or f"torchvision:NAME:SPLIT, NAME: {', '.join(known)}"),
        )
    root = Path(settings.data_root or _DEFAULT_ROOT).expanduser()
    keywords = _split_keyword(kind, name, split)
    keywords["transform"] = _transform(settings)
    if "download" in _parameters(kind):
        keywords["download"] = settings.download
    return _construct(kind, name, split, root, keywords, settings)


def _parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a data set class, those of its bases behind **kwargs included."""
    found: dict[str, inspect.Parameter] = {}
    for base in kind.__mro__:
        start = vars(base).get("__init__")
        if start is None:
            continue
        own = inspect.signature(start).parameters
        found = {**own, **found}
        if not any(item.kind is inspect.Parameter.VAR_KEYWORD for item in own.values()):
            break
    return found


def _split_keyword(kind: type, name: str, split: str) -> dict[str, Any]:
    parameters = _parameters(kind)
    if "split" in parameters and "train" in parameters:
        # EMNIST: its split is a variant, and train chooses between training and test data.
        variant, _, part = split.partition(":")
        return {"split": variant, "train": _train_flag(name, part or "train")}
    if "split" in parameters:
        return {"split": split}
    if "train" in parameters:
        return {"train": _train_flag(name, split)}
    raise ReferenceDataError(
        f"torchvision's {name} has neither a parameter 'train' nor 'split'",
        "Which of its rows are the training data cannot be said in a specification.",
        f"Build it in a function: idc_reference = pkg.mod:callable, returning {name}(...).",
    )


def _train_flag(name: str, split: str) -> bool:
    if split not in _TRAIN:
        raise ReferenceDataError(
            f"torchvision's {name} has no split {split!r}",
            fix=f"Use torchvision:{name}:train or torchvision:{name}:test",
        )
    return _TRAIN[split]


def _construct(
    kind: type, name: str, split: str, root: Path, keywords: dict[str, Any], settings: Settings
) -> Any:
    with reading(f"torchvision:{name}:{split} in {root}"):
        try:
            return kind(str(root), **keywords)
        except ValueError as error:
            if "split" not in keywords:
                raise
            raise ReferenceDataError(
                f"torchvision's {name} has no split {keywords['split']!r}", fix=str(error)
            ) from error
        except (RuntimeError, OSError) as error:
            if settings.download:
                raise
            raise ReferenceDataError(
                f"torchvision's {name} was not found in {root.resolve()}: {error}",
                "Nothing is downloaded unless it is asked for.",
                "Name the folder that holds it (--idc-data-root, ini idc_data_root), or let "
                "torchvision fetch it once with --idc-download.",
            ) from error


def _transform(settings: Settings) -> Callable[[Any], Any]:
    """Return the transform of setting `transform`: itself, or what a factory of it returns."""
    if settings.transform is None:
        return _vision("transforms", "this reference").ToTensor()  # type: ignore[no-any-return]
    spec = settings.transform
    found = import_object(spec, "transform")
    if _is_factory(found):
        with reading(f"the transform factory {spec}"):
            found = found()
    if not callable(found):
        raise ReferenceDataError(
            f"idc_transform {spec} gives {an(type(found).__name__)}, which cannot be called",
            fix="Name a transform (image -> tensor), or a function without arguments that "
            "returns one.",
        )
    return found  # type: ignore[no-any-return]


def _is_factory(found: Any) -> bool:
    """Whether `found` is a class or can be called without arguments (a transform needs one)."""
    if isinstance(found, type):
        return True
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return not any(
        item.default is inspect.Parameter.empty and item.kind not in needed for item in parameters
    ) and not any(item.kind is inspect.Parameter.VAR_POSITIONAL for item in parameters)


def _vision(module: str, what: str) -> Any:
    try:
        import torchvision
    except ImportError as error:
        raise ReferenceDataError(
            f"{what} needs torchvision, which is not installed",
            fix="Type: pip install 'pytest-deepimportance[vision]'",
        ) from error
    return getattr(torchvision, module)
