"""Importance of neurons: relevance summed over inputs, by layer."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.attribution.base import Conservation, create
from pytest_deepimportance.attribution.target import Target, target_name
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import AttributionError, LayerError, did_you_mean
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.models.sites import find_sites

FORMAT = 1
_COLUMNS = ("LayerName", "NeuronIndex", "Score")


@dataclass(frozen=True, eq=False)
class Importance:
    """Scores of neurons.

    Attributes:
        scores: By layer in network order, float64 (U,): signed relevance summed over rows.
        rows: Inputs summed over.
        method, rule, target: How they were computed; None where a file does not say.
        balance: Share of the target that nothing accounts for (DESIGN D6).
        input_share: Share of the target that the input explains.
        notes: Sentences for the report.
        fingerprint: Of the model; None where a file does not say.
    """

    scores: dict[str, NDArray[np.float64]]
    rows: int = 0
    method: str | None = None
    rule: str | None = None
    target: str | None = None
    balance: float | None = None
    input_share: float | None = None
    notes: tuple[str, ...] = ()
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        scores = {name: np.asarray(s, dtype=np.float64) for name, s in self.scores.items()}
        for name, values in scores.items():
            if values.ndim != 1 or not np.isfinite(values).all():
                raise AttributionError(
                    f"scores of layer {name!r} are not a finite vector: shape {values.shape}, "
                    f"{int((~np.isfinite(values)).sum())} values not finite",
                    "Neurons are ranked by their scores.",
                )
        object.__setattr__(self, "scores", scores)

    def top(
        self, count: int, layers: Sequence[str] | None = None, normalize: str = "layer"
    ) -> list[tuple[str, int, float]]:
        """Return the `count` most important neurons: (layer, index, score as it is stored).

        Descending; equal scores by layer order, then index.

        Args:
            count: How many; all there are if fewer.
            layers: Where to look, None for every layer.
            normalize: "layer" divides each layer's scores by the sum of their absolute values
                before they are compared (it matters across layers only), "none" compares them raw.

        Raises:
            LayerError: There are no scores for a layer.
        """
        names = tuple(self.scores) if layers is None else tuple(layers)
        ranked: list[tuple[float, str, int]] = []
        for name in names:
            scores = self._of(name)
            total = float(np.abs(scores).sum())
            compared = scores / total if normalize == "layer" and total > 0 else scores
            ranked += [(float(value), name, index) for index, value in enumerate(compared)]
        ranked.sort(key=lambda item: -item[0])  # stable: layer order, then index
        chosen = ranked[: max(count, 0)]
        return [(name, index, float(self.scores[name][index])) for _, name, index in chosen]

    def importance_share(self) -> dict[str, float]:
        """Return each layer's part of the sum of all absolute scores."""
        sums = {name: float(np.abs(scores).sum()) for name, scores in self.scores.items()}
        everything = sum(sums.values())
        return {name: value / everything if everything else 0.0 for name, value in sums.items()}

    def _of(self, layer: str) -> NDArray[np.float64]:
        if layer not in self.scores:
            raise LayerError(
                f"there are no importance scores for layer {layer!r}",
                fix=did_you_mean(layer, self.scores) or f"layers: {', '.join(self.scores)}",
            )
        return self.scores[layer]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON-ready data that `from_json` reads back, exactly."""
        data = {**asdict(replace(self, scores={})), "format": FORMAT}
        return {**data, "scores": {name: scores.tolist() for name, scores in self.scores.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Importance:
        """Rebuild from `to_json` data.

        Raises:
            AttributionError: Another format, or fields that are missing or unknown.
        """
        rest = dict(data)
        found = rest.pop("format", None)
        try:
            if found != FORMAT:
                raise ValueError(f"format {found!r}, this version reads {FORMAT}")
            scores = {
                str(name): np.asarray(values, dtype=np.float64)
                for name, values in rest.pop("scores").items()
            }
            return cls(**{**rest, "scores": scores, "notes": tuple(rest.get("notes", ()))})
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise AttributionError(
                f"this is no importance file: {error}",
                fix="Files are written by Importance.to_json and Importance.to_csv.",
            ) from error

    def to_csv(self, path: str | Path) -> None:
        """Write LayerName,NeuronIndex,Score: layers in network order, neurons by index."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for name, scores in self.scores.items():
                writer.writerows((name, index, repr(float(s))) for index, s in enumerate(scores))

    @classmethod
    def from_csv(cls, path: str | Path) -> Importance:
        """Read LayerName,NeuronIndex,Score in any order; the file names no model.

        Raises:
            AttributionError: Missing columns, a malformed or duplicate row, an index left out.
        """
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise _malformed(path, f"it has no column {missing[0]}")
            layers: dict[str, dict[int, float]] = {}
            for number, row in enumerate(table, start=2):
                _read_row(path, number, row, layers)
        scores = {}
        for name, values in layers.items():
            if set(values) != set(range(len(values))):
                absent = next(i for i in range(len(values)) if i not in values)
                raise _malformed(path, f"layer {name!r} has no row for neuron {absent}")
            scores[name] = np.array([values[index] for index in range(len(values))])
        return cls(scores)


