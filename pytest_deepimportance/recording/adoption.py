"""Adoption: other modules with the profile's weights are recorded too, wherever they are made."""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from enum import Enum
from types import FrameType
from typing import Any, Protocol

import torch
from torch import nn

from pytest_deepimportance.recording.compiling import COMPILING
from pytest_deepimportance.recording.inert import InertHook
from pytest_deepimportance.recording.watching import AfterHook, BeforeHook, Hub, Watch
from pytest_deepimportance.recording.weights import WeightsCheck

_COMPILE_WARNING = r"Using `torch\.compile\(module\)` when there are global hooks on modules"


class _Kind(Enum):
    OTHER = 0
    SAME = 1
    COMPILED = 2


_OTHER = _Kind.OTHER


class AdoptingHub(Hub, Protocol):
    """What adoption needs of the recorder."""

    expected: str

    def compiled_around(self) -> None:
        """Note a call of a compiled module that holds the watched model."""


class Adoption(InertHook):
    """Global forward pre-hook: meets each module call, and must cost next to nothing.

    A class is looked at once, a module once; what was found out about a module outlives `detach`,
    so that a service's model is not hashed again in each test.

    Attributes:
        compiled: Set when a module of the model's class runs inside a compiled graph (see
            `BeforeHook.compiled`).
    """

    def __init__(self, hub: AdoptingHub) -> None:
        self._hub = hub
        self._kinds: dict[type, _Kind] = {}
        self._known: weakref.WeakKeyDictionary[nn.Module, Watch | None]
        self._known = weakref.WeakKeyDictionary()
        self._compiled: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()
        self._watches: list[weakref.ref[Watch]] = []
        self._gates: weakref.WeakSet[_Gate | _Around] = weakref.WeakSet()
        self._explicit: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._in_place: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._class = type(hub.model)
        self.compiled = False
        self._handle: Any = None
        self._silenced: Any = None

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Look at a module that is being called."""
        if torch.compiler.is_dynamo_compiling():
            if type(module) is self._class:
                self.compiled = True
            return
        kind = self._kinds.get(type(module))
        if kind is _OTHER:
            return
        if kind is None:
            kind = self._kinds[type(module)] = self._classify(type(module))
        if kind is _OTHER or self._hub.resting:
            return
        if torch.compiler.is_compiling():  # exported, without Dynamo
            self.compiled = self.compiled or type(module) is self._class
            return
        if kind is _Kind.SAME:
            self._meet(module, args, sys._getframe(1))
        else:
            self._meet_compiled(module, args, sys._getframe(1))

    @property
    def attached(self) -> bool:
        """Whether calls are looked at now."""
        return self._handle is not None

    def attach(self) -> None:
        """Look at every module call from now on, and put hooks on the modules the user named."""
        self._handle = nn.modules.module.register_module_forward_pre_hook(self)
        self._ignore_warning()
        for module in list(self._explicit) if self._explicit else ():
            self.watch_of(module, named=True)
        for module in list(self._in_place) if self._in_place else ():
            self.watch_of(module)
        COMPILING.listen(self._stand_before)

    def wake(self) -> None:
        """Take note of passes again, after a rest."""
        self.compiled = False
        self._ignore_warning()
        for watch in self.watches():
            watch.wake()

    def _ignore_warning(self) -> None:
        # A torch.compile wrapper warns at each call that a global hook meets it. That is intended.
        if self._silenced is None:
            warnings.filterwarnings("ignore", _COMPILE_WARNING, UserWarning)
            self._silenced = warnings.filters[0]
        elif self._silenced not in warnings.filters:
            # pytest forgot it with the test before. What is ignored is in no registry, so that
            # none has to be told of the change.
            warnings.filters.insert(0, self._silenced)  # type: ignore[attr-defined]

    def detach(self) -> None:
        """Stop looking, and take the hooks off every adopted module."""
        if self._handle is not None:
            COMPILING.stop(self._stand_before)
            self._handle.remove()
            self._handle = None
        if self._silenced in warnings.filters:
            warnings.filters.remove(self._silenced)  # type: ignore[attr-defined]
        self._silenced = None
        for watch in self.watches():
            watch.detach()
        self._watches.clear()
        for gate in list(self._gates) if self._gates else ():
            gate.detach()
        self._gates.clear()
        self._kinds.clear()

    def adopt(self, module: nn.Module) -> None:
        """Watch a module the user names, whatever its class."""
        self._explicit.add(module)
        if self.attached:
            self.watch_of(module, named=True)

    def watches(self) -> list[Watch]:
        """Return the adopted watches that are attached now."""
        if not self._watches:
            return []
        met = [watch() for watch in self._watches]
        return [watch for watch in met if watch is not None and watch.attached]

    def watch_of(self, module: nn.Module, named: bool = False) -> Watch | None:
        """Return the watch of a module, adopting it when it has the model's class and structure."""
        known = _hook_on(module, self._hub)
        if known is not None:
            return known.watch
        if getattr(module, "_is_replica", False):
            return None
        if module not in self._known or (named and self._known[module] is None):
            comparable = named or self._comparable(module)
            check = WeightsCheck(self._hub.expected)
            self._known[module] = Watch(self._hub, module, check) if comparable else None
        watch = self._known[module]
        if watch is not None and not watch.attached:
            watch.attach()
            self._watches = [met for met in self._watches if met() is not None]
            self._watches.append(weakref.ref(watch))
        return watch

    def _stand_before(self, module: nn.Module, compiled: Callable[..., Any]) -> Callable[..., Any]:
        """Meet a module that is being compiled in place."""
        same = _hook_on(module, self._hub) is not None
        if not same and self._classify(type(module)) is not _Kind.SAME:
            return compiled
        watch = self.watch_of(module)
        if watch is None:
            return compiled
        self._in_place.add(module)
        return watch.before_compiled(compiled)

    def _meet(self, module: nn.Module, args: tuple[Any, ...], caller: FrameType) -> None:
        if _hook_on(module, self._hub) is not None or self._hub.flights.around() is not None:
            return
        watch = self.watch_of(module)
        if watch is not None:
            watch.begin(args, called_kwargs(caller))

    def _meet_compiled(self, module: nn.Module, args: tuple[Any, ...], caller: FrameType) -> None:
        if self._hub.flights.around() is not None:
            return
        inner = getattr(module, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return
        kind = self._kinds.get(type(inner)) or self._classify(type(inner))
        watch = self.watch_of(inner) if kind is _Kind.SAME else None
        if watch is not None:
            hooks = module._forward_hooks.values()
            if not any(isinstance(h, _Gate) and h.watch.hub is self._hub for h in hooks):
                self._gates.add(_Gate(watch, module))
            watch.begin(args, called_kwargs(caller), compiled=True)
        elif self._holds_model(module):
            hooks = module._forward_hooks.values()
            if not any(isinstance(h, _Around) and h.hub is self._hub for h in hooks):
                self._gates.add(_Around(self._hub, module))

    def _holds_model(self, module: nn.Module) -> bool:
        if module not in self._compiled:
            self._compiled[module] = any(m is self._hub.model for m in module.modules())
        return self._compiled[module]

    def _classify(self, kind: type) -> _Kind:
        if kind.__name__ == "OptimizedModule" and kind.__module__.startswith("torch._dynamo"):
            return _Kind.COMPILED
        return _Kind.SAME if same_class(kind, type(self._hub.model)) else _OTHER

    def _comparable(self, module: nn.Module) -> bool:
        """Whether other weights of this module are worth naming.

        Any instance of a user's class is; of torch's containers only those of equal structure.
        """
        model = self._hub.model
        if not type(model).__module__.startswith("torch."):
            return True
        if module._modules.keys() != model._modules.keys():
            return False
        return list(_structure(module)) == list(_structure(model))


class _Gate(AfterHook):
    """Forward hook on a torch.compile wrapper: its call has returned."""

    def __init__(self, watch: Watch, wrapper: nn.Module) -> None:
        super().__init__(watch)
        self._handle = wrapper.register_forward_hook(self, with_kwargs=True, always_call=True)

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        super().__call__(module, args, kwargs, output)
        self.watch.take_compiled_mark()

    def detach(self) -> None:
        self._handle.remove()


class _Around(InertHook):
    """Forward hook on a torch.compile wrapper of a module that holds the watched model."""

    def __init__(self, hub: AdoptingHub, wrapper: nn.Module) -> None:
        self.hub = hub
        self._handle = wrapper.register_forward_hook(self)

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if not torch.compiler.is_compiling():
            self.hub.compiled_around()

    def detach(self) -> None:
        self._handle.remove()


def same_class(kind: type, wanted: type) -> bool:
    """Whether two classes are the same: one object, or one source file imported under two names."""
    if kind is wanted:
        return True
    if kind.__qualname__ != wanted.__qualname__:
        return False
    code, other = (getattr(getattr(c, "forward", None), "__code__", None) for c in (kind, wanted))
    return code is not None and code == other


def called_kwargs(caller: FrameType) -> dict[str, Any]:
    """Return the keyword arguments of the module call whose frame called a global pre-hook.

    torch gives such hooks positional arguments only, and a hook that one of them registers runs
    from the next call on. So the first call of a newly met module is read from torch's own frame.
    """
    found = caller.f_locals.get("kwargs")
    return found if isinstance(found, dict) else {}


def _hook_on(module: nn.Module, hub: object) -> BeforeHook | None:
    """Return our hook on a module; replicas and shallow copies share it with their original."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, BeforeHook) and hook.watch.hub is hub:
            return hook
    return None


def _structure(module: nn.Module) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        yield name, tuple(tensor.shape)
