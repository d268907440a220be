"""Watching one module: its root hooks, its weights, its mode, and its compiled form."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pytest_deepimportance.models.restore import depends_on_mode
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.apart import measuring_apart, untouched
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.calls import CompiledCall, without_idle
from pytest_deepimportance.recording.flight import Flight
from pytest_deepimportance.recording.flights import Flights
from pytest_deepimportance.recording.gradients import detached
from pytest_deepimportance.recording.inert import InertHook, undisturbed
from pytest_deepimportance.recording.measure import Measure
from pytest_deepimportance.recording.reader import SiteReader
from pytest_deepimportance.recording.slices import Slices
from pytest_deepimportance.recording.weights import WeightsCheck

_TRAINS = attrgetter("training")


class Hub(Protocol):
    """What a watch needs of the recorder it belongs to; while that is resting, nothing is noted."""

    resting: bool
    flights: Flights
    measure: Measure
    slices: Slices

    @property
    def model(self) -> nn.Module:
        """The watched model."""

    @property
    def block(self) -> Block | None:
        """The current block."""

    def exclusion(self, watch: Watch) -> tuple[str, str | None] | None:
        """Why a pass that begins now is not recorded: counter and cause, or None."""

    def forget_compiled(self) -> None:
        """Forget that a module of the model's class ran inside a compiled graph."""

    def finish(self, flight: Flight) -> None:
        """Book a flight whose call has returned."""

    def partial(self, order: int) -> None:
        """Note a site visited without a call of the model."""