def _read_row(
    path: str | Path, number: int, row: Mapping[str, Any], layers: dict[str, dict[int, float]]
) -> None:
    try:
        name, index = str(row["LayerName"]), int(row["NeuronIndex"])
        score = float(row["Score"])
    except (TypeError, ValueError) as error:
        raise _malformed(path, f"line {number}: {error}") from error
    if not math.isfinite(score) or index < 0:
        raise _malformed(path, f"line {number}: neuron {index} with score {score}")
    known = layers.setdefault(name, {})
    if index in known:
        raise _malformed(path, f"line {number}: a second row for neuron {index} of {name!r}")
    known[index] = score


def _malformed(path: str | Path, what: str) -> AttributionError:
    return AttributionError(
        f"importance file {path}: {what}",
        "Each neuron of a layer needs exactly one finite score.",
        f"Expected are the columns {','.join(_COLUMNS)}, neurons numbered from 0.",
    )


def importance(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    layers: Sequence[str] | None = None,
    method: str = "lrp",
    target: Target = "predicted",
    **settings: Any,
) -> Importance:
    """Compute how much each neuron contributed to the model's decisions, summed over all inputs.

    Args:
        model: Any eager module; it is left exactly as it was.
        batches: What the model takes: tensors, (x, y), mappings (see `data.batches.as_call`).
        layers: Names of layers, None for all hidden ones.
        method: Name or alias of an attribution method.
        target: "predicted", "label" (batches then carry labels), a class index, or a callable
            (or "pkg.mod:callable") that makes one number a row of the model's output.
        **settings: tap, reduce, output, and those of the method (`attribution.base.accepted`).

    Raises:
        AttributionError: No batch, or importance could not be computed faithfully.
        LayerError: A layer does not exist.
    """
    calls = (call for call in map(as_call, batches) if call.rows)
    first = next(calls, None)
    if first is None:
        raise AttributionError(
            "there is no input to compute importance from", fix="Give at least one batch."
        )
    sites = find_sites(model, first)
    names = [site.name for site in sites.candidates()] if layers is None else list(layers)
    attribution = create(method, model=model, sites=sites, layers=names, target=target, **settings)
    sums: dict[str, NDArray[np.float64]] = {}
    account, rows = Conservation(), 0
    for call in chain([first], calls):
        batch = attribution.attribute(call)
        account, rows = account + batch.conservation, rows + call.rows
        for name, values in batch.relevance.items():
            summed = values.detach().cpu().numpy().sum(axis=0, dtype=np.float64)
            sums[name] = sums.get(name, 0.0) + summed
    return Importance(
        scores=sums,
        rows=rows,
        method=attribution.name,
        rule=getattr(attribution, "rule", None),
        target=target_name(target),
        balance=account.balance,
        input_share=account.input_share,
        notes=(*sites.notes, *attribution.notes),
        fingerprint=fingerprint(model),
    )
