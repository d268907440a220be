"""What a selector learns from, gathered from a model: features of inputs, gains of methods."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.analysis.selector_rows import SelectorRows
from pytest_deepimportance.attribution.method_settings import method_settings
from pytest_deepimportance.attribution.voting import vote
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.opening import output_adapter
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.profile.forward import ForwardOnly
from pytest_deepimportance.settings import Settings

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Features:
    """Values of the last hidden layer, row by row.

    Attributes:
        values: (N, D). labels, predictions: (N,), -1 where unknown. digests: (N,), equal for equal
            inputs.
        layer: The layer they are read from.
    """

    values: NDArray[np.float64]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    digests: NDArray[np.uint64]
    layer: str


@dataclass(frozen=True)
class Gathered:
    """Features and gains of N inputs.

    Attributes:
        gains: By layer ("" for all layers together), (N, A).
        left_out: Methods that could not run, with the reason.
    """

    features: Features
    methods: tuple[str, ...]
    gains: dict[str, NDArray[np.float64]]
    left_out: dict[str, str]

    def rows(self) -> SelectorRows:
        """Return what a selector is fitted on: one row for each input and layer."""
        layers = [name for name in self.gains if name]
        count, inputs = max(1, len(layers)), len(self.features.digests)
        return SelectorRows.checked(
            np.tile(self.features.values, (count, 1)),
            np.concatenate(list(self.gains.values())),
            self.methods,
            [name for name in layers for _ in range(inputs)] or None,
            np.tile(self.features.digests, count),
            np.tile(self.features.predictions, count),
        )


def read_features(
    model: nn.Module, data: Reference, settings: Settings, progress: Progress | None = None
) -> Features:
    """Read the values of the last hidden layer.

    Raises:
        LayerError: The model has no hidden layer.
        AttributionError: A value is not finite.
    """
    model = eager(model)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    reader: ForwardOnly | None = None
    layer, batches, done = "", [], 0
    for call in data.batches(settings.batch_size):
        call = call.to(device)
        if reader is None:
            sites = find_sites(model, call, output_adapter(settings))
            layer, reader = sites.find(None).name, _reader(model, sites, settings)
        batches.append(reader.attribute(call).activations)
        done += call.rows
        if progress is not None:
            progress(done, data.rows)
    values = np.concatenate([batch.array(layer) for batch in batches]).astype(np.float64)
    if not np.isfinite(values).all():
        raise AttributionError(
            f"{int((~np.isfinite(values).all(axis=1)).sum())} of {len(values)} inputs have values "
            f"of {layer} that are not finite",
            "A selector reads these values.",
            "Leave these inputs out.",
        )
    return Features(
        values,
        np.concatenate([batch.labels for batch in batches]),
        np.concatenate([batch.predictions for batch in batches]),
        np.concatenate([batch.digests for batch in batches]),
        layer,
    )


def _reader(model: nn.Module, sites: SiteMap, settings: Settings) -> ForwardOnly:
    return ForwardOnly(
        model,
        sites,
        [sites.find(None).name],
        tap=settings.tap,
        reduce=settings.reduce,
        output=output_adapter(settings),
    )


def gather(
    model: nn.Module,
    data: Reference,
    methods: Sequence[str],
    m: int | None,
    settings: Settings,
    *,
    layers: Sequence[str] | None = None,
    by_layer: bool = False,
    progress: Progress | None = None,
) -> Gathered:
    """Let the methods' neurons be pruned input by input, and keep what the model loses.

    Args:
        methods: Names; one that cannot run is left out.
        m: Neurons that each method may prune for an input, None for all.
        layers: Where they are looked for; None: every hidden layer.
        by_layer: Ask for each layer by itself.

    Raises:
        AttributionError: Fewer than two methods can run, or a row's loss is not finite.
        LayerError: No such layer.
    """
    model = eager(model)
    features = read_features(model, data, settings)
    sites = find_sites(model, next(iter(data.batches(2))), output_adapter(settings))
    names = [site.name for site in sites.hidden()]
    if layers is not None:
        wanted = {sites.find(layer).name for layer in layers}
        names = [name for name in names if name in wanted]
    questions = [[name] for name in names] if by_layer else [names]
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    left_out: dict[str, str] = {}
    rows = len(features.digests)
    for number, question in enumerate(questions):
        told = None
        if progress is not None:
            told = functools.partial(_shifted, progress, number * rows, len(questions) * rows)
        gains, failed = _gains(model, data, methods, m, settings, question, told)
        found[question[0] if by_layer else ""] = gains
        left_out |= failed
    able = tuple(name for name in _common(found) if name not in left_out)
    if len(able) < 2:
        raise AttributionError(
            f"only {len(able)} of the methods can run on every layer asked for"
            + "".join(f"; {name}: {reason}" for name, reason in left_out.items()),
            "A selector chooses between methods.",
            "Name at least two that can: --method lrp,gradient-x-activation",
        )
    stacked = {key: np.stack([own[name] for name in able], axis=1) for key, own in found.items()}
    return Gathered(features, able, stacked, left_out)


def _shifted(progress: Progress, before: int, total: int, done: int, _: int | None) -> None:
    progress(before + done, total)


def _common(found: dict[str, dict[str, NDArray[np.float64]]]) -> list[str]:
    first = next(iter(found.values()))
    return [name for name in first if all(name in own for own in found.values())]


def _gains(
    model: nn.Module,
    data: Reference,
    methods: Sequence[str],
    m: int | None,
    settings: Settings,
    layers: Sequence[str],
    progress: Progress | None,
) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    """Return each method's gain on every input (N,), in the order they are named."""
    votes = vote(
        model,
        data.batches(settings.batch_size),
        list(methods),
        "all" if m is None else m,
        layers=list(layers),
        mode="winner",
        by="sample",
        target=settings.target,
        seed=settings.seed,
        memory=settings.memory,
        progress=progress,
        output=output_adapter(settings),
        **_of_methods(methods, settings),
    ).votes
    assert votes is not None
    if votes.left_out:
        raise AttributionError(
            f"the loss of {votes.left_out} of {votes.inputs} inputs is not finite",
            "Nothing can be said of the methods there.",
            "Leave these inputs out.",
        )
    # A method that names no neuron for an input prunes nothing: the model loses nothing.
    table = np.array([[0.0 if g is None else g for g in row] for row in votes.gains])
    ran = [method.name for method in votes.methods]
    columns = {name: table[:, at] for at, name in enumerate(ran)}
    return {name: columns[name] for name in methods if name in columns}, dict(votes.failed or {})


def _of_methods(methods: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Return the settings that any of the methods takes; `vote` gives each its own."""
    every: dict[str, Any] = {"tap": settings.tap, "reduce": settings.reduce}
    for method in methods:
        every |= method_settings(method, settings)
    return {name: value for name, value in every.items() if name not in ("target", "seed")}
