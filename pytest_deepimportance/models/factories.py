"""Networks built by a user's class or function, or by a library that knows them by name."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from pytest_deepimportance.data.importing import failing_line, import_object
from pytest_deepimportance.errors import IdcError, ModelLoadError
from pytest_deepimportance.models.formats import torchscript
from pytest_deepimportance.models.libraries import collection_of


@dataclass
class Factory:
    """What a factory specification names: a module, a class, or a function that builds one."""

    spec: str
    target: Any
    _built: nn.Module | None = field(default=None, repr=False)

    @property
    def is_module(self) -> bool:
        """Whether it names an existing module object rather than something to be called."""
        return isinstance(self.target, nn.Module)

    def build(self) -> nn.Module:
        """Return the network, built at the first call.

        Raises:
            ModelLoadError: It needs arguments, raises, or yields something other than a module.
        """
        if self._built is None:
            self._built = self.target if self.is_module else self._call()
        return self._built

    def classes(self) -> set[type]:
        """Return the module classes that the factory's network and its source file consist of.

        A class is not built for this: its own file names the classes it is likely made of.
        """
        owner = self.target if inspect.isclass(self.target) else None
        if owner is None:
            return {type(module) for module in self.build().modules()}
        near = vars(sys.modules.get(owner.__module__, nn)).values()
        return {owner} | {
            kind for kind in near if inspect.isclass(kind) and issubclass(kind, nn.Module)
        }

    def _call(self) -> nn.Module:
        if not callable(self.target):
            raise self._no_module(self.target, "is")
        needed = _required(self.target)
        if needed:
            name = self.spec.rpartition(":")[2]
            arguments = ", ".join(f"{argument}=..." for argument in needed)
            raise ModelLoadError(
                f"the factory {self.spec} needs arguments: {', '.join(needed)}",
                "A factory is called without arguments.",
                f"Write a function that passes them, and name it instead: def build(): "
                f"return {name}({arguments})",
            )
        try:
            made = self.target()
        except (Exception, SystemExit) as error:
            line = failing_line(error)
            raise ModelLoadError(
                f"the factory {self.spec} raised {type(error).__name__}: {error}",
                fix=f"at {line}" if line else "",
            ) from error
        if not isinstance(made, nn.Module):
            raise self._no_module(made, "returned")
        return made

    def _no_module(self, value: Any, verb: str) -> IdcError:
        kind = "None" if value is None else f"an object of type {type(value).__name__}"
        fix = "Let it return the torch.nn.Module."
        if value is None:
            fix = "Is its 'return model' missing?"
        elif inspect.isclass(value):
            kind = f"the class {value.__name__}"
            fix = f"Let it return an instance: {value.__name__}()"
        elif isinstance(value, (tuple, list)):
            inside = [index for index, part in enumerate(value) if isinstance(part, nn.Module)]
            if inside:
                fix = f"Let it return the module alone, which is element {inside[0]}."
        elif isinstance(value, dict):
            fix = "A state_dict holds weights only; load it into the network and return that."
        return ModelLoadError(
            f"the factory {self.spec} {verb} {kind}, not a torch.nn.Module", fix=fix
        )


def open_factory(spec: str, root: Path, role: str = "factory") -> Factory:
    """Return the factory that `spec` names, not called yet.

    Raises:
        ModelLoadError: It cannot be imported.
    """
    known = collection_of(spec)
    if known is not None:
        return Factory(spec, known.untrained(spec))
    return Factory(spec, import_object(spec, role, root=root))


def _required(target: Any) -> list[str]:
    """Return the names of the arguments that must be given."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind not in optional
    ]


def unwrapped(module: nn.Module, name: str) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the network inside DataParallel, DistributedDataParallel or torch.compile wrappers.

    Raises:
        ModelLoadError: It is TorchScript.
    """
    notes = []
    while (inner := _inner(module)) is not None:
        notes.append(f"The network was taken out of its {type(module).__name__} wrapper.")
        module = inner
    if isinstance(module, nn.Module) and _is_scripted(module):
        raise torchscript(name)
    return module, tuple(notes)


def _inner(module: nn.Module) -> nn.Module | None:
    if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        inner = module.module
    elif type(module).__name__ == "OptimizedModule":
        # By name: importing the class would import the whole compiler.
        inner = getattr(module, "_orig_mod", None)
    else:
        inner = None
    return inner if isinstance(inner, nn.Module) else None


def _is_scripted(module: nn.Module) -> bool:
    from torch.jit import ScriptModule

    return isinstance(module, ScriptModule)
