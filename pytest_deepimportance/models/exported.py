"""Programs of `torch.export.save` (.pt2), turned back into modules that hooks can watch.

`torch.export.load` trusts its file: it unpickles constants, evaluates symbolic sizes as Python
text, and resolves an operator's name to any object reachable from `torch` ("torch.os.system"; some
versions look at the result, others do not). So what it would execute is checked first, against
lists of what honest exports of networks contain, and only the checked records are handed on (in a
fresh archive, because two zip readers may disagree about one file). Anything else needs the
permission that pickles need.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pytest_deepimportance.models.pickles import PickleRefused, damaged, only_weights

_NAMESPACES = "aten|prims|torchvision|quantized_decomposed"
_BINARY = "__(?:and|or|xor|lshift|rshift|iand|ior|ixor)__"
_OPERATORS = "add|sub|mul|truediv|floordiv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|getitem|not_"
_TARGET = re.compile(
    rf"torch\.ops\.(?:{_NAMESPACES})\.(?:(?!__)\w+|{_BINARY})(?:\.(?!__)\w+)?"
    rf"|_operator\.(?:{_OPERATORS})"
    r"|torch\.sym_(?:int|float|max|min|not|ite|sum)"
    r"|math\.(?:ceil|floor|trunc|sqrt|log|pow)"
)
_SYMBOLIC = re.compile(
    r"Symbol\('[su]\d+'(?:, \w+=(?:True|False))*\)|[su]\d+|\d+|evaluate=False|True|False"
    r"|(?:Mod|PythonMod|FloorDiv|CeilDiv|CleanDiv|IntTrueDiv|Max|Min|Integer|Add|Mul|Rational"
    r"|Eq|Ne|Lt|Le|Gt|Ge|StrictLessThan|LessThan|GreaterThan|StrictGreaterThan|Equality"
    r"|floor|ceiling)(?=\()"
    r"|\*(?!\*)|[-+/(),<>=! ]"  # no powers: evaluating 9**9**9 never ends
)
_PLAIN = re.compile(r"[\w.\-+ ]*")
_PAYLOAD = re.compile(r"(?:weight|tensor)_\d+")
_TREE_TYPES = {"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"}
_FREE = ("metadata", "torch_version", "verifiers")  # documentation that nothing executes


def load_exported(path: Path, *, allow_pickle: bool) -> tuple[nn.Module, tuple[str, ...]]:
    """Load a `.pt2` file and rebuild its module hierarchy with `torch.export.unflatten`.

    Args:
        path: The file.
        allow_pickle: Whether a file that could run code may be loaded all the same.

    Returns:
        A module whose submodules carry the original names (hooks on them fire), and sentences.

    Raises:
        PickleRefused: The file names objects outside the lists above.
        ModelLoadError: It is damaged, or of a version this torch does not read.
    """
    notes = [f"The exported program {path.name} was unflattened into modules."]
    reason = ""
    try:
        source, reason = _checked(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise damaged(path, error) from error
    if reason and not allow_pickle:
        raise PickleRefused(
            f"{path} was not loaded: {reason}",
            "An exported program that does more than compute on tensors could run any code.",
            "Only if you trust the file: --idc-allow-pickle\nor give the original network and its "
            "weights: --idc-model weights.pt --idc-factory app.model:Classifier",
        )
    if reason:
        notes.append(f"{path.name} was loaded without checks, as --idc-allow-pickle permits.")
    try:
        with contextlib.nullcontext() if reason else only_weights(), _quiet():
            program = torch.export.load(str(path) if reason else source)
            module = torch.export.unflatten(program)
    except Exception as error:
        raise damaged(path, error) from error
    assert isinstance(module, nn.Module)
    return module, (*notes, *_fixed_batch(program))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # torch logs, with a traceback, that it also tries the older file format.
    log = logging.getLogger("torch.export")
    before = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before


def _fixed_batch(program: Any) -> tuple[str, ...]:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    for name in program.graph_signature.user_inputs:
        value = values.get(name)
        if isinstance(value, torch.Tensor) and value.ndim and isinstance(value.shape[0], int):
            return (
                f"The program was exported for batches of exactly {value.shape[0]} rows; other "
                "sizes fail (export it with dynamic_shapes to lift that).",
            )
    return ()


def _checked(path: Path) -> tuple[io.BytesIO, str]:
    """Return a copy of the archive, and what in it could run code ("" if nothing)."""
    copy, seen = io.BytesIO(), set()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, "w") as fresh:
        for entry in archive.infolist():
            if entry.filename.lower() in seen:
                return copy, f"its record {entry.filename} occurs twice"
            seen.add(entry.filename.lower())
            if "aotinductor" in entry.filename:
                return copy, f"it holds compiled machine code ({entry.filename})"
            data = archive.read(entry)
            if entry.filename.endswith(".json"):
                content = json.loads(data)
                if isinstance(content, dict) and content.get("guards_code"):
                    # Python text that checks sizes; unflattened modules do without it.
                    content["guards_code"] = []
                    data = json.dumps(content).encode()
                reason = _objection(content, "")
                if reason:
                    return copy, reason
            fresh.writestr(entry.filename, data)
    copy.seek(0)
    return copy, ""


def _objection(value: Any, key: str) -> str:
    """Return why a part of the description is not harmless, "" if it is."""
    if key in _FREE:
        return ""
    if isinstance(value, dict):
        parts = [_text_objection(str(name), "") for name in value]
        parts += (_objection(part, name) for name, part in value.items())
    elif isinstance(value, list):
        parts = [_objection(part, key) for part in value]
    elif isinstance(value, str):
        parts = [_text_objection(value, key)]
    else:
        parts = [_flag_objection(value, key)]
    return next((part for part in parts if part), "")


def _flag_objection(value: Any, key: str) -> str:
    return "it holds pickled objects" if key == "use_pickle" and value else ""


def _text_objection(text: str, key: str) -> str:
    if key == "target":
        harmless = _TARGET.fullmatch(text) is not None
    elif key == "expr_str":
        harmless = not _SYMBOLIC.sub("", text)
    elif key in ("in_spec", "out_spec"):
        harmless = _harmless_tree(text)
    elif key == "path_name":
        harmless = _PAYLOAD.fullmatch(text) is not None
    else:
        harmless = _PLAIN.fullmatch(text) is not None or not _SYMBOLIC.sub("", text)
    return "" if harmless else f"it names {text[:80]!r}" + (f" as {key}" if key else "")


def _harmless_tree(text: str) -> bool:
    queue = [json.loads(text)] if text else []
    while queue:
        value = queue.pop()
        if isinstance(value, list):
            queue.extend(value)
        elif isinstance(value, dict):
            if value.get("type") not in (None, *_TREE_TYPES):
                return False
            queue.append(value.get("children_spec"))
    return True
