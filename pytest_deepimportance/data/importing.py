"""Objects named by a specification: `package.module:name` or `path/to/file.py:name`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_deepimportance.data.sources import import_base, is_dotted, module_name, python_files
from pytest_deepimportance.errors import (
    IdcError,
    ModelLoadError,
    ReferenceDataError,
    SettingsError,
    did_you_mean,
)

_HERE = str(Path(__file__).resolve().parents[1])
_ERRORS: dict[str, type[IdcError]] = {
    "model": ModelLoadError,
    "factory": ModelLoadError,
    "weights": ModelLoadError,
    "reference": ReferenceDataError,
    "transform": ReferenceDataError,
}


def is_object_spec(text: str) -> bool:
    """Return whether `text` has the form `package.module:name` or `path/to/file.py:name`.

    The form alone is judged: `torchvision:resnet18` has it too, so schemes are tried before.
    """
    where, _, name = text.strip().rpartition(":")
    if not where or not is_dotted(name):
        return False
    return where.endswith(".py") or is_dotted(where)


def import_object(spec: str, role: str, *, root: Path | None = None) -> Any:
    """Import what `spec` names.

    Args:
        spec: `package.module:name` or `path/to/file.py:name`; the name may be dotted.
        role: What the object is wanted for ("factory", "reference", ...); it opens every message
            and chooses the class of the error.
        root: Folder that relative paths and packages are looked up in as well, as pytest's rootdir
            is (default: the current directory). It joins `sys.path` only for a package that is not
            importable without it.

    Raises:
        ModelLoadError: Roles model, factory and weights: malformed, absent, or failing at import.
        ReferenceDataError: The same for the roles reference and transform.
        SettingsError: The same for every other role.
    """
    text, folder = spec.strip(), (root or Path.cwd()).absolute()
    where, _, name = text.rpartition(":")
    if not is_object_spec(text):
        raise _error(
            role,
            f"{role} {spec!r} is not of the form package.module:name or path/to/file.py:name",
            fix=_form_hint(text),
        )
    if where.endswith(".py"):
        module = _module_from_file(where, name, role, folder)
    else:
        module = _module_from_package(where, name, role, folder)
    return _attribute(module, where, name, role)


def failing_line(error: BaseException) -> str:
    """Return where `error` arose in the user's code: file, line and source, or an empty string."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", _HERE))
        and not frame.filename.endswith(os.path.join("importlib", "__init__.py"))
    ]
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {(error.text or '').strip()}"
    if not frames:
        return ""
    last = (own or frames)[-1]
    return f"{last.filename}:{last.lineno}: {last.line}"


def _error(role: str, what: str, why: str = "", fix: str = "") -> IdcError:
    return _ERRORS.get(role, SettingsError)(what, why, fix)


def _form_hint(text: str) -> str:
    if text.endswith(".py"):
        return f"Name the object in the file too, such as {text}:NAME"
    if is_dotted(text) and "." in text:
        where, _, name = text.rpartition(".")
        return f"Name the object after a colon, such as {where}:{name}"
    return "For example app.model:Classifier, or app/model.py:Classifier"


def _module_from_file(where: str, name: str, role: str, root: Path) -> ModuleType:
    file = Path(where).expanduser()
    if not file.is_file() and not file.is_absolute():
        file = root / file
    if not file.is_file():
        known = {path.relative_to(root).as_posix() for path in python_files(root)}
        hint = did_you_mean(where, known)
        raise _error(
            role,
            f"{role} {where}:{name}: there is no file {where} in {root}",
            fix=_sentence(hint),
        )
    file = file.resolve()
    with _explained(f"{where}:{name}", role):
        return _already_imported(file) or _fresh_module(file)


def _already_imported(file: Path) -> ModuleType | None:
    """Return the module that `file` is loaded as, so that its classes exist only once."""
    for module in list(sys.modules.values()):
        origin = getattr(module, "__file__", None)
        if isinstance(origin, str) and os.path.basename(origin) == file.name:
            initializing = getattr(getattr(module, "__spec__", None), "_initializing", False)
            if not initializing and Path(origin).resolve() == file:
                return module
    return None


