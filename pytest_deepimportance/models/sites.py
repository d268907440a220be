"""Find what is measured in a model: one traced pass, then the rule of `models.taps`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import chain
from typing import Any

from torch import nn

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.models.graph import Graph, Value
from pytest_deepimportance.models.layers import layer_calls
from pytest_deepimportance.models.probe import probe
from pytest_deepimportance.models.readings import (
    activation_name,
    function_reading,
    functional_names,
    reading_of,
)
from pytest_deepimportance.models.sitemap import Site, SiteMap
from pytest_deepimportance.models.steps import COPIES, LAYOUTS
from pytest_deepimportance.models.taps import Tap, tap_of
from pytest_deepimportance.models.unmeasured import makes_neurons, unmeasured

_FINAL = ("softmax", "log_softmax", "sigmoid")


def find_sites(
    model: nn.Module, call: ModelCall, output: Callable[[Any], Any] | None = None
) -> SiteMap:
    """Find the layers of `model` that can be measured and where their neurons are read.

    Two rows of `call` go through the model in eval mode without gradients; modes, hooks, buffers
    and random state are as before afterwards.

    Args:
        model: Any eager module.
        call: Inputs that the model accepts.
        output: Callable that turns its output into class scores, which decide what the output
            layer is; where it is None and there is a choice, a note says what is taken.

    Raises:
        BatchError: The callable fails.
        LayerError: The model's forward raises on these inputs.
    """
    graph = probe(model, call, output)
    try:
        return _Finder(graph).site_map()
    finally:
        graph.release()


class _Finder:
    """The rule applied to every layer of one traced pass."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._layers = layer_calls(graph)
        self._made = {call.output: call for call in self._layers}
        self._names = functional_names(graph)
        self._second_names = _second_names(graph)
        self._last, self._output_activation = self._output_layer()

    def site_map(self) -> SiteMap:
        """Return all sites in execution order and what cannot be measured."""
        graph = self._graph
        groups: dict[Value, list[Tap]] = {}
        for layer, kind in self._layers.items():
            tap = tap_of(graph, layer, kind)
            groups.setdefault(tap.spot.value, []).append(tap)
        ordered = sorted(groups.items(), key=lambda item: item[0].order)
        sites = _unique_names([self._site(group) for _, group in ordered])
        reaching = graph.ancestors(self._output_inputs())
        default = None
        for site, (value, group) in zip(sites, ordered, strict=True):
            if _reaches(value, group, reaching) and site.rows_are_inputs and not site.is_output:
                default = site.name
        return SiteMap(
            tuple(sites),
            unmeasured(graph, self._layers),
            default,
            self._output_activation,
            _notes(graph),
        )

    def _site(self, group: list[Tap]) -> Site:
        graph, tap, spot = self._graph, group[0], group[0].spot
        labels = [item.layer.label or item.kind for item in group]
        activation, op = None, None
        if tap.activation is not None:
            result, op = tap.activation.result, tap.activation.operation
            activation = activation_name(graph, result, op, self._names)
        merged = tap.added or len(group) > 1
        name = activation if merged and activation else labels[0]
        others = [*labels, *([activation] if activation else [])]
        others += [other for label in labels for other in self._second_names.get(label, ())]
        reading = reading_of(graph, spot.value)
        recomputed = reading.via == "module" and reading.function is not None
        producer = spot.value.producer
        return Site(
            name=name,
            aliases=tuple(dict.fromkeys(other for other in others if other != name)),
            type=tap.kind,
            units=spot.value.shape[spot.axis],
            channel_axis=spot.axis if spot.axis < len(spot.value.shape) - 1 else -1,
            reading=reading,
            pre_reading=reading_of(graph, tap.before),
            activation=activation,
            function=op.function if op is not None else None,
            flags=_flags(group),
            is_output=any(item.layer.output is self._last for item in group),
            rows_are_inputs=spot.rows is not None,
            feeders=tuple(labels),
            row_axis=spot.rows or 0,
            graph_reading=function_reading(producer) if recomputed and producer else None,
        )

    def _output_layer(self) -> tuple[Value | None, str | None]:
        """Return the output of the last layer whose tensor becomes the model's output.

        Also the final softmax, log_softmax or sigmoid, if the way there crosses only that and
        operations that arrange.
        """
        value, final, plain = self._graph.primary, None, True
        while value is not None and value not in self._made:
            op = value.producer
            if op is None or makes_neurons(op):
                return (None if op is None else value), final
            if plain and final is None and op.function in _FINAL:
                final = op.function
            plain = plain and op.function in (*_FINAL, *COPIES, *LAYOUTS)
            # Where a token is picked, its position depends on the inputs too, but is no signal.
            signals = [item for item in op.inputs if item.depends and item.floating]
            value = max(signals, key=lambda item: item.order, default=None)
        return value, final

    def _output_inputs(self) -> list[Value]:
        """Return what the output layer takes, or the output where there is no such layer."""
        if self._last is None:
            return [] if self._graph.primary is None else [self._graph.primary]
        if self._last in self._made:
            return self._made[self._last].inputs
        return [] if self._last.producer is None else self._last.producer.inputs


def _reaches(value: Value, group: list[Tap], reaching: AbstractSet[Value]) -> bool:
    """Whether a site leads to the output; a recurrent layer also does by its last states."""
    own = [call.outputs for call in (tap.layer for tap in group) if call.output is value]
    return not reaching.isdisjoint([value, *chain(*own)])


def _flags(group: list[Tap]) -> tuple[str, ...]:
    tap = group[0]
    flags = {
        "branches": tap.activation is not None and tap.activation.branches,
        "no activation": tap.activation is None,
        "shared": len(group) > 1,
        "residual": tap.added,
        "reused": any(item.layer.number > 0 for item in group),
    }
    return tuple(name for name, is_set in flags.items() if is_set)


def _second_names(graph: Graph) -> dict[str, list[str]]:
    """Return the further names of modules registered under several, by the first."""
    first = {id(module): name for name, module in graph.root.module.named_modules()}
    found: dict[str, list[str]] = {}
    for name, module in graph.root.module.named_modules(remove_duplicate=False):
        if name != first[id(module)]:
            found.setdefault(first[id(module)], []).append(name)
    return found


def _unique_names(sites: list[Site]) -> list[Site]:
    """Keep names and aliases unambiguous: a name wins over an alias, the first alias over later."""
    taken = Counter(site.name for site in sites)
    result = []
    for site in sites:
        aliases = tuple(alias for alias in site.aliases if taken[alias] == 0)
        taken.update(aliases)
        result.append(replace(site, aliases=aliases))
    return result


def _notes(graph: Graph) -> tuple[str, ...]:
    notes = [graph.choice] if graph.choice else []
    if any(op.function == "opaque" for op in graph.operations):
        notes.append("part of the model computes out of torch's sight; layers inside are not seen")
    return tuple(notes)
