"""Which classes of the user's project fit a file of weights: proposed when no factory is named.

Sources are searched without importing them. Only files that define a module class, and that run
nothing at import, are imported, in a process of their own with a time limit: a training script or
a broken file can do no harm to the test session.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_deepimportance.data.importing import import_object
from pytest_deepimportance.data.sources import import_base, module_name, python_files
from pytest_deepimportance.models.checkpoints import Shapes

_MOST_CLASSES = 40
_SECONDS = 30.0
_SKIPPED = frozenset({"test", "tests", "docs", "examples", "benchmarks"})
_BUILDER = re.compile(
    r"(?:build|make|create|get|load)_?\w*(?:model|net|network|classifier)\w*|build"
)
_BASES = frozenset({"Module", "Sequential", "LightningModule", "PreTrainedModel", "ModuleList"})


@dataclass(frozen=True)
class Proposal:
    """A class of the project and how well it fits: 0 when every name and shape does.

    `distance` is None when it cannot be built without arguments.
    """

    spec: str
    distance: int | None
    shapes_only: bool = False


def advice(states: Sequence[Shapes], root: Path) -> str:
    """Return what to type when weights were given without a factory."""
    proposals = propose(states, root)
    if found := _lines(proposals):
        return found
    builder = (
        "Write a function that builds the network, for example in factory.py:\n"
        "    def build(): return Net(...)\n"
        "and name it: --idc-factory factory.py:build   (pytest's ini: idc_factory = "
        "factory.py:build)"
    )
    close = [one for one in proposals if one.shapes_only]
    if close:
        return (
            f"The names fit {_specs(close)}, but not the shapes: it is built with other sizes by "
            f"default.\n{builder}"
        )
    unbuilt = [one for one in proposals if one.distance is None]
    builders = [] if close else list(builder_functions(root))[:3]
    if builders:
        return (
            f"No class without arguments fits. Functions that may build the network (not tried): "
            f"{', '.join(builders)}.\nName one: --idc-factory {builders[0]}   (pytest's ini: "
            f"idc_factory = {builders[0]})"
        )
    if unbuilt:
        return (
            f"Module classes that were not tried, since they need arguments or their file runs "
            f"code: {_specs(unbuilt)}.\n{builder}"
        )
    none = f"None of the {len(proposals)} module classes in {root} fits" if proposals else ""
    return f"{none or f'No module class was found in {root}'}.\n{builder}"


def fitting(states: Sequence[Shapes], root: Path) -> str:
    """Return what to type when another class fits the weights, "" if none does."""
    return _lines(propose(states, root))


def _lines(proposals: Sequence[Proposal]) -> str:
    fits = [one for one in proposals if one.distance == 0][:3]
    if not fits:
        return ""
    lines = "\n".join(f"    idc_factory = {one.spec}" for one in fits)
    what = "This class of the project fits: put the line"
    if len(fits) > 1:
        what = "These classes of the project fit: put one of the lines"
    return f"{what} into pytest's ini (or --idc-factory {fits[0].spec}):\n{lines}"


def _specs(proposals: Sequence[Proposal]) -> str:
    return ", ".join(one.spec for one in proposals[:3])


def propose(states: Sequence[Shapes], root: Path) -> list[Proposal]:
    """Return the module classes below `root`, the best fitting first.

    Args:
        states: Names and shapes of each state dict that the file holds.
        root: Folder of the project; virtual environments, hidden folders and tests are left out.
    """
    found = list(module_classes(root))[:_MOST_CLASSES]
    importable = [spec for spec, runs_code in found if not runs_code]
    results = {spec: Proposal(spec, None) for spec, _ in found}
    if importable and states:
        for line in _ask(importable, states, root):
            results[line["spec"]] = Proposal(line["spec"], line["distance"], line["shapes_only"])
    far = 1 << 30
    return sorted(
        results.values(),
        key=lambda one: (far if one.distance is None else one.distance, one.spec),
    )


def module_classes(root: Path) -> Iterator[tuple[str, bool]]:
    """Yield the module classes defined below `root`, without importing anything.

    Each comes with its specification and whether its file runs code when it is imported.
    """
    trees = _trees(root)
    for file, names in _with_module_bases(trees).items():
        runs_code = any(_runs(node) for node in trees[file].body)
        for name in names:
            yield f"{_place(file, root)}:{name}", runs_code


def builder_functions(root: Path) -> Iterator[str]:
    """Yield the functions below `root` that seem to build a network and need no arguments.

    Judged by their name (`build_model`, `make_net`) or by an annotation (`-> nn.Module`).
    """
    for file, tree in _trees(root).items():
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef) or _needs_arguments(node.args):
                continue
            returns = "" if node.returns is None else _last_name(node.returns)
            if returns in _BASES or _BUILDER.fullmatch(node.name):
                yield f"{_place(file, root)}:{node.name}"


def _trees(root: Path) -> dict[Path, ast.Module]:
    trees: dict[Path, ast.Module] = {}
    for file in python_files(root, _SKIPPED):
        if file.name.startswith(("test_", "conftest")) or file.stat().st_size > 1 << 20:
            continue
        with contextlib.suppress(SyntaxError, ValueError, OSError):
            trees[file] = ast.parse(file.read_bytes())
    return trees


def _needs_arguments(arguments: ast.arguments) -> bool:
    by_position = len(arguments.posonlyargs) + len(arguments.args)
    return by_position > len(arguments.defaults) or None in arguments.kw_defaults


def _with_module_bases(trees: dict[Path, ast.Module]) -> dict[Path, list[str]]:
    """Return the module classes of each file; bases are followed by name through all files."""
    bases = {
        (file, node.name): {_last_name(base) for base in node.bases}
        for file, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    known = set(_BASES)
    while True:
        more = {name for (_, name), over in bases.items() if over & known} - known
        if not more:
            break
        known |= more
    result: dict[Path, list[str]] = {}
    for (file, name), over in bases.items():
        if over & known:
            result.setdefault(file, []).append(name)
    return result


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _runs(node: ast.stmt) -> bool:
    """Return whether a top-level statement does work: a loop, or a bare call such as `main()`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    return isinstance(node, (ast.For, ast.While, ast.With))


