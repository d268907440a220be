"""docs/errors.md: every error that the code raises on purpose, read off the source.

`python -m tests.examples.errors_page` writes it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from pytest_deepimportance import errors
from tests.examples.readme import ROOT
from tests.examples.spoken import GAP, modules, text_of

PAGE = ROOT / "docs" / "errors.md"
PARTS = ("what", "why", "fix")

HEAD = f"""# Every error

Made from the source by `python -m tests.examples.errors_page`; do not edit by hand. `{GAP}` stands for what
varies; by itself it is advice that hangs on what was found. What the kinds are about, and where an error shows:
[messages](messages.md).
"""


@cache
def kinds() -> dict[str, type[errors.IdcError]]:
    """Return every kind of error by name, in the order of `errors.py`."""
    found = [k for k in vars(errors).values() if isinstance(k, type)]
    return {k.__name__: k for k in found if issubclass(k, errors.IdcError)}


@cache
def markdown() -> str:
    """Return the page."""
    rows: dict[str, dict[tuple[str, ...], None]] = {name: {} for name in [*kinds(), "UsageError"]}
    for name, row in _raised():
        rows[name][row] = None
    parts = [HEAD]
    for name, found in rows.items():
        doc = (kinds()[name].__doc__ or "") if name in kinds() else _USAGE
        parts += [f"## {name}", "", doc.splitlines()[0], ""]
        if found:
            parts += ["| what it says | why it matters | what to do |", "|---|---|---|"]
            parts += ["| " + " | ".join(map(_cell, row)) + " |" for row in found]
            parts.append("")
    return "\n".join(parts)


_USAGE = "pytest refuses its own command line, ini file or markers (`pytest.UsageError`)."


def _raised() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the kind and the three parts of each error whose sentence stands in the source."""
    for tree in modules().values():
        for scope in ast.walk(tree):
            if not isinstance(scope, ast.FunctionDef):
                continue
            for call in _calls(scope):
                given = dict(zip(PARTS, call.args, strict=False))
                given |= {keyword.arg or "": keyword.value for keyword in call.keywords}
                row = tuple(_wording(given.get(part), scope) for part in PARTS)
                if re.search(r"[a-z]{2}", row[0]):
                    yield _name(call), row


def _calls(scope: ast.FunctionDef) -> Iterator[ast.Call]:
    """Yield the errors made in a function, without those of functions inside it."""
    waiting: list[ast.AST] = list(scope.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef):
            continue
        if isinstance(node, ast.Call) and _name(node) in {*kinds(), "UsageError"}:
            yield node
        waiting += ast.iter_child_nodes(node)


def _name(call: ast.Call) -> str:
    return str(getattr(call.func, "id", getattr(call.func, "attr", "")))


def _wording(node: ast.expr | None, scope: ast.FunctionDef) -> str:
    """Return the text of an argument; a name's is what the function assigns to it."""
    if node is None:
        return ""
    if isinstance(node, ast.IfExp):
        ways = [_wording(way, scope) for way in (node.body, node.orelse)]
        return " / ".join(way for way in ways if way)
    if isinstance(node, ast.Name):
        values = [
            _wording(line.value, scope)
            for line in ast.walk(scope)
            if isinstance(line, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == node.id for t in line.targets)
            and not isinstance(line.value, ast.Name)
        ]
        return " / ".join(dict.fromkeys(value for value in values if value)) or GAP
    text = text_of(node)
    return GAP if text is None else text


def _cell(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def main() -> None:
    """Write the page."""
    PAGE.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
