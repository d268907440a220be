"""Sites as data: which tensor of a forward pass holds a layer's neurons, and how it is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pytest_deepimportance.errors import LayerError, did_you_mean
from pytest_deepimportance.formatting import listed


@dataclass(frozen=True)
class Reading:
    """How a site's tensor is found again in a later forward pass.

    Attributes:
        via: "module": the output of a module call. "function": the result of a functional call.
        module: Qualified name of the module hooked (via module), or of the innermost module in
            whose forward the function is called (via function); "" is the root.
        call: Number of the module's call within one pass, from 0.
        function: Name of the functional activation in `models.functions` (via module: applied to a
            copy of the module's output; via function: the call that is caught), or None.
        occurrence: Via function: number of this function's call within that module call, from 0.
            Only calls that return a floating tensor of two or more dimensions are numbered.
        arguments: Of the function, after its tensor, as (name, value) pairs (a leaky slope).
        item: Which item of the module's output, where that is a tuple: 0 for recurrent layers.
    """

    via: str
    module: str
    call: int = 0
    function: str | None = None
    occurrence: int = 0
    arguments: tuple[tuple[str, Any], ...] = ()
    item: int | None = None


_NON_NEGATIVE = ("relu", "relu6")
"""Activations that are never below 0."""


@dataclass(frozen=True)
class Site:
    """One measured layer.

    Attributes:
        name: Name of the producing module (`fc2`, `conv1#1` for its second call), or of the
            activation where the site lies after a residual add or several producers feed it.
        aliases: Other names accepted for it.
        type: Class of the producing module, such as "Linear".
        units: Number of neurons U.
        channel_axis: Axis of the neurons in the tensor (1 for convolutions, -1 for [N, T, D]).
        row_axis: Axis of the inputs, 0 but for layouts such as [T, N, D].
        reading: Where the neurons are read by default (tap "post").
        pre_reading: Where they are read with tap "pre".
        graph_reading: Where the very tensor of the pass is found when `reading` recomputes it from
            a module's output; None where `reading` already finds it.
        activation: The activation that the reading lies after, or None.
        function: What that computes, such as "relu"; None where it is more than one function.
        flags: "branches", "no activation", "shared", "reused", ...
        is_output: Whether this is the output layer (never a candidate for importance).
        rows_are_inputs: False where the layer's rows are not the inputs (region heads).
        feeders: Names of all producers of this tensor.
    """

    name: str
    aliases: tuple[str, ...]
    type: str
    units: int
    channel_axis: int
    reading: Reading
    pre_reading: Reading
    activation: str | None = None
    flags: tuple[str, ...] = ()
    is_output: bool = False
    rows_are_inputs: bool = True
    feeders: tuple[str, ...] = ()
    row_axis: int = 0
    graph_reading: Reading | None = None
    function: str | None = None

    def non_negative(self, tap: str) -> bool:
        """Whether nothing that is read here can be below 0."""
        return tap == "post" and self.function in _NON_NEGATIVE


@dataclass(frozen=True)
class Unmeasured:
    """A module that looks like a layer but cannot be measured, and why."""

    name: str
    type: str
    reason: str


@dataclass(frozen=True)
class SiteMap:
    """All sites of a model in execution order.

    Attributes:
        sites: In execution order, the output layer included (flagged).
        unmeasured: What cannot be measured and why.
        default: Name of the last hidden site, None when there is none.
        output_activation: "softmax", "log_softmax" or "sigmoid" when the model ends in one.
        notes: Sentences for the report.
    """

    sites: tuple[Site, ...]
    unmeasured: tuple[Unmeasured, ...] = ()
    default: str | None = None
    output_activation: str | None = None
    notes: tuple[str, ...] = ()

    def candidates(self) -> tuple[Site, ...]:
        """Return the sites that may hold important neurons: hidden, one row per input."""
        return tuple(s for s in self.sites if not s.is_output and s.rows_are_inputs)

    def hidden(self) -> tuple[Site, ...]:
        """Return the candidates.

        Raises:
            LayerError: There is none.
        """
        found = self.candidates()
        if not found:
            raise self._none_hidden()
        return found

    @property
    def no_default(self) -> str:
        """Why no layer is the default, and which can be named; empty where one is."""
        if self.default is not None or not self.sites:
            return ""
        if self.candidates():
            return (
                f"no hidden layer leads to the output (there are {self._listed(self.candidates())})"
            )
        return f"the model has no hidden layer (only {self._listed(self.sites)})"

    @staticmethod
    def _listed(sites: tuple[Site, ...]) -> str:
        return listed([site.name for site in sites], 4)

    def find(self, layer: str | int | None) -> Site:
        """Return the site named by `layer`: a name, an alias, an index, or None for the default.

        An index is that of `sites`, as they are listed; -1 is the last of the candidates.

        Raises:
            LayerError: There is no such layer; the message lists the nearest names.
        """
        if layer is None:
            layer = self.default
        if layer is None:
            raise self._none_hidden()
        text = str(layer)
        for site in self.sites:
            if text == site.name or text in site.aliases:
                return site
        if text.lstrip("-").isdigit():
            pool = self.candidates() if text.startswith("-") else self.sites
            if -len(pool) <= int(text) < len(pool):
                return pool[int(text)]
            raise LayerError(
                f"layer index {text} is outside 0..{len(self.sites) - 1}",
                fix="List the layers with: deepimportance layers MODEL",
            )
        for other in self.unmeasured:
            if text == other.name:
                raise LayerError(f"layer {text!r} cannot be measured: {other.reason}")
        known = [name for site in self.sites for name in (site.name, *site.aliases)]
        hint = did_you_mean(text, known) or f"layers: {', '.join(s.name for s in self.sites[:12])}"
        raise LayerError(f"the model has no layer {text!r}", fix=hint)

    def _none_hidden(self) -> LayerError:
        lists = "'deepimportance layers MODEL' lists what was found and what was left out."
        name = "Name a layer with --idc-layer. " if self.sites else ""
        what = self.no_default or "the model has no hidden layer that can be measured"
        if self.candidates():
            return LayerError(
                what,
                "The default is the last hidden layer before the output layer.",
                name + lists,
            )
        missed = [f"{item.name}: {item.reason}" for item in self.unmeasured]
        why = "Measured are Linear and convolution modules; functions such as F.linear are not."
        if self.sites:
            why = (
                "The output layer is never a candidate for importance: its neurons are the scores "
                f"that importance explains. {why}"
            )
        if missed:
            what += f"\nnot measured: {listed(missed, 3, joint='; ')}"
        return LayerError(what, why, name + lists)

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SiteMap:
        """Rebuild a site map from `to_json` data."""
        from pytest_deepimportance.plaindata import rebuild

        result = rebuild(cls, data)
        assert isinstance(result, SiteMap)
        return result
