"""What captum is given instead of the user's model: a module of ours that runs it.

captum's layer methods put hooks on a module and attribute to what it returns. Ours are a junction,
which is handed the very tensors of all measured sites at once (so one pass of captum attributes
every layer), and a tap at each site, whose output captum may replace. Hooks never lie on a module
of the user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pytest_deepimportance.data.batches import ModelCall, is_row_list
from pytest_deepimportance.errors import AttributionError, MethodUnavailable
from pytest_deepimportance.models.sitemap import Site
from pytest_deepimportance.recording.reader import SiteReader

Run = Callable[[nn.Module, ModelCall, Tensor, SiteReader | None], Tensor]
"""Model, call, the chosen class of each row, what reads the pass -> one number a row (N,)."""


class Arguments:
    """A call taken apart into tensors that captum may repeat, and put together again.

    Attributes:
        signals: Floating inputs, which paths of interpolated inputs go through.
        extras: Other tensors with a row for each input: token ids, masks, lengths.
        lists: Whether an argument is a list of one tensor for each input.
    """

    def __init__(self, call: ModelCall) -> None:
        self._call = call
        self.signals: tuple[Tensor, ...] = ()
        self.extras: tuple[Tensor, ...] = ()
        self._keys: dict[str, list[int | str]] = {"signals": [], "extras": []}
        pairs: list[tuple[int | str, Any]] = [*enumerate(call.args), *call.kwargs.items()]
        self.lists = any(is_row_list(value, call.rows) for _, value in pairs)
        for key, value in pairs:
            if not isinstance(value, Tensor) or not value.dim() or len(value) != call.rows:
                continue
            signal = value.is_floating_point() and not _is_mask(key)
            kind = "signals" if signal else "extras"
            self._keys[kind].append(key)
            setattr(self, kind, (*getattr(self, kind), value.detach()))

    def call(self, signals: Sequence[Tensor], extras: Sequence[Tensor]) -> ModelCall:
        """Return the call with other tensors, of any number of rows.

        Raises:
            MethodUnavailable: The number of rows is another one, and lists cannot follow.
        """
        rows = len((*signals, *extras)[0]) if signals or extras else self._call.rows
        if rows != self._call.rows and self.lists:
            raise MethodUnavailable(
                "the model takes a list of tensors, one for each input",
                "captum repeats inputs along a path, and a list cannot be repeated.",
                "Use lrp, activation, gradient-x-activation or grad-cam.",
            )
        args, kwargs = list(self._call.args), dict(self._call.kwargs)
        keys = (*self._keys["signals"], *self._keys["extras"])
        for key, value in zip(keys, (*signals, *extras), strict=True):
            if isinstance(key, int):
                args[key] = value
            else:
                kwargs[key] = value
        return ModelCall(tuple(args), kwargs, None, rows)


def _is_mask(key: int | str) -> bool:
    return isinstance(key, str) and any(word in key for word in ("mask", "length"))


class Junction(nn.Module):
    """Returns the tensors of all sites: captum hooks it and takes gradients there."""

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors themselves."""
        return tensors