def _place(file: Path, root: Path) -> str:
    """Return how `file` is named in a specification: as a module where that can be imported."""
    base = import_base(file)
    packaged = base != file.parent
    dotted = module_name(file, base if packaged and str(base) in sys.path else root)
    if dotted is not None and (not packaged or base == root or str(base) in sys.path):
        return dotted
    return file.relative_to(root).as_posix()


def _ask(specs: Sequence[str], states: Sequence[Shapes], root: Path) -> list[dict[str, Any]]:
    """Build the classes in another process and return what it says about each."""
    question = json.dumps(
        {"specs": specs, "states": states, "root": str(root), "path": [str(root), *sys.path]}
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", f"from {__name__} import answer; answer()"]
    output: bytes | str | None
    try:
        output = subprocess.run(
            command, input=question.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=_SECONDS, env=environment, cwd=root, check=False,
        ).stdout  # fmt: skip
    except subprocess.TimeoutExpired as late:
        output = late.stdout
    except OSError:
        output = None
    text = output.decode(errors="replace") if isinstance(output, bytes) else ""
    answers = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            answers.append(json.loads(line))
    return answers


def answer() -> None:
    """Read a question of `_ask` from standard input and write one line a class as it is judged."""
    question = json.loads(sys.stdin.buffer.read())
    out = os.fdopen(os.dup(1), "w")
    # Whatever the user's files print must not mix with the answers.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    sys.path[:] = question["path"]
    states = [
        {name: None if shape is None else tuple(shape) for name, shape in state.items()}
        for state in question["states"]
    ]
    for spec in question["specs"]:
        with contextlib.suppress(BaseException):
            print(json.dumps(_judge(spec, states, Path(question["root"]))), file=out, flush=True)


def _judge(spec: str, states: Sequence[Shapes], root: Path) -> dict[str, Any]:
    import torch

    from pytest_deepimportance.models.checkpoints import best_fit, shapes_of, tied_names

    kind = import_object(spec, "factory", root=root)
    try:
        with torch.device("meta"):
            module = kind()
    except Exception:
        module = kind()  # some networks compute with real numbers while they are built
    network, tied = shapes_of(module.state_dict()), tied_names(module)
    best = min((best_fit(state, network, tied) for state in states), key=lambda fit: fit.distance)
    shapes_only = bool(best.shapes) and not best.missing and not best.unknown
    return {"spec": spec, "distance": best.distance, "shapes_only": shapes_only}