class Watch:
    """The hooks on one module that may be recorded, from `attach` to `detach`.

    It refers to the module weakly, so that whoever keeps it does not keep the module.

    Args:
        hub: The recorder.
        module: A module with the structure of the profile's model.
        weights: Compares its weights with the profile's.
    """

    def __init__(self, hub: Hub, module: nn.Module, weights: WeightsCheck) -> None:
        self.hub = hub
        self.weights = weights
        # What is known of its weights holds its layers: they go when it goes, not as garbage.
        self._module = weakref.ref(module, lambda _: weights.let_go())
        self._reader: SiteReader | None = None
        self._handles: list[Any] = []
        self._before = BeforeHook(self)
        self._compiled: CompiledCall | None = None
        self._depends: bool | None = None
        self._rested = False
        self._structure: tuple[int, ...] = ()

    @property
    def module(self) -> nn.Module | None:
        """The watched module, None when it is gone."""
        return self._module()

    @property
    def attached(self) -> bool:
        """Whether the hooks are on the module."""
        return bool(self._handles)

    def attach(self, reading: bool = False) -> None:
        """Put the hooks on the root, and at once on the sites too when `reading`."""
        module = self.module
        if module is None or self._handles:
            return
        self._handles = [
            module.register_forward_pre_hook(self._before, with_kwargs=True),
            module.register_forward_hook(AfterHook(self), with_kwargs=True, always_call=True),
        ]
        self.wake()
        self._rested = False
        self.guard_compiled()
        if reading:
            self._read_sites(module)

    def wake(self) -> None:
        """Take note of passes again, after a rest; what was changed meanwhile is seen."""
        self._rested = True
        self._before.compiled = False
        self._depends = None
        self.weights.look_again()

    def _renew(self) -> None:
        """Put the hooks on anew where others came behind them, or they were taken off."""
        self._rested = False
        if not undisturbed(self._handles) or not (self._reader is None or self._reader.undisturbed):
            self.detach()
            self.attach()

    def detach(self) -> None:
        """Take everything off the module again."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self.weights.let_go()
        if self._reader is not None:
            self._reader.detach()
        module = self.module
        compiled, self._compiled = self._compiled, None
        if module is None or compiled is None:
            return
        if module._compiled_call_impl is compiled:
            module._compiled_call_impl = without_idle(compiled.original)

    def guard_compiled(self) -> None:
        """Stand before the compiled form of a module that was compiled in place."""
        module = self.module
        compiled = None if module is None else without_idle(module._compiled_call_impl)
        if module is not None and compiled is not None and compiled is not self._compiled:
            module._compiled_call_impl = self.before_compiled(compiled)

    def before_compiled(self, compiled: Callable[..., Any]) -> Callable[..., Any]:
        """Return what stands before a compiled form of the module until `detach`."""
        self._compiled = CompiledCall(self, compiled)
        return self._compiled

    def take_compiled_mark(self) -> bool:
        """Return whether the module ran inside a compiled graph, out of reach, since last asked."""
        seen, self._before.compiled = self._before.compiled, False
        self.hub.forget_compiled()
        return seen

    # --- one pass ---------------------------------------------------------------------------

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any], compiled: bool = False) -> None:
        """Take note that the module is being called."""
        if self.hub.resting:
            return
        flight = self.hub.flights.around()
        if flight is not None:
            flight.depth += 1
            return
        if measuring_apart() or self._is_of_another():
            return
        flight = Flight(self, self.hub.block, self.hub.slices)
        self.hub.flights.open(flight)
        try:
            if self._rested:
                self._renew()
            flight.exclusion = self.hub.exclusion(self)
            if flight.exclusion is None:
                forward = getattr(self.module, "forward", None)
                flight.take_call(forward, args, kwargs, self.hub.measure)
                self._measure(flight, args, kwargs, compiled)
        except Exception as error:
            flight.fail(error)

    def _is_of_another(self) -> bool:
        """Whether the module is the very model of another recorder, which takes its passes."""
        if (module := self.module) is None or module is self.hub.model:
            return False
        hooks = module._forward_pre_hooks.values()
        return any(isinstance(h, BeforeHook) and h.watch.hub.model is module for h in hooks)

    def end(self, output: Any) -> None:
        """Take note that the call returned, or raised."""
        flight = self.hub.flights.here
        if flight is None:
            return
        flight.depth -= 1
        if flight.depth:
            return
        if flight.collecting:
            flight.collecting = False
            self.stop_collecting()
        if flight.exclusion is None and flight.failure is None and not flight.raised:
            flight.take_output(output, self.hub.measure)
            flight.gradient.watch_inside(output)
        self.hub.flights.close(flight)
        self.hub.finish(flight)

    def stop_collecting(self) -> None:
        """End the reading of sites in this thread."""
        if self._reader is not None:
            self._reader.end()

    def _measure(
        self, flight: Flight, args: tuple[Any, ...], kwargs: dict[str, Any], compiled: bool
    ) -> None:
        module = self.module
        assert module is not None
        reader = self._read_sites(module)
        trains = self._mode_matters(module)
        if not (trains or compiled):
            flight.collecting = True
            reader.begin(flight.taker())
            return
        flight.apart = ["train_mode_passes"] * trains + ["compiled_passes"] * compiled
        with untouched(module, (args, kwargs)):
            flight.collecting = True
            reader.begin()
            try:
                # Not `module(...)`: that would be the compiled form.
                run: Callable[..., Any] = module._call_impl
                output = run(*detached(args), **detached(kwargs))
            finally:
                flight.collecting = False
                reader.end()
        flight.take_output(output, self.hub.measure)

    def _read_sites(self, module: nn.Module) -> SiteReader:
        if self._reader is None:
            measure = self.hub.measure
            self._reader = SiteReader(
                module, measure.sites, self._on_site, tap=measure.tap, on_stray=self._on_stray
            )
        structure = self.weights.structure  # empty before the first pass
        if structure and structure != self._structure:
            self._structure = structure
            self._reader.detach()  # a layer was put in another's place
        self._reader.attach()
        return self._reader

    def _mode_matters(self, module: nn.Module) -> bool:
        if not (module.training or any(map(_TRAINS, self.weights.parts))):
            return False
        if self._depends is None:
            self._depends = depends_on_mode(module)
        return self._depends

    def _on_site(self, site: Site, tensor: Tensor) -> None:
        flight = self.hub.flights.here
        if flight is not None and flight.collecting and flight.owner is self:
            if not flight.visited:
                flight.gradient.watch_inside(tensor)
            flight.take_site(site, tensor, self.hub.measure)

    def _on_stray(self, site: Site) -> None:
        if not self.hub.resting and self.hub.flights.here is None and not measuring_apart():
            self.hub.partial(self.hub.measure.sites.index(site))


class BeforeHook(InertHook):
    """Forward pre-hook at the root.

    Attributes:
        watch: Whose hook it is.
        compiled: Set when the module runs inside a compiled graph. Dynamo traces this hook, keeps
            nothing but the assignment, and repeats that at every execution, without a graph break.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.compiled = False

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Begin a pass."""
        if torch.compiler.is_compiling():
            self.compiled = True
            return
        self.watch.begin(args, kwargs)


class AfterHook(InertHook):
    """Forward hook at the root, called whether or not the forward raises."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        """End a pass."""
        if not torch.compiler.is_compiling():
            self.watch.end(output)
