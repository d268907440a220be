"""Reference arrays `x` and `y` from .npz and .safetensors files; nothing is ever unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pytest_deepimportance.data.batches import as_tensor, describe
from pytest_deepimportance.data.rowsources import memory_call
from pytest_deepimportance.errors import BatchError, ReferenceDataError, did_you_mean

SUFFIXES = (".npz", ".safetensors")

_LFS = b"version https://git-lfs"


def read_arrays(path: Path) -> tuple[Any, ...]:
    """Return (x, y), or (x,) where the file has no `y`.

    Raises:
        ReferenceDataError: Not such a file, no array "x", objects, uint8 images, x and y of
            different length.
    """
    with open(path, "rb") as file:
        if file.read(len(_LFS)) == _LFS:
            raise ReferenceDataError(
                f"{path} is a Git LFS pointer, not the data", fix="Type: git lfs pull"
            )
    arrays = _npz(path) if path.suffix == ".npz" else _safetensors(path)
    try:
        x, y = as_tensor(arrays["x"]), arrays.get("y")
    except BatchError as error:
        raise ReferenceDataError(f"x in {path}: {error.what}", error.why, error.fix) from error
    if x.dtype == torch.uint8:
        raise ReferenceDataError(
            f"x in {path} is {describe(x).removeprefix('a tensor ')}",
            "Arrays are used as they are stored, and a model expects scaled inputs.",
            "Divide by 255 and save float32 (x.astype('float32') / 255), or give a function "
            "that does: idc_reference = pkg.mod:callable.",
        )
    if y is None:
        return (x,)
    memory_call((x, y))
    return x, y


def _npz(path: Path) -> dict[str, Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError("a single array, not an archive of named arrays")
        with loaded as file:
            _check_names(path, list(file))
            return {name: file[name] for name in file if name in ("x", "y")}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error) and zipfile.is_zipfile(path):
            raise ReferenceDataError(
                f"{path} holds an array of Python objects",
                "Reading it would unpickle, and a pickle can run code; rows of different shape "
                "are stored like this.",
                "Stack the rows to one shape and save numbers: x.astype('float32').",
            ) from error
        raise _damaged(path, error) from error


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            _check_names(path, names)
            return {name: file.get_tensor(name) for name in names if name in ("x", "y")}
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _check_names(path: Path, names: list[str]) -> None:
    if "x" not in names:
        raise ReferenceDataError(
            f"{path} has no array named 'x' (it holds: {', '.join(names) or 'nothing'})",
            "The inputs are read from 'x' and the class labels from 'y'.",
            did_you_mean("x", names) or "Save it with numpy.savez(FILE, x=inputs, y=labels).",
        )


def _damaged(path: Path, error: Exception) -> ReferenceDataError:
    return ReferenceDataError(
        f"{path} cannot be read as {path.suffix}: {error}",
        "The file is truncated, or of another kind.",
        "Write it again with numpy.savez(FILE, x=inputs, y=labels) or "
        "safetensors.torch.save_file({'x': inputs, 'y': labels}, FILE).",
    )
