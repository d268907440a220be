from __future__ import annotations

from pathlib import Path

import pytest

from pytest_deepimportance.data import sources
from pytest_deepimportance.data.sources import import_base, is_dotted, module_name, python_files


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_only_the_users_own_files(tmp_path: Path):
    touch(tmp_path, "b.py", "a/c.py", "a/notes.txt", "tests/t.py", ".git/x.py", "venv/x.py",
          "lib/site-packages/x.py", "my_env/pyvenv.cfg", "my_env/lib/x.py", "__pycache__/x.py")  # fmt: skip
    names = [file.relative_to(tmp_path).as_posix() for file in python_files(tmp_path)]
    assert names == ["b.py", "a/c.py", "tests/t.py"]
    names = [file.name for file in python_files(tmp_path, frozenset({"tests"}))]
    assert names == ["b.py", "c.py"]


def test_large_trees_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    touch(tmp_path, *(f"f{index}.py" for index in range(9)))
    monkeypatch.setattr(sources, "_MOST_FILES", 4)
    assert len(list(python_files(tmp_path))) == 4


def test_names_and_bases(tmp_path: Path):
    touch(
        tmp_path,
        "src/app/__init__.py",
        "src/app/deep/__init__.py",
        "src/app/deep/model.py",
        "flat.py",
    )
    assert import_base(tmp_path / "src/app/deep/model.py") == tmp_path / "src"
    assert import_base(tmp_path / "flat.py") == tmp_path
    assert module_name(tmp_path / "src/app/deep/model.py", tmp_path / "src") == "app.deep.model"
    assert module_name(tmp_path / "src/app/__init__.py", tmp_path / "src") == "app"
    assert module_name(tmp_path / "my-app/model.py", tmp_path) is None
    assert module_name(tmp_path / "flat.py", tmp_path / "src") is None
    assert module_name(tmp_path / "__init__.py", tmp_path) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", True), ("a.b_1", True), ("", False), ("a..b", False), ("a.if", False), ("1a", False)],
)
def test_is_dotted(text: str, expected: bool):
    assert is_dotted(text) is expected
