"""A network from a file: whole, or its weights loaded into what a factory builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from pytest_deepimportance.data.importing import importable
from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.checkpoints import (
    Found,
    apply,
    find_module,
    find_states,
    shapes_of,
)
from pytest_deepimportance.models.exported import load_exported
from pytest_deepimportance.models.factories import Factory, open_factory, unwrapped
from pytest_deepimportance.models.formats import EXPORTED, SAFETENSORS, classify
from pytest_deepimportance.models.pickles import PickleRefused, damaged, read
from pytest_deepimportance.models.proposals import advice, fitting

_Made = tuple[nn.Module, tuple[str, ...]]


@dataclass(frozen=True)
class FileLoader:
    """Loads files of one project.

    Attributes:
        root: Folder of the project.
        allow_pickle: Whether files may run code when they cannot be read otherwise.
    """

    root: Path
    allow_pickle: bool

    def path(self, text: str) -> Path:
        """Return the path as given when it leads somewhere, else below the root."""
        given = Path(text).expanduser()
        return given if given.exists() or given.is_absolute() else self.root / given

    def load(self, path: Path, factory_spec: str | None) -> _Made:
        """Return the network of a file, and how it was loaded, as sentences.

        Raises:
            ModelLoadError: The file or the factory cannot be used.
        """
        kind = classify(path)
        if kind == EXPORTED:
            return load_exported(path, allow_pickle=self.allow_pickle)
        factory = None if factory_spec is None else open_factory(factory_spec, self.root)
        return self._load(path, kind, factory)

    def fill(self, factory: Factory, path: Path) -> _Made:
        """Return the network of `factory` with the weights of a file.

        Raises:
            ModelLoadError: The file or the factory cannot be used.
        """
        kind = classify(path)
        if kind == EXPORTED:
            raise ModelLoadError(
                f"{path} is an exported program, not weights for {factory.spec}",
                fix=f"Give it alone: --idc-model {path}",
            )
        module, notes = self._load(path, kind, factory)
        return module, (f"The weights come from {path.name}.", *notes)

    def _load(self, path: Path, kind: str, factory: Factory | None) -> _Made:
        content, notes = self._content(path, kind, factory)
        whole = find_module(content)
        if whole is not None:
            module, how = whole
            return module, (*notes, f"{path.name} is a whole pickled module.", *how)
        states = find_states(content)
        if not states:
            raise _without_weights(path, content)
        if factory is None:
            raise self._missing_factory(path, states)
        network, how = unwrapped(factory.build(), factory.spec)
        try:
            fitted = apply(network, states, path.name, factory.spec)
        except ModelLoadError as error:
            better = fitting([shapes_of(one.state) for one in states], self.root)
            if better:
                raise ModelLoadError(error.what, error.why, better) from error
            raise
        return network, (*notes, *how, *fitted)

    def _content(
        self, path: Path, kind: str, factory: Factory | None
    ) -> tuple[object, tuple[str, ...]]:
        if kind == SAFETENSORS:
            return _safetensors(path), ()
        if factory is None:
            # A whole module names its classes as the project's own tests import them.
            with importable(self.root) if self.allow_pickle else nullcontext():
                return read(path, kind, allow_pickle=self.allow_pickle)
        classes = factory.classes()
        try:
            return read(path, kind, classes=classes)
        except PickleRefused:
            # The network may hold classes of other files than the factory's own.
            classes |= _classes_built(factory)
        return read(path, kind, classes=classes, allow_pickle=self.allow_pickle)

    def _missing_factory(self, path: Path, states: Sequence[Found]) -> ModelLoadError:
        shapes = [shapes_of(one.state) for one in states]
        shown = ", ".join(f"{name} {shape}" for name, shape in list(shapes[0].items())[:3])
        more = ", ..." if len(shapes[0]) > 3 else ""
        return ModelLoadError(
            f"{path} holds weights only ({len(shapes[0])} entries: {shown}{more}), and no factory "
            "is named",
            "A state_dict holds no code: the network is built first, then filled with it.",
            advice(shapes, self.root),
        )


def _safetensors(path: Path) -> object:
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except Exception as error:
        raise damaged(path, error) from error


def _classes_built(factory: Factory) -> set[type]:
    try:
        return {type(module) for module in factory.build().modules()}
    except ModelLoadError:
        return set()  # the file's own refusal says more


def _without_weights(path: Path, content: object) -> ModelLoadError:
    what = f"{path} holds no weights, but an object of type {type(content).__name__}"
    if isinstance(content, Mapping):
        keys = ", ".join(map(repr, list(content)[:8])) or "none"
        what = f"{path} holds no weights that could be found; its keys: {keys}"
    return ModelLoadError(
        what, fix="Save the weights with torch.save(model.state_dict(), 'weights.pt')."
    )