def _fresh_module(file: Path) -> ModuleType:
    """Import `file` by the name a test beside it would use, or by a name of its own.

    The same name gives the same classes as the tests' own import. The name is taken by another
    module where two folders hold a `model.py`: then the file gets a private name.
    """
    base = import_base(file)
    dotted = module_name(file, base)
    with importable(base):
        if dotted is not None and dotted not in sys.modules:
            found = _find(dotted)
            if found is not None and found.origin and Path(found.origin).resolve() == file:
                return importlib.import_module(dotted)
        private = f"_deepimportance_{zlib.crc32(str(file).encode()):x}"
        spec = importlib.util.spec_from_file_location(private, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Registered before it runs: dataclasses and pickles look their module up by name.
        sys.modules[private] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[private]
            raise
        return module


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Put `folder` first on `sys.path` inside, so that its files find each other; later it is last.

    Last, it shadows nothing that the tests import later (`statistics.py` in the user's folder).
    """
    place = str(folder)
    if place in sys.path:
        yield
        return
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if place in sys.path:
            sys.path.remove(place)
            sys.path.append(place)


def _find(dotted: str) -> ModuleSpec | None:
    """Return what importing `dotted` would load, without importing anything."""
    parts = dotted.split(".")
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError):
        return None
    for depth in range(2, len(parts) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        locations = list(spec.submodule_search_locations)
        spec = PathFinder.find_spec(".".join(parts[:depth]), locations)
    return spec


def _module_from_package(where: str, name: str, role: str, root: Path) -> ModuleType:
    top = where.split(".")[0]
    at_root = (root / top).is_dir() or (root / f"{top}.py").is_file()
    needed = at_root and where not in sys.modules and _find(where) is None
    with _explained(f"{where}:{name}", role), importable(root) if needed else nullcontext():
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{where}.".startswith(f"{error.name}."):
                raise
            raise _no_such_module(where, name, role, root, error.name) from None


def _no_such_module(where: str, name: str, role: str, root: Path, missing: str) -> IdcError:
    files = list(python_files(root))
    names = {found for file in files if (found := module_name(file, root)) is not None}
    what = f"{role} {where}:{name}: there is no module {missing!r}"
    parent = sys.modules.get(missing.rpartition(".")[0])
    if parent is not None:
        what += f" (the package found is {getattr(parent, '__file__', None) or parent})"
    for found in sorted(names):
        if found.endswith(f".{where}"):
            folder = found[: -len(where) - 1].replace(".", "/")
            path = found.replace(".", "/")
            fix = f"There is {path}.py: set 'pythonpath = {folder}' in pytest's ini, or name the "
            return _error(role, what, fix=f"{fix}file: {path}.py:{name}")
    fallback = f"Modules are looked up from {root}; a file can be named too: path/to/file.py:{name}"
    return _error(role, what, fix=_sentence(did_you_mean(where, names)) or fallback)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


class _explained:
    """Turns an exception of the user's module into an error that shows the failing line."""

    def __init__(self, spec: str, role: str) -> None:
        self.spec, self.role = spec, role

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (Exception, SystemExit)) and not isinstance(error, IdcError):
            line = failing_line(error)
            raise _error(
                self.role,
                f"{self.role} {self.spec}: importing it raised {type(error).__name__}: {error}",
                fix=f"at {line}" if line else "",
            ) from error


def _attribute(module: ModuleType, where: str, name: str, role: str) -> Any:
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            known = [key for key in dir(found) if not key.startswith("_")]
            hint = did_you_mean(part, known)
            owner = where if found is module else f"{where}:{name.rpartition('.')[0]}"
            raise _error(
                role,
                f"{role} {where}:{name}: {owner} has no {part!r}",
                fix=_sentence(hint) or f"It has: {', '.join(known[:12]) or 'nothing public'}",
            ) from None
    return found
