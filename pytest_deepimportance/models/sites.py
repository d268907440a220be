"""Find what is measured in a model: one traced pass, then the rule of `models.taps`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from torch import nn

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.models.graph import Graph, Operation, Value
from pytest_deepimportance.models.probe import probe
from pytest_deepimportance.models.readings import (
    activation_name,
    function_reading,
    functional_names,
    reading_of,
)
from pytest_deepimportance.models.sitemap import Reading, Site, SiteMap
from pytest_deepimportance.models.steps import COPIES, LAYOUTS
from pytest_deepimportance.models.taps import LAYERS, Tap, tap_of
from pytest_deepimportance.models.unmeasured import makes_neurons, unmeasured

_FINAL = ("softmax", "log_softmax", "sigmoid")


def find_sites(model: nn.Module, call: ModelCall) -> SiteMap:
    """Find the layers of `model` that can be measured and where their neurons are read.

    Two rows of `call` go through the model in eval mode without gradients; modes, hooks, buffers
    and random state are as before afterwards.

    Args:
        model: Any eager module.
        call: Inputs that the model accepts.

    Raises:
        LayerError: The model's forward raises on these inputs.
    """
    graph = probe(model, call)
    taps = [
        tap_of(graph, layer)
        for layer in graph.calls
        if isinstance(layer.module, LAYERS) and layer.output is not None and layer.output.floating
    ]
    last, output_activation = _output_layer(graph)
    groups: dict[Value, list[Tap]] = {}
    for tap in taps:
        groups.setdefault(tap.spot.value, []).append(tap)
    names = functional_names(graph)
    ordered = sorted(groups.items(), key=lambda item: item[0].order)
    sites = [_site(graph, group, names, last) for _, group in ordered]
    sites = _unique_names(sites)
    reaching = graph.ancestors(_inputs_of(graph, last))
    default = None
    for site, (value, _) in zip(sites, ordered, strict=True):
        if value in reaching and site.rows_are_inputs and not site.is_output:
            default = site.name
    return SiteMap(
        tuple(sites), unmeasured(graph), default, output_activation, _notes(graph, sites, default)
    )


def _site(graph: Graph, group: list[Tap], names: dict[Operation, str], last: Value | None) -> Site:
    tap, spot = group[0], group[0].spot
    layers = [item.layer for item in group]
    labels = [layer.label or _kind(layer.module) for layer in layers]
    activation = _activation_name(graph, tap, names)
    merged = tap.added or len(group) > 1
    name = activation if merged and activation else labels[0]
    others = [*labels, *([activation] if activation else []), *_other_names(graph, labels)]
    reading = reading_of(graph, spot.value)
    producer = spot.value.producer
    recomputed = reading.via == "module" and reading.function is not None
    axis = spot.axis if spot.axis < len(spot.value.shape) - 1 else -1
    return Site(
        name=name,
        aliases=tuple(dict.fromkeys(other for other in others if other != name)),
        type=_kind(layers[0].module),
        units=spot.value.shape[spot.axis],
        channel_axis=axis,
        reading=reading,
        pre_reading=reading_of(graph, tap.before),
        activation=activation,
        flags=_flags(group),
        is_output=last is not None and any(item.layer.output is last for item in group),
        rows_are_inputs=spot.rows is not None,
        feeders=tuple(labels),
        row_axis=spot.rows or 0,
        graph_reading=function_reading(producer) if recomputed and producer else None,
    )


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


def _activation_name(graph: Graph, tap: Tap, names: dict[Operation, str]) -> str | None:
    if tap.activation is None:
        return None
    return activation_name(graph, tap.activation.result, tap.activation.operation, names)


def _kind(module: nn.Module) -> str:
    return type(module).__name__.removeprefix("Parametrized")


def _other_names(graph: Graph, labels: list[str]) -> Iterable[str]:
    """Yield the further names of a layer registered under several."""
    first = {id(module): name for name, module in graph.root.module.named_modules()}
    for name, module in graph.root.module.named_modules(remove_duplicate=False):
        if name != first[id(module)] and first[id(module)] in labels:
            yield name


def _unique_names(sites: list[Site]) -> list[Site]:
    """Keep names and aliases unambiguous: a name wins over an alias, the first alias over later."""
    taken = Counter(site.name for site in sites)
    result = []
    for site in sites:
        aliases = tuple(alias for alias in site.aliases if taken[alias] == 0)
        taken.update(aliases)
        result.append(replace(site, aliases=aliases))
    return result


def _output_layer(graph: Graph) -> tuple[Value | None, str | None]:
    """Return the output of the last layer whose tensor becomes the model's output.

    Also the final softmax, log_softmax or sigmoid, if the way there crosses only that and
    operations that arrange.
    """
    if graph.primary is None:
        return None, None
    made = {
        call.output: call
        for call in graph.calls
        if isinstance(call.module, LAYERS) and call.output is not None
    }
    value, final, plain = graph.primary, None, True
    while value not in made:
        op = value.producer
        if op is None or makes_neurons(op):
            return (value if op is not None else None), final
        if plain and final is None and op.function in _FINAL:
            final = op.function
        plain = plain and op.function in (*_FINAL, *COPIES, *LAYOUTS)
        signals = [v for v in op.inputs if v.depends]
        if not signals:
            return None, final
        value = signals[0] if len(signals) == 1 else max(signals, key=lambda v: v.order)
    return value, final


def _inputs_of(graph: Graph, last: Value | None) -> list[Value]:
    """Return what the output layer takes, or the model's output where there is no such layer."""
    if last is None or last.producer is None:
        return [] if graph.primary is None else [graph.primary]
    for call in graph.calls:
        if call.output is last and isinstance(call.module, LAYERS):
            return call.inputs
    return last.producer.inputs


def _notes(graph: Graph, sites: list[Site], default: str | None) -> tuple[str, ...]:
    notes = []
    if any(op.function == "opaque" for op in graph.operations):
        notes.append("part of the model computes out of torch's sight; layers inside are not seen")
    if sites and default is None:
        notes.append("no hidden layer leads to the output; name one with --idc-layer")
    return tuple(notes)


__all__ = ["Reading", "find_sites"]
