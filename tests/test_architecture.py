"""The house rules that a machine can check: import floors, file length, weight of the plugin."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pytest_deepimportance"

FLOORS = {
    "errors": 0, "parsing": 0, "plaindata": 0, "provenance": 0, "results": 0, "rows": 0, "yardsticks": 0,
    "companions": 0, "contributions": 0, "measurements": 0, "checks": 0, "atomic": 0, "drift_results": 0, "exercise": 0, "pictures": 0, "suggestions": 0, "comparison": 0, "votes": 0, "formatting": 0, "methods": 0,
    "importance_results": 0, "selector_results": 0, "tree_results": 0,
    "setting": 1, "criterion_settings": 1, "importance_settings": 1, "session_settings": 1, "presets": 1, "relevance_rules": 1, "settings": 1, "keywords": 1, "nouns": 1, "gating": 1, "thresholds": 1, "readings": 1,
    "calibration": 1, "compare_gate": 1, "drift_gate": 1, "traceability": 1,
    "data": 2, "models": 3, "recording": 4,
    "attribution": 5, "clustering": 5, "statistics": 5,
    "criteria": 6, "profile": 6,
    "store": 7, "engine": 8, "analysis": 9, "plots": 9, "selfcheck": 9, "reporting": 9, "glue": 10, "cli": 10,
    "plugin": 11, "hookspecs": 11,
}  # fmt: skip
"""Floor of every room (a folder or a single module); DESIGN section 3."""

SIDE_BY_SIDE_FORBIDDEN = {5, 6, 10}
"""Rooms of these floors never import each other."""


THIRD_PARTIES = {
    "captum": {"attribution"},
    "matplotlib": {"plots"},
    "rich": {"reporting"},
    "torchvision": {"data", "models"},
    "timm": {"models"},
    "transformers": {"data", "models"},
    "huggingface_hub": {"data", "models"},
    "filelock": {"profile"},
    "pytest": {"plugin", "hookspecs", "glue"},
    "_pytest": {"plugin", "hookspecs", "glue"},
}
"""Heavy or special third parties have one home."""

STANDARD_LIBRARY_ONLY = {name for name, floor in FLOORS.items() if floor <= 1}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(name, node.lineno) for name in names]
    return found


def own_room(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] != "pytest_deepimportance" or len(parts) < 2:
        return None
    return parts[1] if parts[1] in FLOORS else None


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in FLOORS, f"{path} belongs to no floor"
    for name, line in imports_of(path):
        target = own_room(name)
        if target is None or target == room:
            continue
        where = f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        if room == "reporting":
            assert FLOORS[target] <= 1, f"{where}: reporting sees plain data only"
        assert FLOORS[target] <= FLOORS[room], f"{where}, which is above it"
        if FLOORS[target] == FLOORS[room]:
            assert FLOORS[room] not in SIDE_BY_SIDE_FORBIDDEN, f"{where}, its neighbour"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_third_parties_have_one_home(path: Path) -> None:
    room = room_of(path)
    for name, line in imports_of(path):
        top = name.split(".")[0]
        if top in THIRD_PARTIES:
            assert room in THIRD_PARTIES[top], f"{path}:{line} imports {top}"
        if room in STANDARD_LIBRARY_ONLY and top != "pytest_deepimportance":
            assert top in sys.stdlib_module_names, f"{path}:{line} imports {top}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    limit = 400 if path.name == "settings.py" else 330  # the settings table is one table
    assert lines <= limit, f"{path.name} has {lines} lines: split it"


def test_the_shell_is_light() -> None:
    heavy = ["torch", "numpy", "captum", "sklearn", "rich", "matplotlib", "torchvision"]
    code = (
        "import sys, pytest_deepimportance, pytest_deepimportance.plugin, "
        "pytest_deepimportance.cli.main\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_public_names_are_few_and_exist() -> None:
    import pytest_deepimportance

    assert len(pytest_deepimportance.__all__) <= 25
    for name in pytest_deepimportance.__all__:
        assert getattr(pytest_deepimportance, name) is not None
