"""Importance of all neurons by several methods, on the reference and on inputs, compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from pytest_deepimportance import __version__
from pytest_deepimportance.analysis.classes import class_name, wanted_classes
from pytest_deepimportance.analysis.comparison import compared
from pytest_deepimportance.analysis.summing import Summed, as_tuples, sum_scores
from pytest_deepimportance.attribution.base import Attribution, method_name
from pytest_deepimportance.attribution.lrp.memory import micro_batch
from pytest_deepimportance.attribution.method_settings import parameters_of
from pytest_deepimportance.attribution.observing import observe
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.opening import output_adapter
from pytest_deepimportance.errors import AttributionError, ReferenceDataError
from pytest_deepimportance.formatting import count, plural
from pytest_deepimportance.importance_results import (
    REFERENCE,
    DataRow,
    ImportanceReport,
    LeftOut,
    RankedLayer,
    ScoreSet,
)
from pytest_deepimportance.models.probe import untouched
from pytest_deepimportance.models.raised import naming_inputs
from pytest_deepimportance.models.sitemap import SiteMap
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.profile.attributing import attribution_for
from pytest_deepimportance.profile.classnames import check_class_names
from pytest_deepimportance.provenance import ModelInfo
from pytest_deepimportance.settings import Settings

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Asked:
    """What is asked for: methods by name, layers (None: every hidden one), m (None: all)."""

    methods: tuple[str, ...] = ("lrp",)
    layers: tuple[str, ...] | None = None
    m: int | None = 10


@dataclass
class Run:
    """A model ready to be attributed, and what was found so far.

    Attributes:
        data: Data sets by name; the first one leads.
        classes: Class scores that the model returns; None where it returns none.
    """

    model: nn.Module
    data: Mapping[str, Reference]
    settings: Settings
    asked: Asked
    sites: SiteMap
    layers: tuple[str, ...]
    micro_batch: int
    device: torch.device
    advance: Callable[[int], None]
    classes: int | None
    rows: dict[str, DataRow] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def attribution(self, method: str) -> Attribution:
        """Return a fresh attribution of the layers by `method`, as the settings say.

        Raises:
            AttributionError: There is no such method, or it cannot run on this model.
        """
        settings = self.settings.replace(
            "importance", importance_method=method_name(method), importance_samples="all"
        )
        return attribution_for(
            self.model,
            self.sites,
            settings,
            layers=self.layers,
            read=self.layers,
            reference=next(iter(self.data.values())),
            device=self.device,
            rows_at_once=self.micro_batch,
            output=output_adapter(settings),
        )

    def sets(self, method: str) -> Iterator[ScoreSet]:
        """Yield the scores by one method: data set by data set, all classes, then single ones."""
        for name, data in self.data.items():
            attribution = self.attribution(method)
            found = sum_scores(
                data,
                attribution,
                Summed(self.settings.correct == "only", self.settings.classes != "all"),
                model=self.model,
                batch_size=self.settings.batch_size,
                micro_batch=self.micro_batch,
                device=self.device,
                advance=self.advance,
                classes=self.classes,
            )
            self._say(name, data, found)
            for made in self._sets_of(attribution, name, data, found):
                yield replace(made, notes=attribution.notes)

    def _sets_of(
        self, attribution: Attribution, name: str, data: Reference, found: Summed
    ) -> Iterator[ScoreSet]:
        settings = self.settings
        method = attribution.name
        rule = parameters_of(attribution) or None
        target = None if method == "random" else settings.target
        scores = as_tuples(found.whole, self.layers)
        yield ScoreSet(
            method, name, None, "", found.used, scores, rule=rule, target=target,
            balance=found.conservation.balance, input_share=found.conservation.input_share,
        )  # fmt: skip
        names = settings.class_names or data.class_names
        for label in wanted_classes(settings.classes, list(found.by_class), names):
            scores = as_tuples(found.by_class[label], self.layers)
            rows = found.class_rows[label]
            yield ScoreSet(
                method, name, label, class_name(label, names), rows, scores, rule=rule,
                target=target,
            )  # fmt: skip

    def _say(self, name: str, data: Reference, found: Summed) -> None:
        if not found.used:
            raise ReferenceDataError(
                f"none of the {plural(found.rows, 'row')} of {data.descriptor} counts: "
                f"{count(found.non_finite)} hold NaN or infinity, the others are not classified "
                "correctly",
                "Importance is summed over the rows that count.",
                "Check scale, labels and order of the classes, or give --correct all.",
            )
        which = "classified correctly" if found.correct_only else "all of them"
        self.rows[name] = DataRow(name, data.descriptor, found.rows, found.used, which)
        notes = list(data.notes) if name == REFERENCE else _notes_of_inputs(name, data)
        if self.settings.correct == "only" and not found.labelled:
            notes.append(
                f"{name} has no class labels: every row counts, whether classified correctly"
            )
        if found.non_finite:
            notes.append(f"{name}: {plural(found.non_finite, 'row')} with NaN or infinity left out")
        self.notes |= dict.fromkeys(notes)


def importances(
    model: nn.Module,
    data: Mapping[str, Reference],
    settings: Settings,
    asked: Asked,
    *,
    info: ModelInfo,
    progress: Progress | None = None,
) -> ImportanceReport:
    """Compute and compare the importance of the neurons of a model.

    Args:
        model: Left as it was.
        data: By name: the reference, then inputs to compare it with.
        settings: How relevance is computed, which rows count (`correct`), which classes.
        asked: Methods, layers, m.
        info: What is said of the model.
        progress: Called with the rows done and the rows in all (None while unknown).

    Raises:
        AttributionError: No such method, or none of the methods can run.
        ReferenceDataError: No row counts.
        LayerError: No such layer.
        SettingsError: A class has no rows, or there are no labels.
    """
    run = _prepare(eager(model), data, settings, asked, progress)
    sets: list[ScoreSet] = []
    left_out = []
    for method in asked.methods:
        try:
            sets += run.sets(method)
        except AttributionError as error:
            if len(asked.methods) == 1:
                raise
            left_out.append(LeftOut(method, error.what))
    if not sets:
        raise AttributionError(
            "no method can run on this model: "
            + "; ".join(f"{item.method}: {item.why}" for item in left_out),
            "There is no importance to show.",
            "deepimportance importance MODEL --method random shows whether the data fit.",
        )
    layers = tuple(_ranked(run.sites, name) for name in run.layers)
    report = ImportanceReport(
        version=__version__,
        model=info,
        fingerprint=info.fingerprint,
        data=tuple(run.rows.values()),
        m=asked.m,
        layers=layers,
        sets=tuple(sets),
        left_out=tuple(left_out),
        notes=tuple(run.notes),
    )
    return compared(report)


def _prepare(
    model: nn.Module,
    data: Mapping[str, Reference],
    settings: Settings,
    asked: Asked,
    progress: Progress | None,
) -> Run:
    lead = next(iter(data.values()))
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    first = _first(lead, settings.batch_size).to(device)
    sites = find_sites(model, first, output_adapter(settings))
    if asked.layers is None:
        names = tuple(site.name for site in sites.hidden())
    else:
        named = {sites.find(layer).name for layer in asked.layers}
        names = tuple(site.name for site in sites.sites if site.name in named)
    size = micro_batch(model, first, settings.memory // 4)
    run = Run(
        model, data, settings, asked, sites, names, size, device,
        _counter(progress, data, len(asked.methods)),
        _classes(model, first.first_rows(size), settings, lead.descriptor),
    )  # fmt: skip
    run.notes |= dict.fromkeys(sites.notes)
    for method in asked.methods:  # an unknown name is refused before the first pass
        method_name(method)
    return run


def _classes(model: nn.Module, call: ModelCall, settings: Settings, source: str) -> int | None:
    """Return how many classes the model tells apart, None where its output is no class score.

    Raises:
        SettingsError: As many names are not given.
    """
    with untouched(model), naming_inputs(source, model, call):
        scores = observe(model, (), call, output=output_adapter(settings)).scores
    if scores is None:
        return None
    check_class_names(settings.class_names, scores.shape[1])
    return int(scores.shape[1])


def _notes_of_inputs(name: str, data: Reference) -> list[str]:
    """Say of inputs what their notes say of a reference."""
    if not data.sampled:
        return list(data.notes)
    of = "" if data.available is None else f" of {count(data.available)}"
    return [f"{name}: {count(data.rows or 0)}{of} inputs are used (--input-samples)"]


def _first(data: Reference, batch_size: int) -> ModelCall:
    return next(call for call in data.batches(batch_size) if call.rows)


def _counter(
    progress: Progress | None, data: Mapping[str, Reference], passes: int
) -> Callable[[int], None]:
    done, rows = 0, [found.rows for found in data.values()]
    total = None if None in rows else passes * sum(number or 0 for number in rows)

    def advance(number: int) -> None:
        nonlocal done
        done += number
        if progress is not None:
            progress(done, total)

    return advance


def _ranked(sites: SiteMap, name: str) -> RankedLayer:
    site = sites.find(name)
    return RankedLayer(site.name, site.type, site.units, site.name == sites.default)
