"""Objects named by a specification: `package.module:name` or `path/to/file.py:name`."""

from __future__ import annotations

import importlib
import importlib.util
import keyword
import os
import sys
import traceback
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_deepimportance.errors import (
    IdcError,
    ModelLoadError,
    ReferenceDataError,
    SettingsError,
    did_you_mean,
)

SKIPPED_FOLDERS = frozenset(
    {"venv", "env", "virtualenv", "site-packages", "node_modules", "__pycache__", "build", "dist"}
)
"""Folders that never hold the user's own modules (hidden ones are skipped as well)."""

_MOST_FILES = 2000
_HERE = str(Path(__file__).resolve().parent)
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
    if not where or not _dotted(name):
        return False
    return where.endswith(".py") or _dotted(where)


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


def python_files(root: Path, skip: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield the user's Python files below `root`, at most 2,000, in a stable order.

    Args:
        root: Folder to search; links to folders are not followed.
        skip: Names of further folders to leave out, beside hidden ones and virtual environments.
    """
    found = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED_FOLDERS
            and name not in skip
            and not name.startswith(".")
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        for file in sorted(files):
            if file.endswith(".py"):
                yield Path(folder, file)
                found += 1
                if found >= _MOST_FILES:
                    return


def module_name(file: Path, root: Path) -> str | None:
    """Return the dotted name `file` has when `root` is on `sys.path`, None if it has none."""
    try:
        parts = list(file.relative_to(root).with_suffix("").parts)
    except ValueError:
        return None
    if parts and parts[-1] == "__init__":
        parts.pop()
    name = ".".join(parts)
    return name if _dotted(name) else None


def failing_line(error: BaseException) -> str:
    """Return where `error` arose in the user's code: file, line and source, or an empty string."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", _HERE)) and "importlib" not in frame.filename
    ]
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {(error.text or '').strip()}"
    if not frames:
        return ""
    last = (own or frames)[-1]
    return f"{last.filename}:{last.lineno}: {last.line}"


def _dotted(text: str) -> bool:
    parts = text.split(".")
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)


def _error(role: str, what: str, why: str = "", fix: str = "") -> IdcError:
    return _ERRORS.get(role, SettingsError)(what, why, fix)


def _form_hint(text: str) -> str:
    if text.endswith(".py"):
        return f"Name the object in the file too, such as {text}:NAME"
    if _dotted(text) and "." in text:
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
            fix=hint.capitalize(),
        )
    file = file.resolve()
    base = file.parent
    while (base / "__init__.py").is_file() and base.parent != base:
        base = base.parent
    dotted = module_name(file, base)
    with _explained(f"{where}:{name}", role):
        return _already_imported(file) or _fresh_module(file, base, dotted)


def _already_imported(file: Path) -> ModuleType | None:
    """Return the module that `file` is loaded as, so that its classes exist only once."""
    for module in list(sys.modules.values()):
        origin = getattr(module, "__file__", None)
        if isinstance(origin, str) and os.path.basename(origin) == file.name:
            initializing = getattr(getattr(module, "__spec__", None), "_initializing", False)
            if not initializing and Path(origin).resolve() == file:
                return module
    return None


def _fresh_module(file: Path, base: Path, dotted: str | None) -> ModuleType:
    """Import `file` by the name a test beside it would use, or by a name of its own.

    The same name gives the same classes as the tests' own import. The name is taken by another
    module where two folders hold a `model.py`: then the file gets a private name.
    """
    if str(base) not in sys.path:
        # As `python file.py` does, so that the file finds the modules beside it; pytest's own
        # import of a test in that folder puts it there as well.
        sys.path.insert(0, str(base))
        importlib.invalidate_caches()
    if dotted is not None and dotted not in sys.modules and _origin(dotted) == file:
        return importlib.import_module(dotted)
    private = f"_deepimportance_{abs(hash(str(file))):x}"
    spec = importlib.util.spec_from_file_location(private, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be imported as Python code")
    module = importlib.util.module_from_spec(spec)
    # Registered before it runs: dataclasses and pickles look their module up by name.
    sys.modules[private] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[private]
        raise
    return module


def _origin(dotted: str) -> Path | None:
    """Return the file that importing `dotted` would run, without importing anything."""
    parts, spec = dotted.split("."), None
    for depth in range(len(parts)):
        try:
            if depth == 0:
                spec = importlib.util.find_spec(parts[0])
            else:
                locations = spec.submodule_search_locations if spec is not None else None
                path = list(locations) if locations is not None else []
                spec = PathFinder.find_spec(".".join(parts[: depth + 1]), path)
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
    if spec is None or spec.origin is None:
        return Path(parts[0]) if spec is not None else None
    return Path(spec.origin).resolve()


def _module_from_package(where: str, name: str, role: str, root: Path) -> ModuleType:
    top = where.split(".")[0]
    at_root = (root / top).is_dir() or (root / f"{top}.py").is_file()
    if (
        where not in sys.modules
        and at_root
        and str(root) not in sys.path
        and _origin(where) is None
    ):
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
    with _explained(f"{where}:{name}", role):
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{where}.".startswith(f"{error.name}."):
                raise
            raise _no_such_module(where, name, role, root, error.name) from None


def _no_such_module(where: str, name: str, role: str, root: Path, missing: str) -> IdcError:
    files = list(python_files(root))
    names = {found for file in files if (found := module_name(file, root)) is not None}
    below = [found for found in sorted(names) if found.endswith(f".{where}")]
    hint = did_you_mean(where, names - set(below))
    if below:
        folder = below[0][: -len(where) - 1].replace(".", "/")
        hint = f"{folder}/{where.replace('.', '/')}.py exists: add 'pythonpath = {folder}' to"
        hint += " pytest's ini, or name the file"
    what = f"{role} {where}:{name}: there is no module {missing!r}"
    parent = sys.modules.get(missing.rpartition(".")[0])
    if parent is not None:
        what += f" (the package found is {getattr(parent, '__file__', None) or parent})"
    fallback = f"Modules are looked up from {root}; a file can be named too: path/to/file.py:{name}"
    return _error(role, what, fix=hint.capitalize() if hint.startswith("did") else hint or fallback)


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
                fix=hint.capitalize() or f"It has: {', '.join(known[:12]) or 'nothing public'}",
            ) from None
    return found
