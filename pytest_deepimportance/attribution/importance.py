"""Importance of neurons: relevance summed over inputs, by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.attribution.asked import checked
from pytest_deepimportance.attribution.base import Conservation, accepted, create
from pytest_deepimportance.attribution.outcome import Outcome
from pytest_deepimportance.attribution.shrinking import Shrinking
from pytest_deepimportance.attribution.target import Target, target_name
from pytest_deepimportance.data.calls import calls_of
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.drawn import drawn
from pytest_deepimportance.errors import AttributionError, LayerError, did_you_mean
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.models.raised import naming_inputs
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.models.wrappers import eager, wrapper_notes
from pytest_deepimportance.votes import Votes


@dataclass(frozen=True, eq=False)
class Importance:
    """Scores of neurons.

    Attributes:
        scores: By layer in network order, float64 (U,): signed relevance summed over rows.
        rows: Inputs summed over.
        method, rule, target: How they were computed; None where a file does not say.
        balance: Share of the target that nothing accounts for.
        input_share: Share of the target that the input explains.
        notes: Sentences for the report.
        fingerprint: Of the model; None where a file does not say.
        seed: Of what was drawn; None where nothing was, or a file does not say.
        versions: Of the packages that computed it, by name.
        reference: Fingerprint of the inputs.
        votes: How a vote went, where the scores come from one.
        by_class: By class index, the scores of inputs of that class alone, as `scores`.
        source: The file they were read from; None where they were computed here.
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
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    votes: Votes | None = None
    by_class: Mapping[int, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)
    source: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", _finite(self.scores))
        by_class = {int(label): _finite(own) for label, own in self.by_class.items()}
        object.__setattr__(self, "by_class", by_class)

    def top(
        self, count: int, layers: Sequence[str] | None = None, normalize: str = "layer"
    ) -> list[tuple[str, int, float]]:
        """Return the `count` most important neurons: (layer, index, score as it is stored).

        Descending; equal scores by layer order, then index.

        Args:
            count: How many; all there are if fewer, or if it is -1.
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
        chosen = ranked if count == -1 else ranked[: max(count, 0)]
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

    def of_class(self, label: int) -> Importance:
        """Return the scores of one class, or these where none were kept by class."""
        own = self.by_class.get(label)
        return self if own is None else replace(self, scores=dict(own), by_class={})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON-ready data that `from_json` reads back, exactly."""
        from pytest_deepimportance.attribution.importance_data import to_plain

        return to_plain(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Importance:
        """Rebuild from `to_json` data.

        Raises:
            AttributionError: Another format, or fields that are missing or unknown.
        """
        from pytest_deepimportance.attribution.importance_data import from_plain

        return from_plain(data)

    def save(self, path: str | Path) -> None:
        """Write a file that `load` reads: FILE.json, or FILE.csv (or FILE) as `to_csv` does.

        Raises:
            AttributionError: Another ending, or it cannot be written there.
        """
        from pytest_deepimportance.attribution.importance_files import save

        save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Importance:
        """Read scores written by `save`, or a CSV of the research code.

        Raises:
            AttributionError: The file is absent, malformed, or was changed after its side file.
        """
        from pytest_deepimportance.attribution.importance_files import load

        return load(Path(path))

    def to_csv(self, path: str | Path) -> None:
        """Write LayerName,NeuronIndex,Score: layers in network order, neurons by index.

        Where the scores come from stands in a side file, `path` + ".json".

        Raises:
            AttributionError: A layer's name would be a formula in a spreadsheet.
        """
        from pytest_deepimportance.attribution.importance_files import write_csv

        write_csv(self, Path(path))

    @classmethod
    def from_csv(cls, path: str | Path) -> Importance:
        """Read LayerName,NeuronIndex,Score in any order, and the side file if there is one.

        Raises:
            AttributionError: Missing columns, a malformed or duplicate row, an index left out, a
                side file of other scores.
        """
        from pytest_deepimportance.attribution.importance_files import read_csv

        return read_csv(Path(path))


def _finite(scores: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    found = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    for name, values in found.items():
        if values.ndim != 1 or not np.isfinite(values).all():
            raise AttributionError(
                f"scores of layer {name!r} are not a finite vector: shape {values.shape}, "
                f"{int((~np.isfinite(values)).sum())} values not finite",
                "Neurons are ranked by their scores.",
                "Compute the scores again, or leave that layer out.",
            )
    return found


def importance(
    model: nn.Module,
    batches: Any,
    *,
    layers: Sequence[str] | None = None,
    method: str = "lrp",
    target: Target = "predicted",
    samples: int | None = None,
    seed: int = 0,
    **settings: Any,
) -> Importance:
    """Compute how much each neuron contributed to the model's decisions, summed over all inputs.

    Args:
        model: Any eager module; it is left exactly as it was.
        batches: An iterable of what the model takes: tensors, (x, y), mappings; or one of them
            that holds all inputs (`data.calls`).
        layers: Names of layers, None for all hidden ones.
        method: Name or alias of an attribution method.
        target: "predicted", "label" (batches then carry labels), a class index, or a callable
            (or "pkg.mod:callable") that makes one number a row of the model's output.
        samples: How many inputs to draw at random from the batches; None uses all.
        seed: Of that sample, and of methods that draw random numbers.
        **settings: tap, reduce, output, and those of the method (`attribution.base.accepted`;
            its `samples` are called attribution_samples here).

    Raises:
        AttributionError: No module, no batch, a value of the wrong kind, or importance could not
            be computed faithfully.
        LayerError: A layer does not exist, or the model has no hidden one.
    """
    from pytest_deepimportance.attribution.importance_data import versions

    settings = checked(model, seed, samples, settings)
    wrapped, model = wrapper_notes(model), eager(model)
    calls = calls_of(batches)
    if samples is not None:
        calls = drawn(calls, samples, seed)
    first = next(calls, None)
    if first is None:
        raise AttributionError(
            "there is no input to compute importance from", fix="Give at least one batch."
        )
    sites = find_sites(model, first, settings.get("output"))
    names = [site.name for site in sites.hidden()] if layers is None else list(layers)
    if "attribution_samples" in settings:
        settings["samples"] = settings.pop("attribution_samples")
    draws = "seed" in accepted(method)
    if draws:
        settings["seed"] = seed
    attribution = Shrinking(
        create(method, model=model, sites=sites, layers=names, target=target, **settings)
    )
    sums: dict[str, NDArray[np.float64]] = {}
    account, read = Conservation(), 0
    outcome = Outcome(accounted=method == "lrp" and "conserve_every" not in settings)
    for number, call in enumerate(chain([first], calls)):
        with naming_inputs(f"batch {number}", model, call):
            batch = attribution.attribute(call)
        read += int(np.sum(row_digests(call), dtype=np.uint64))
        account = account + batch.conservation
        outcome.add(batch, call.rows)
        for name, values in batch.relevance.items():
            summed = values.detach().cpu().numpy().sum(axis=0, dtype=np.float64)
            sums[name] = sums.get(name, 0.0) + summed
    outcome.check()
    said = (*wrapped, *sites.notes, *attribution.notes)
    own = outcome.notes(attribution.name, sums, account.balance)
    return Importance(
        scores=sums,
        rows=outcome.used,
        method=attribution.name,
        rule=attribution.rule or None,
        target=target_name(target),
        balance=account.balance,
        input_share=account.input_share,
        notes=(*said, *(note for note in own if not _said_already(note, said))),
        fingerprint=fingerprint(model),
        seed=seed if draws or samples is not None else None,
        versions=versions(),
        reference=f"rows-{read % (1 << 64):016x}",
    )


def _said_already(note: str, said: tuple[str, ...]) -> bool:
    """Whether the method itself says that all scores are 0, and where."""
    return note.startswith("all scores") and any(text.startswith("all scores") for text in said)
