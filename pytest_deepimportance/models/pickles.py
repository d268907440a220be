"""Reading `torch.save` files without ever running code from them, unless that is allowed."""

from __future__ import annotations

import contextlib
import os
import pickle
import pickletools
import re
import sys
import tarfile
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn
from torch.nn import functional

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.formats import PICKLE, torchscript

_FORCE, _FORCE_NOT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
_DANGEROUS = frozenset(
    {"builtins", "os", "posix", "nt", "subprocess", "sys", "shutil", "runpy", "importlib", "socket"}
)
_STREAMS = 5  # torch's older format: magic number, version, system, object, storage keys


@contextlib.contextmanager
def only_weights() -> Iterator[None]:
    """Make every `torch.load` inside load weights only, also those that libraries make.

    Libraries fall back to `weights_only=False` (`torch.export.load`) or leave it to a default that
    TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD turns off; TORCH_FORCE_WEIGHTS_ONLY_LOAD overrules both.
    """
    before = {name: os.environ.get(name) for name in (_FORCE, _FORCE_NOT)}
    os.environ[_FORCE] = "1"
    os.environ.pop(_FORCE_NOT, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def read(
    path: Path, kind: str, *, classes: Collection[type] = (), allow_pickle: bool = False
) -> tuple[Any, tuple[str, ...]]:
    """Read a `torch.save` file (or a bare pickle) onto the CPU.

    Args:
        path: The file.
        kind: What `formats.classify` said it is.
        classes: Module classes that may be rebuilt, beside all of `torch.nn`.
        allow_pickle: Whether the file may run code, if it cannot be read otherwise.

    Returns:
        The object, and sentences for the report.

    Raises:
        PickleRefused: It wants code that is not allowed; the message names it.
        ModelLoadError: It is damaged.
    """
    wanted = globals_named(path)
    try:
        if kind == PICKLE:
            raise pickle.UnpicklingError("only running it could read it")
        return _read_weights(path, wanted, classes)
    except pickle.UnpicklingError as error:
        refusal = _refusal(path, error, wanted)
    except ModelLoadError:
        raise
    except Exception as error:
        raise damaged(path, error) from error
    if not allow_pickle:
        raise refusal
    note = f"{path.name} was unpickled, as --idc-allow-pickle permits: it could have run any code."
    return _unpickle(path), (note,)


class PickleRefused(ModelLoadError):
    """A model file wants to run code that was not allowed."""


def damaged(path: Path, error: Exception) -> ModelLoadError:
    """Return the error for a file of a known format that cannot be read to its end."""
    reason = next(iter(str(error).strip().splitlines()), "no reason given")[:200]
    return ModelLoadError(
        f"{path} cannot be read: {type(error).__name__}: {reason}",
        "It is truncated, damaged, or was written by an incompatible version.",
        "Copy or download it again, or save it anew.",
    )


def globals_named(path: Path) -> tuple[str, ...]:
    """Return the classes and functions that a pickle refers to, in order, without running it.

    A damaged file gives what was found up to the damage.
    """
    names: dict[str, None] = {}
    with contextlib.suppress(Exception):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for entry in archive.namelist():
                    if entry.endswith(".pkl"):
                        with archive.open(entry) as stream:
                            names.update(dict.fromkeys(_scan(stream)))
        else:
            with path.open("rb") as stream:
                for _ in range(_STREAMS):
                    names.update(dict.fromkeys(_scan(stream)))
    return tuple(names)


def _scan(stream: Any) -> Iterator[str]:
    texts: list[str] = []
    memo: dict[int, str | None] = {}
    top: str | None = None
    with contextlib.suppress(ValueError):
        for opcode, argument, _ in pickletools.genops(stream):
            kind, put = opcode.name, None
            if kind in ("GLOBAL", "INST"):
                yield re.sub(r"^__builtin__\b", "builtins", str(argument).replace(" ", ".", 1))
            elif kind == "STACK_GLOBAL" and len(texts) >= 2:
                yield f"{texts[-2]}.{texts[-1]}"
            elif isinstance(argument, str):
                put = argument
            elif kind.endswith("GET") and isinstance(argument, int):
                put = memo.get(argument)
            elif kind == "MEMOIZE" or kind.endswith("PUT"):
                memo[argument if isinstance(argument, int) else len(memo)] = top
                continue
            top = put
            texts += [put] if put is not None else []


def module_classes() -> set[type]:
    """Return every module class of `torch.nn` that may be rebuilt from any file.

    They hold numbers only. Classes elsewhere (`torch.fx.GraphModule`) rebuild themselves by running
    code that the file carries, so the prefix is strict.
    """
    found: set[type] = set()
    queue: list[type[nn.Module]] = [nn.Module]
    while queue:
        for kind in queue.pop().__subclasses__():
            if kind.__module__.startswith("torch.nn.modules.") and kind not in found:
                found.add(kind)
                queue.append(kind)
    return found | {nn.DataParallel}


def _read_weights(
    path: Path, wanted: Collection[str], classes: Collection[type]
) -> tuple[Any, tuple[str, ...]]:
    # TransformerEncoderLayer keeps its activation as a function; both are pure. Namespace holds the
    # options of a training script, as many checkpoints do; it only stores attributes.
    pure = (functional.relu, functional.gelu, set, Namespace)
    allowed: set[Any] = {*module_classes(), *classes, *pure}
    known = {f"{kind.__module__}.{kind.__qualname__}" for kind in classes}
    aliases: dict[str, type] = {}
    for name in wanted:
        for kind in classes:
            if name not in known and name.rpartition(".")[2] == kind.__name__:
                aliases[name] = kind
    notes = tuple(
        f"The class {name} named in {path.name} was taken to be {kind.__module__}.{kind.__name__}."
        for name, kind in aliases.items()
    )
    pairs = [(kind, name) for name, kind in aliases.items()]
    try:
        return _load(path, [*allowed, *pairs]), notes
    except (AttributeError, TypeError):
        if not pairs:
            raise
        return _load(path, allowed), ()  # torch 2.5 knows no other names for classes


def _load(path: Path, allowed: Iterable[Any]) -> Any:
    with path.open("rb") as stream:
        is_zip = stream.read(4) == b"PK\x03\x04"  # torch's own test
    # Asked of torch's own reader, because torch 2.5 runs TorchScript that it finds in there.
    if is_zip and "constants.pkl" in torch._C.PyTorchFileReader(str(path)).get_all_records():
        raise torchscript(str(path))
    before = torch.serialization.get_safe_globals()
    new = [item for item in allowed if item not in before]  # those that are there must stay
    with only_weights(), warnings.catch_warnings(), torch.serialization.safe_globals(new):
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def _refusal(path: Path, error: Exception, wanted: Collection[str]) -> PickleRefused:
    match = re.search(r"GLOBAL (\S+)", str(error))
    named = match[1] if match else ""
    if f"builtins.{named}" in wanted:
        named = f"builtins.{named}"
    if not named:
        outside = [name for name in wanted if not name.startswith(("torch.", "collections."))]
        named = next(iter(outside or wanted), "an object that is no tensor")
    module, _, name = named.rpartition(".")
    if module.split(".")[0] in _DANGEROUS:
        return PickleRefused(
            f"{path} was not loaded: it is a pickle that wants {named}",
            "Weights never need that: loading it would run code hidden in the file.",
            "Do not trust this file. If you know where it comes from and what it does: "
            "--idc-allow-pickle",
        )
    if not zipfile.is_zipfile(path):
        return PickleRefused(
            f"{path} was not loaded: it is a pickle that wants {named}",
            "In this older form of file only plain weights can be read without running code.",
            "Save the weights alone: torch.save(model.state_dict(), 'weights.pt')\n"
            "or, only if you trust the file: --idc-allow-pickle",
        )
    place = f"{module}:{name}" if module and module != "__main__" else f"path/to/file.py:{name}"
    ways = [
        f"Name the factory whose network contains that class: --idc-factory {place}",
        "only if you trust the file: --idc-allow-pickle",
        "save the weights alone: torch.save(model.state_dict(), 'weights.pt')",
    ]
    if module.split(".")[0] in {*sys.stdlib_module_names, "numpy"} - {"__main__"}:
        # Something that a checkpoint holds beside the weights; no network contains it.
        ways = [
            "Save the weights alone: torch.save(checkpoint['state_dict'], 'weights.pt')",
            ways[1],
        ]
    return PickleRefused(
        f"{path} was not loaded: it is a pickle that wants {named}",
        "Unpickling runs code from the file, so only weights and torch.nn modules are read.",
        "\nor, ".join(ways),
    )


def _unpickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _is_torch(path):
                return torch.load(path, map_location="cpu", weights_only=False)
            with path.open("rb") as stream:
                return pickle.load(stream)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ModelLoadError(
            f"{path} was unpickled, but its class cannot be found ({error})",
            "A whole pickled module holds the name of its class, not its code.",
            "Name the file that defines it (--idc-factory path/to/file.py:NAME), make its module "
            "importable (pytest's ini: pythonpath = .), or save the weights alone: "
            "torch.save(model.state_dict(), 'weights.pt')",
        ) from error
    except pickle.UnpicklingError as error:
        if os.environ.get(_FORCE, "0").lower() in ("1", "y", "yes", "true"):
            raise ModelLoadError(
                f"{path} was not unpickled: {_FORCE} is set and overrules --idc-allow-pickle",
                fix=f"Unset it for this run: env -u {_FORCE} pytest ...",
            ) from error
        raise damaged(path, error) from error
    except Exception as error:
        raise damaged(path, error) from error


def _is_torch(path: Path) -> bool:
    with path.open("rb") as stream:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path) or _has_magic(stream)


def _has_magic(stream: BinaryIO) -> bool:
    magic = next((argument for _, argument, _ in pickletools.genops(stream) if argument != 2), None)
    return magic == torch.serialization.MAGIC_NUMBER
