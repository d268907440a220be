from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from pytest_deepimportance.data.importing import failing_line, import_object, is_object_spec
from pytest_deepimportance.errors import IdcError, ModelLoadError, ReferenceDataError, SettingsError

_NUMBERS = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a package in tmp_path that no other test has imported; sys.path is restored."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"store{next(_NUMBERS)}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "things.py").write_text(
        "class Outer:\n    class Inner:\n        value = 3\n\ndef make():\n    return 1\n"
    )
    return name


def refusal(
    spec: str, root: Path, role: str = "factory", kind: type[IdcError] = ModelLoadError
) -> str:
    with pytest.raises(kind) as caught:
        import_object(spec, role, root=root)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app.model:Net", True),
        ("app:Net", True),
        ("app.model:Outer.Inner", True),
        ("path/to/file.py:make", True),
        ("/abs/file.py:make", True),
        ("C:\\dir\\file.py:make", True),
        ("my-dir/file.py:make", True),
        (" app:Net ", True),
        ("torchvision:resnet18", True),
        ("app.model", False),
        ("weights.pth", False),
        ("dir/weights.pth", False),
        ("app:", False),
        (":Net", False),
        ("", False),
        ("torchvision:MNIST:train", False),
        ("my-app:Net", False),
        ("app:3", False),
        ("app:class", False),
        ("C:\\models\\w.pth", False),
        ("data/train.npz", False),
    ],
)
def test_is_object_spec(text: str, expected: bool):
    assert is_object_spec(text) is expected


def test_by_package_and_dotted_name(package: str, tmp_path: Path):
    assert import_object(f"{package}.things:make", "factory", root=tmp_path)() == 1
    assert import_object(f"{package}.things:Outer.Inner.value", "factory", root=tmp_path) == 3


def test_by_file_relative_absolute_and_from_here(package: str, tmp_path: Path, monkeypatch):
    relative = import_object(f"{package}/things.py:Outer", "factory", root=tmp_path)
    absolute = import_object(f"{tmp_path}/{package}/things.py:Outer", "factory")
    monkeypatch.chdir(tmp_path / package)
    assert relative is absolute is import_object("things.py:Outer", "factory", root=tmp_path)


def test_root_defaults_to_the_current_directory(package: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert import_object(f"{package}.things:make", "factory")() == 1


def test_a_file_already_imported_is_not_imported_again(package: str, tmp_path: Path):
    by_name = import_object(f"{package}.things:Outer", "factory", root=tmp_path)
    assert import_object(f"{package}/things.py:Outer", "factory", root=tmp_path) is by_name


def test_a_file_gets_the_name_that_tests_import_it_by(package: str, tmp_path: Path):
    # Classes exist once: what the plugin builds and what the test builds are of one class.
    (tmp_path / package / "__init__.py").touch()
    kind = import_object(f"{package}/things.py:Outer", "factory", root=tmp_path)
    assert kind.__module__ == f"{package}.things"
    assert __import__(f"{package}.things").things.Outer is kind


def test_two_files_of_one_name(package: str, tmp_path: Path):
    name = f"same{next(_NUMBERS)}"
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.py").write_text(
            f"import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: str = {folder!r}\n"
        )
    values = [
        import_object(f"{folder}/{name}.py:A", "factory", root=tmp_path)().x
        for folder in ("one", "two")
    ]
    assert values == ["one", "two"]
    again = import_object(f"two/{name}.py:A", "factory", root=tmp_path)
    assert again is import_object(f"two/{name}.py:A", "factory", root=tmp_path)


def test_files_find_the_modules_beside_them(package: str, tmp_path: Path):
    neighbour = f"beside{next(_NUMBERS)}"
    (tmp_path / package / f"{neighbour}.py").write_text("value = 7\n")
    (tmp_path / package / "uses.py").write_text(f"from {neighbour} import value\n")
    assert import_object(f"{package}/uses.py:value", "factory", root=tmp_path) == 7


def test_the_path_is_left_alone_where_it_is_not_needed(package: str, tmp_path: Path):
    before = list(sys.path)
    import_object("json:loads", "factory", root=tmp_path)
    assert sys.path == before
    import_object(f"{package}.things:make", "factory", root=tmp_path)
    assert sys.path == [*before, str(tmp_path)]