class Tapped(nn.Module):
    """Runs a model and returns one number a row, with every measured site within captum's reach.

    A site's tensor is turned so that inputs come first and neurons second, (N, U, ...).

    Args:
        model: Any eager module.
        sites: In network order.
        tap: As for recording.
        run: Runs the model and turns its output into what is attributed.
        no_path: Makes the error for a target that no gradient leads back from.
        attribute_inputs: Hand the inputs to the junction too, after the sites.

    Attributes:
        junction: Hooked by methods that read the sites.
        taps: By site name; hooked by methods that replace a site's tensor.
        target: What the last pass returned, detached (N,).
        read: What its junction was handed.
        dimensions: Of each site's tensor.
        used: Sites whose tensor, as handed on, a gradient came back from.
        overwritten: Sites whose tensor had been written into before it was read.
    """

    def __init__(
        self,
        model: nn.Module,
        sites: Sequence[Site],
        tap: str,
        run: Run,
        no_path: Callable[[], AttributionError],
        attribute_inputs: bool = False,
    ) -> None:
        super().__init__()
        self._hidden = (model,)  # in a tuple: no submodule, so captum finds none of the user's
        self.junction = Junction()
        self._names = [site.name for site in sites]
        self._taps = nn.ModuleList(nn.Identity() for _ in sites)
        self.taps = dict(zip(self._names, self._taps, strict=True))
        self._reader = SiteReader(model, sites, self._on_site, tap=tap, in_graph=True)
        self._run, self._no_path = run, no_path
        self._attribute_inputs = attribute_inputs
        self._found: dict[str, Tensor] = {}
        self._with_gradients = True  # a part of the forward may switch them off
        self.used: set[str] = set()
        self.overwritten: set[str] = set()
        self.arguments: Arguments | None = None
        self.target = torch.empty(0)
        self.read: tuple[Tensor, ...] = ()
        self.dimensions: dict[str, int] = {}

    def forward(self, *values: Tensor) -> Tensor:
        """Run the model.

        Args:
            *values: Signals, extras, and the chosen class of each row.

        Raises:
            AttributionError: A site was not reached, or no gradient leads back from the target.
        """
        assert self.arguments is not None
        count = len(self.arguments.signals)
        signals, extras, classes = values[:count], values[count:-1], values[-1]
        if self._attribute_inputs:
            signals = tuple(signal.detach().requires_grad_() for signal in signals)
        # Clones: a forward may write into its inputs, which autograd refuses for leaves.
        call = self.arguments.call([s.clone() for s in signals], [e.clone() for e in extras])
        self._found = {}
        self._with_gradients = torch.is_grad_enabled()
        target = self._run(self._hidden[0], call, classes, self._reader)
        self.target = target.detach()
        if torch.is_grad_enabled() and not target.requires_grad:
            raise self._no_path()
        self.read = tuple(self._tensor(name) for name in self._names)
        if self._attribute_inputs:
            self.read += signals
        self.junction(*self.read)
        joined: Tensor = _Joined.apply(target, *self.read)
        return joined

    def forget(self) -> None:
        """Let go of the tensors of the last pass."""
        self._found, self.read = {}, ()

    def _tensor(self, name: str) -> Tensor:
        if name not in self._found:
            raise AttributionError(
                f"layer {name!r} was not reached by an input that captum made",
                "The model takes another way for inputs between baseline and input.",
                "Use a method that needs no such inputs: lrp or gradient-x-activation.",
            )
        return self._found[name]

    def _on_site(self, site: Site, tensor: Tensor) -> Tensor | None:
        if site.name in self._found:
            return None
        if tensor.is_nested:
            raise MethodUnavailable(
                f"layer {site.name!r} gives a nested tensor",
                "captum's methods need one tensor of equal rows.",
            )
        version = tensor._version
        with torch.set_grad_enabled(self._with_gradients):
            if self._with_gradients and not tensor.requires_grad:
                tensor = tensor.detach().clone().requires_grad_()  # the graph begins here
            kept = self.taps[site.name](rows_first(tensor, site))
            self._found[site.name] = kept
            self.dimensions[site.name] = kept.dim()
            if version:
                self.overwritten.add(site.name)
            # A clone: what the model writes into later must not reach what captum reads.
            handed_on = rows_first_undone(kept, site).clone()
            if handed_on.requires_grad:
                handed_on.register_hook(lambda _: self.used.add(site.name))  # type: ignore[no-untyped-call]
            return handed_on


def rows_first(tensor: Tensor, site: Site) -> Tensor:
    """Return a site's tensor as (N, U, ...)."""
    axes = _axes(tensor.dim(), site)
    return tensor if axes is None or axes == (0, 1) else tensor.movedim(axes, (0, 1))


def rows_first_undone(tensor: Tensor, site: Site) -> Tensor:
    """Return the tensor of `rows_first` in its own order of axes again."""
    axes = _axes(tensor.dim(), site)
    return tensor if axes is None or axes == (0, 1) else tensor.movedim((0, 1), axes)


def _axes(dimensions: int, site: Site) -> tuple[int, int] | None:
    rows, units = site.row_axis % dimensions, site.channel_axis % dimensions
    return None if dimensions < 2 or rows == units else (rows, units)


class _Joined(torch.autograd.Function):
    """The target, with a path to every site: one that leads nowhere gets zeros, not an error."""

    @staticmethod
    def forward(ctx: Any, target: Tensor, *tensors: Tensor) -> Tensor:
        ctx.like = [(t.shape, t.dtype, t.device) for t in tensors]
        return target.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        zeros = [torch.zeros((), dtype=d, device=v).expand(s) for s, d, v in ctx.like]
        return gradient, *zeros
