"""Read sites during passes of a model: hooks where modules hold them, a function mode elsewhere."""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.hooks import RemovableHandle

from pytest_deepimportance.errors import LayerError
from pytest_deepimportance.models import functions
from pytest_deepimportance.models.sitemap import Reading, Site
from pytest_deepimportance.recording.frames import (
    EnterFrame,
    Frame,
    LeaveFrame,
    Pass,
    Passes,
    ReadingMode,
    Taker,
)
from pytest_deepimportance.recording.inert import InertHook, last_of_each, undisturbed
from pytest_deepimportance.recording.packing import tokens_of, with_tokens

OnSite = Callable[[Site, Tensor], Tensor | None]

_QUIET = ("container", "conv", "dropout", "flatten", "linear", "padding", "pooling", "sparse")
_NO_FUNCTIONS_INSIDE = frozenset(f"torch.nn.modules.{room}" for room in _QUIET)
"""Rooms of torch.nn whose modules call none of the functions that a site is read at."""


class SiteReader:
    """Calls `on_site(site, tensor)` for each site visited during passes of `model`.

    A pass lasts from `begin()` to `end()`, also when the forward raises; passes of several threads
    do not mix. Outside a pass the hooks only count (`stray_calls`). The reader keeps neither the
    model nor any tensor; whoever is called must reduce or copy at once, since later operations may
    change the tensor in place.

    Args:
        model: The model that the sites were found in, or one of equal structure.
        sites: What to read.
        on_site: Called with the site and its tensor.
        tap: "post" (after the activation) or "pre" (the layer's own output).
        in_graph: Hand over the very tensor of the pass, never a recomputed copy; if `on_site`
            returns a tensor, it takes that tensor's place in the pass. With this, `begin` must
            come after other function modes are entered, so that it sees the model's own calls.
        on_stray: Called with each site whose module is called outside a pass.

    Attributes:
        stray_calls: Calls of hooked modules seen outside a pass.
        mismatched: Tensors passed over because they have another number of neurons than their
            site: the model took another way than when its sites were found.

    Raises:
        LayerError: A site names a module that `model` does not have.
    """

    def __init__(
        self,
        model: nn.Module,
        sites: Sequence[Site],
        on_site: OnSite,
        *,
        tap: str = "post",
        in_graph: bool = False,
        on_stray: Callable[[Site], None] | None = None,
    ) -> None:
        self._model = weakref.ref(model)
        self._on_site = on_site
        self._on_stray = on_stray
        self._in_graph = in_graph
        self._passes = Passes()
        self._lock = threading.Lock()
        self._handles: list[RemovableHandle] = []
        self._last: list[RemovableHandle] = []
        self.stray_calls = 0
        self.mismatched = 0
        self._at_modules: dict[str, dict[int, list[tuple[Site, Reading]]]] = {}
        self._at_functions: dict[tuple[str, int, str, int], Site] = {}
        for site in sites:
            self._place(site, tap)
        self._wanted = {
            func: name
            for name in {key[2] for key in self._at_functions}
            for func in functions.spellings(name)
        }
        self._hooks = {n: _ModuleHook(self, n, calls) for n, calls in self._at_modules.items()}
        for name in [*self._at_modules, *(key[0] for key in self._at_functions)]:
            _submodule(model, name)

    def attach(self) -> None:
        """Put the hooks on; nothing happens if they are on already or the model is gone."""
        model = self._model()
        if model is None or self._handles:
            return
        read = [(_submodule(model, name), hook) for name, hook in self._hooks.items()]
        for module, hook in read:
            self._handles.append(module.register_forward_hook(hook))
        for name, module in self._framed(model).items():
            frame = Frame(self._passes, name)
            self._handles.append(module.register_forward_pre_hook(EnterFrame(frame)))
            self._handles.append(module.register_forward_hook(LeaveFrame(frame), always_call=True))
        self._last = last_of_each(self._handles)

    def detach(self) -> None:
        """Take every hook off again."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._last = [], []

    @property
    def undisturbed(self) -> bool:
        """Whether of each module's hooks its own are still the last."""
        return undisturbed(self._last)

    def begin(self, as_it_is: Taker | None = None) -> None:
        """Begin a pass in this thread; one that was never ended is dropped.

        Args:
            as_it_is: Asked first to take a site whose tensor is the output of its module.
        """
        if self._passes.here is not None:
            self.end()
        passing = Pass(as_it_is)
        if self._at_functions:
            passing.frames.append(("", 0, Counter()))
            passing.mode = ReadingMode(self._wanted, passing, self._function_called)
            passing.mode.install()
        self._passes.here = passing

    def end(self) -> None:
        """End the pass of this thread, if there is one."""
        passing = self._passes.here
        self._passes.here = None
        if passing is not None and passing.mode is not None:
            passing.mode.remove()

    def _place(self, site: Site, tap: str) -> None:
        reading = site.reading if tap == "post" else site.pre_reading
        if self._in_graph and tap == "post" and site.graph_reading is not None:
            reading = site.graph_reading
        if reading.via == "module":
            calls = self._at_modules.setdefault(reading.module, {})
            calls.setdefault(reading.call, []).append((site, reading))
        else:
            assert reading.function is not None
            key = (reading.module, reading.call, reading.function, reading.occurrence)
            self._at_functions[key] = site

    def _framed(self, model: nn.Module) -> dict[str, nn.Module]:
        """Return the modules between which function calls are told apart.

        Those are the modules in whose forward a site's function is called, and what they may call
        in turn. The root is left out: its frame is the pass itself.
        """
        if not self._at_functions:
            return {}
        norms = any(key[2] in functions.NORMS for key in self._at_functions)
        found: dict[str, nn.Module] = {}
        names = {id(module): name for name, module in model.named_modules()}
        for owner in {key[0] for key in self._at_functions}:
            for module in _submodule(model, owner).modules():
                room = type(module).__module__
                quiet = room in _NO_FUNCTIONS_INSIDE or (
                    not norms and room == "torch.nn.modules.batchnorm"
                )
                is_owner = names[id(module)] == owner
                if (is_owner or not quiet) and not isinstance(module, torch.jit.ScriptModule):
                    found[names[id(module)]] = module
        found.pop("", None)
        return found

    def _stray(self, sites: Sequence[Site]) -> None:
        with self._lock:
            self.stray_calls += 1
        if self._on_stray is not None:
            for site in sites:
                self._on_stray(site)

    def _hand_over(self, site: Site, tensor: Tensor) -> Tensor | None:
        try:
            fits = tensor.shape[site.channel_axis] == site.units
        except (RuntimeError, IndexError):  # nested tensors have no shape; fewer dimensions
            fits = tensor.is_nested
        if not fits:
            with self._lock:
                self.mismatched += 1
            return None
        replacement = self._on_site(site, tensor)
        return replacement if self._in_graph else None

    def _function_called(self, passing: Pass, name: str, result: Tensor) -> Tensor:
        module, call, counts = passing.frames[-1]
        occurrence = counts[name]
        counts[name] = occurrence + 1
        site = self._at_functions.get((module, call, name, occurrence))
        if site is None:
            return result
        replacement = self._hand_over(site, result)
        return result if replacement is None else replacement