def test_added_folders_shadow_nothing(package: str, tmp_path: Path):
    (tmp_path / package / "statistics.py").write_text("mine = True\n")
    import_object(f"{package}/things.py:make", "factory", root=tmp_path)
    sys.modules.pop("statistics", None)
    import statistics

    assert not hasattr(statistics, "mine")


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("factory", ModelLoadError),
        ("model", ModelLoadError),
        ("reference", ReferenceDataError),
        ("transform", ReferenceDataError),
        ("output", SettingsError),
    ],
)
def test_the_role_opens_the_message_and_chooses_the_error(
    tmp_path: Path, role: str, kind: type[IdcError]
):
    assert refusal("absent.module:name", tmp_path, role, kind).startswith(
        f"{role} absent.module:name"
    )


def test_malformed_specifications_show_the_form(tmp_path: Path):
    assert "such as app.model:Net" in refusal("app.model.Net", tmp_path)
    assert "such as app/model.py:NAME" in refusal("app/model.py", tmp_path)
    assert "package.module:name" in refusal("one two", tmp_path)


def test_absent_modules_name_the_nearest(package: str, tmp_path: Path):
    text = refusal(f"{package}.thing:make", tmp_path)
    assert f"there is no module '{package}.thing'" in text
    assert f"Did you mean {package}.things" in text
    assert "path/to/file.py:make" in refusal("zzz.yyy:make", tmp_path)


def test_a_module_below_a_source_folder_is_pointed_out(package: str, tmp_path: Path):
    name = f"inner{next(_NUMBERS)}"
    (tmp_path / "src" / name).mkdir(parents=True)
    (tmp_path / "src" / name / "model.py").touch()
    text = refusal(f"{name}.model:Net", tmp_path)
    assert "set 'pythonpath = src' in pytest's ini" in text
    assert f"src/{name}/model.py:Net" in text


def test_a_foreign_package_of_the_same_name_is_shown(tmp_path: Path):
    text = refusal("json.model:Net", tmp_path)
    assert "the package found is " in text
    assert "json" in text


def test_absent_files_name_the_nearest(package: str, tmp_path: Path):
    text = refusal(f"{package}/thing.py:make", tmp_path)
    assert f"there is no file {package}/thing.py in {tmp_path}" in text
    assert f"Did you mean {package}/things.py" in text


def test_absent_names_list_the_nearest_or_all(package: str, tmp_path: Path):
    text = refusal(f"{package}.things:mak", tmp_path)
    assert f"{package}.things has no 'mak'" in text
    assert "Did you mean make?" in text
    assert "It has: Outer, make" in refusal(f"{package}.things:zzzz", tmp_path)
    assert f"{package}.things:Outer has no 'inner'" in refusal(
        f"{package}.things:Outer.inner", tmp_path
    )


@pytest.mark.parametrize("form", ["{package}.broken:make", "{package}/broken.py:make"])
@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        (
            "x = 1\nimport absent_library\n",
            "ModuleNotFoundError: No module named 'absent_library'",
            2,
        ),
        ("def f():\n    return {}['key']\nf()\n", "KeyError: 'key'", 2),
        ("def f(:\n", "SyntaxError", 1),
        ("raise SystemExit(2)\n", "SystemExit: 2", 1),
    ],
    ids=["import", "exception", "syntax", "exit"],
)
def test_errors_in_the_module_show_its_own_line(
    package: str, tmp_path: Path, form: str, source: str, message: str, line: int
):
    file = tmp_path / package / "broken.py"
    file.write_text(source)
    spec = form.format(package=package)
    text = refusal(spec, tmp_path)
    assert f"factory {spec}: importing it raised {message}" in text
    assert f"at {file}:{line}: {source.splitlines()[line - 1].strip()}" in text
    # A failed import leaves nothing half-made behind.
    assert not any(getattr(m, "__file__", None) == str(file) for m in list(sys.modules.values()))


def test_failing_line_of_an_error_without_trace():
    assert failing_line(ValueError("x")) == ""
