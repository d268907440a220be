"""Combination spaces of a profile: important neurons, their clusters, the reference's counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.clustering.combinations import CombinationSpace
from pytest_deepimportance.clustering.kmeans import cluster_activations
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.errors import SettingsError, did_you_mean
from pytest_deepimportance.profile.accumulate import Accumulated
from pytest_deepimportance.settings import CLUSTERED_NEURONS, Settings
from pytest_deepimportance.statistics.combination_counts import CombinationCounts


def class_filters(
    found: Accumulated, settings: Settings, names: Sequence[str]
) -> Sequence[int | None]:
    """Return the classes to measure by themselves, or [None] for all classes together.

    Raises:
        SettingsError: The reference has no labels, or no such class.
    """
    if settings.classes == "all":
        return [None]
    present = [int(label) for label in np.unique(found.labels) if label != UNKNOWN]
    if not present:
        raise SettingsError(
            f"classes = {settings.classes} needs a reference with labels",
            fix="Give (inputs, labels) as the reference, or use --idc-classes all.",
        )
    if settings.classes == "each":
        return present
    wanted = settings.classes
    if wanted in names:
        return [list(names).index(wanted)]
    if wanted.isdigit() and int(wanted) in present:
        return [int(wanted)]
    known = [*names, *map(str, present)]
    hint = did_you_mean(wanted, known) or f"classes: {', '.join(known)}"
    raise SettingsError(f"the reference has no class {wanted!r}", fix=hint)


def spaces_of(
    scores: Importance,
    found: Accumulated,
    rows: NDArray[np.bool_],
    label: tuple[int | None, str],
    settings: Settings,
) -> Iterator[tuple[CombinationSpace, CombinationCounts]]:
    """Yield the spaces of one class (or of all) with the reference's counts.

    Args:
        scores: Importance that chooses the neurons.
        rows: Which usable reference rows belong here, (R,).
        label: Class index (None for all) and class name.
    """
    groups: list[tuple[str | None, list[str]]] = [(name, [name]) for name in scores.scores]
    if settings.scope == "global":
        groups = [(None, list(scores.scores))]
    for layer, layers in groups:
        top = scores.top(settings.clustered, layers=layers, normalize=settings.normalize)
        values = _values(found, [(name, index) for name, index, _ in top])
        fitted = rows & found.fitted
        clusterings = tuple(
            cluster_activations(
                column[fitted],
                settings.k,
                k_range=settings.k_range,
                min_values=settings.min_values,
                zeros=settings.zeros,
            )
            for column in values
        )
        space = CombinationSpace(
            name=(layer or "global") + ("" if label[0] is None else f":{label[0]}"),
            scope="global" if layer is None else "layer",
            layer=layer,
            class_index=label[0],
            neurons=tuple((name, index) for name, index, _ in top),
            scores=tuple(score for _, _, score in top),
            clusterings=clusterings,
            m=min(CLUSTERED_NEURONS, len(top)),
            m_from="",
            class_name=label[1],
        )
        yield space, _count(space, values, found, rows, settings)


def _values(found: Accumulated, neurons: Sequence[tuple[str, int]]) -> list[NDArray[np.floating]]:
    """Return the reference activations of each neuron, reading each layer's spool once."""
    wanted: dict[str, list[int]] = {}
    for layer, index in neurons:
        wanted.setdefault(layer, []).append(index)
    columns = {layer: found.spools[layer].columns(indices) for layer, indices in wanted.items()}
    return [columns[layer][:, wanted[layer].index(index)] for layer, index in neurons]


def _count(
    space: CombinationSpace,
    values: Sequence[NDArray[np.floating]],
    found: Accumulated,
    rows: NDArray[np.bool_],
    settings: Settings,
) -> CombinationCounts:
    codes = np.empty((int(rows.sum()), len(space.neurons)), dtype=np.uint8)
    for position, (column, clustering) in enumerate(zip(values, space.clusterings, strict=True)):
        codes[:, position] = clustering.assign(column[rows])
    classes = np.where(found.labels != UNKNOWN, found.labels, found.predictions)[rows]
    return CombinationCounts.from_rows(
        codes, classes, found.fitted[rows], None if settings.no_samples else found.index[rows]
    )