class _ModuleHook(InertHook):
    """Forward hook of a module whose output holds sites, by call number."""

    __slots__ = ("_by_call", "_name", "_passes", "_plain", "_reader")

    def __init__(
        self, reader: SiteReader, name: str, by_call: dict[int, list[tuple[Site, Reading]]]
    ) -> None:
        self._reader = reader
        self._passes = reader._passes
        self._name = name
        self._by_call = by_call
        # Each call gives one site, which is the module's output itself.
        every = [item for items in by_call.values() for item in items]
        self._plain = len(every) == len(by_call) and all(
            reading.item is None and reading.function is None for _, reading in every
        )

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():
            return None
        passing = self._passes.here
        if passing is None:
            if not torch.compiler.is_compiling():
                self._reader._stray([s for items in self._by_call.values() for s, _ in items])
            return None
        calls, name = passing.calls, self._name
        number = calls.get(name, 0)
        calls[name] = number + 1
        here = self._by_call.get(number)
        if here is None:
            return None
        take = passing.as_it_is
        passing.quiet = True  # what is computed in here is not the model's
        try:
            if take is not None and self._plain and take(here[0][0], output):
                return None
            return self._replaced(here, output)
        finally:
            passing.quiet = False

    def _replaced(self, here: list[tuple[Site, Reading]], output: Any) -> Any:
        """Read the sites of one call; return what takes the place of its output, or None."""
        item = here[0][1].item
        tensor = output if item is None else _item(output, item)
        if not isinstance(tensor, Tensor):
            return None
        replaced = self._read(here, tensor)
        return replaced if item is None or replaced is None else _put(output, item, replaced)

    def _read(self, here: list[tuple[Site, Reading]], output: Tensor) -> Tensor | None:
        replaced = None
        for site, reading in here:
            tensor = output
            if reading.function is not None:
                with torch.no_grad():
                    tensor = functions.apply(reading.function, output.detach(), reading.arguments)
            replaced = self._reader._hand_over(site, tensor)
        return replaced


def _item(output: Any, item: int) -> Any:
    """Return an item of a module's output; of a packed sequence, its tokens."""
    found = output[item] if isinstance(output, tuple) and item < len(output) else None
    return tokens_of(found) if isinstance(found, PackedSequence) else found


def _put(output: tuple[Any, ...], item: int, tensor: Tensor) -> tuple[Any, ...]:
    """Return a module's output with one item replaced."""
    old = output[item]
    new = with_tokens(old, tensor) if isinstance(old, PackedSequence) else tensor
    return (*output[:item], new, *output[item + 1 :])


def _submodule(model: nn.Module, name: str) -> nn.Module:
    try:
        return model._modules.get(name) or model.get_submodule(name)
    except AttributeError:
        raise LayerError(
            f"{type(model).__name__} has no module {name!r}",
            "The sites to read were found in a model of another structure.",
            "Use the model that the profile was built for, or build the profile again.",
        ) from None
