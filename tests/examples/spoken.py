"""What the code can say beside errors: sentences that flow into a note, read off the source.

A note is a text that is stored under a name like `notes`, is given to something called `note`, or stands in a
function that collects notes; and in every function of the package that such an expression calls. What
varies stands as a gap. Errors are read by `errors_page`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "pytest_deepimportance"

GAP = "…"

_SINK = re.compile(
    r"_*(notes?|facts?|remarks?|sentences?|causes?|left_out|doubts|unscored|apart|incomplete_because|"
    r"complaints?|said|SKIPPED)$"
)
_SPEAKER = re.compile(
    r"_*(\w*notes?|\w*remarks?|left_out|excluded_by|run_labels|silence|no_default)$"
)
_PASSES = "passes "
"""How sentences of the recorder begin: their number stands before them."""

_SPEAKING = (
    "recording.causes", "reporting.remarks", "reporting.verdicts", "reporting.leaks",
    "models.unmeasured", "glue.unjudged", "glue.marks",
)  # fmt: skip
"""Modules that do nothing else: all of their sentences count."""

_TABLES = (
    "reporting.audit", "reporting.html_page", "reporting.markdown", "reporting.selector_table",
    "reporting.importance_overlap", "cli.tree", "cli.gate_entries",
)  # fmt: skip
"""Modules that lay out what was said elsewhere: their own words are headings."""

_SILENT = (
    "formatting", "errors", "data.importing", "data.hf_folders", "models.raised",
    "models.vocabulary",
)  # fmt: skip
"""Modules that word numbers and errors for others."""

_FEWEST_WORDS = 3
_WORD = re.compile(r"[A-Za-z]{2,}")


@cache
def spoken() -> dict[str, str]:
    """Return every sentence with the module it stands in."""
    found: dict[str, str] = {}
    for name in modules():
        for said, place in _of_module(name):
            if " " in said.strip() and len(_WORD.findall(said)) >= _FEWEST_WORDS:
                found.setdefault(" ".join(said.split()).strip(" ,;."), place)
    return found


@cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax of every module by its name within the package."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def text_of(node: ast.expr | None) -> str | None:
    """Return the text that a string expression makes, with gaps; None for other expressions."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = [str(p.value) if isinstance(p, ast.Constant) else GAP for p in node.values]
        return re.sub(f"{GAP}+", GAP, "".join(parts))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        if left is not None or right is not None:
            return re.sub(f"{GAP}+", GAP, (left or GAP) + (right or GAP))
    return None


def _of_module(name: str) -> Iterator[tuple[str, str]]:
    if name.startswith(_TABLES):
        return
    tree = modules()[name]
    if name in _SPEAKING:
        yield from ((text, name) for text in _texts(tree))
        return
    for node in ast.walk(tree):
        for part in _told(node):
            yield from ((text, name) for text in _texts(part))
            yield from _of_called(name, part, set())


def _told(node: ast.AST) -> list[ast.AST]:
    """Return the expressions under a node that are told to the user, if it tells something."""
    if isinstance(node, ast.FunctionDef):
        return [node] if _SPEAKER.match(node.name) else []
    if isinstance(node, ast.Assign) and any(map(_is_sink, node.targets)):
        return [node.value, *(t.slice for t in node.targets if isinstance(t, ast.Subscript))]
    if isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        return [node.value] if node.value is not None and _is_sink(node.target) else []
    if isinstance(node, ast.keyword):
        return [node.value] if _SINK.match(node.arg or "") else []
    if isinstance(node, ast.Call) and "NoVerdict" in islice(_names(node.func), 1):
        return list(node.args)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        fills = node.func.attr in ("append", "extend", "setdefault") and _is_sink(node.func.value)
        if fills or node.func.attr in ("note", "_note", "warn"):
            return list(node.args)
    return [part for part in _parts(node) if (text_of(part) or "").startswith(_PASSES)]


def _parts(node: ast.AST) -> list[ast.expr]:
    """Return the expressions that a statement or call is made of."""
    if isinstance(node, ast.Call):
        return node.args
    value = node.value if isinstance(node, (ast.Assign, ast.Return)) else None
    return value.elts if isinstance(value, ast.Tuple) else [value] if value is not None else []


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the names in an expression, and those of methods of `self`."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute) and getattr(part.value, "id", "") == "self":
            yield part.attr


def _is_sink(node: ast.AST) -> bool:
    while isinstance(node, ast.Subscript):
        if _is_sink(node.slice):
            return True
        node = node.value
    name = getattr(node, "id", getattr(node, "attr", ""))
    return bool(_SINK.match(name))


def _of_called(module: str, part: ast.AST, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Yield what the functions and constants of the package say that an expression names."""
    for name in sorted({*_names(part)}):
        place, found = _defined(module, name)
        if found is None or place in _SILENT or f"{place}.{name}" in seen:
            continue
        seen.add(f"{place}.{name}")
        yield from ((text, place) for text in _texts(found))
        if isinstance(found, ast.FunctionDef):
            yield from _of_called(place, found, seen)


def _defined(module: str, name: str) -> tuple[str, ast.AST | None]:
    """Return the function or the text of this name, and the module it stands in."""
    body = modules()[module].body
    methods = (item for node in body if isinstance(node, ast.ClassDef) for item in node.body)
    for node in (*body, *methods):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return module, node
        if isinstance(node, ast.Assign) and text_of(node.value) is not None:
            named = [getattr(target, "id", "") for target in node.targets]
            if name in named:
                return module, node.value
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            home = (node.module or "").removeprefix("pytest_deepimportance.")
            return _defined(home, name) if home in modules() else (module, None)
    return module, None


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the outermost texts under a node, without docstrings and errors."""
    text = text_of(node) if isinstance(node, ast.expr) else None
    if text is not None:
        yield text
    elif not isinstance(node, ast.Raise):
        body = getattr(node, "body", None)
        statements = body if isinstance(body, list) else []
        for child in ast.iter_child_nodes(node):
            loose = child in statements and isinstance(child, ast.Expr)
            if not (loose and isinstance(child.value, ast.Constant)):  # type: ignore[attr-defined]
                yield from _texts(child)


if __name__ == "__main__":
    for sentence, where in spoken().items():
        print(f"{where}: {sentence}")
