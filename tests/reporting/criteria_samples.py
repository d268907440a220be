"""Reports with rows of the criteria beside IDC; LeNet-5 with 236 neurons in five layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_deepimportance.provenance import ImportanceInfo, LayerRow, SettingRow
from pytest_deepimportance.results import CriterionRow, Report, SuiteResult
from tests.reporting import samples

NEURONS = {"conv1": 6, "conv2": 16, "fc1": 120, "fc2": 84, "fc3": 10}
ALL_NEURONS = sum(NEURONS.values())
READS = {"conv1": "relu1", "conv2": "relu2", "fc1": "relu3", "fc2": "relu4", "fc3": "its output"}
LAYERS = tuple(
    LayerRow(name, "Linear", neurons, READS[name], 1.0 if name == "fc2" else None)
    for name, neurons in NEURONS.items()
)
PLACES = {"NC": 1, "KMNC": 1000, "NBC": 2, "SNAC": 1, "TKNC": 1}
PARTS = {"NC": 0.613, "KMNC": 0.382, "NBC": 0.021, "SNAC": 0.03, "TKNC": 0.881}
LIFT = {"conv1": 1.1, "conv2": 0.8, "fc1": 0.9, "fc2": 1.1, "fc3": 1.05}


def bits(name: str, scale: float = 1.0, **details: Any) -> list[CriterionRow]:
    """The pooled row of NC, KMNC, NBC, SNAC or TKNC and one for each layer."""
    rows = []
    for layer, neurons in NEURONS.items():
        total = neurons * PLACES[name]
        covered = min(total, round(total * PARTS[name] * scale * LIFT[layer]))
        rows.append(CriterionRow(name, "ratio", covered, total, layer, inputs=1_000))
    covered, total = sum(int(row.covered) for row in rows), sum(row.total for row in rows)
    given = {"near_boundary": 0, **details}
    return [CriterionRow(name, "ratio", covered, total, inputs=1_000, details=given), *rows]


def surprise(name: str, covered: int, **details: Any) -> CriterionRow:
    given = {
        "layer": "fc2", "upper": 2000.0, "upper_from": "as asked", "buckets": 1000,
        "below": 0, "above": 0, "non_finite": 0, "no_reference": 0,
        "not_judged_unlabelled": 0, "not_judged_unvisited": 0, "near_boundary": 0,
    }  # fmt: skip
    judged = details.pop("judged", True)
    return CriterionRow(
        name, "ratio", covered, 1000, inputs=1_000, judged=judged, details={**given, **details}
    )


def counts(scale: float = 1.0) -> list[CriterionRow]:
    patterns = round(412 * scale)
    tknp = CriterionRow("TKNP", "count", patterns, inputs=1_000, details={"near_boundary": 0})
    layers = [
        CriterionRow("CC", "count", round(got * scale), layer=layer, inputs=1_000)
        for layer, got in zip(NEURONS, (12, 25, 60, 72, 50), strict=True)
    ]
    details = {"threshold": "auto", "squared": False, "near_boundary": 2}
    total = sum(int(row.covered) for row in layers)
    return [tknp, CriterionRow("CC", "count", total, inputs=1_000, details=details), *layers]


def spread(scale: float = 1.0) -> list[CriterionRow]:
    layers = [
        CriterionRow("NLC", "float", got * scale, layer=layer, inputs=1_000)
        for layer, got in zip(NEURONS, (0.0153, 0.12, 0.25, 0.31, 0.9213), strict=True)
    ]
    total = float(sum(row.covered for row in layers))
    return [CriterionRow("NLC", "float", total, inputs=1_000, details={"rows": 1_000}), *layers]


def baselines(scale: float = 1.0, **details: Mapping[str, Any]) -> list[CriterionRow]:
    """Rows of all eleven; keywords give further details by criterion."""
    found: list[CriterionRow] = []
    for name in PARTS:
        found += bits(name, scale, **details.get(name, {}))
    found += counts(scale)
    for name, covered in (("LSC", 123), ("DSC", 201), ("MDSC", 90)):
        found.append(surprise(name, round(covered * scale), **details.get(name, {})))
    return [*found, *spread(scale)]


def with_rows(suite: SuiteResult, rows: Sequence[CriterionRow]) -> SuiteResult:
    return dataclasses.replace(suite, criteria={**suite.criteria, **{r.key: r for r in rows}})


NEURON_LAYERS = SettingRow("neuron_layers", "all", "default")

DETAILS: Mapping[str, Mapping[str, Any]] = {
    **{name: {"degenerate_neurons": 34} for name in ("KMNC", "NBC", "SNAC")},
    "DSC": {"below": 140, "above": 60, "non_finite": 12},
}


def everything(gates: Sequence[str] = ("0.29",), **details: Mapping[str, Any]) -> Report:
    """All twelve criteria, some of which need a remark."""
    base = samples.passing(gates=(), profile=samples.profile(layers=LAYERS))
    scales = {"clean": 0.9, "shifted": 0.7}
    told = details or DETAILS
    suites = tuple(with_rows(suite, baselines(scales[suite.name], **told)) for suite in base.suites)
    return samples.report(
        suites, with_rows(base.total, baselines(**told)), gates,
        profile=base.profile, settings=(*base.settings, NEURON_LAYERS),
    )  # fmt: skip


def without_idc(rows: Sequence[CriterionRow], gates: Sequence[str] = (), **changes: Any) -> Report:
    """One suite; the profile knows no importance."""
    nothing = ImportanceInfo("", "", "", 0, None, None)
    profile = samples.profile(
        layers=tuple(dataclasses.replace(row, share_of_importance=None) for row in LAYERS),
        spaces=(), importance=nothing, **changes.pop("of_profile", {}),
    )  # fmt: skip
    total = SuiteResult("TOTAL", 20, 1_000, 1_000, 1_000, 936, {r.key: r for r in rows})
    return samples.report(
        (dataclasses.replace(total, name="default"),), total, gates,
        profile=profile, reference=samples.reference(fitted=samples.R),
        settings=(NEURON_LAYERS,), **changes,
    )  # fmt: skip


def two_ratios(gates: Sequence[str] = ("NC=0.6", "KMNC=0.4")) -> Report:
    """`--idc-criteria NC,KMNC`, one threshold unmet."""
    return without_idc([*bits("NC"), *bits("KMNC")], gates)


def no_class_scores() -> Report:
    """A model whose output is no class score: no IDC, LSC, DSC, MDSC; two suites."""
    rows = [row for row in baselines(**DETAILS) if row.criterion not in ("LSC", "DSC", "MDSC")]
    note = "IDC left out: the model returned a tensor of shape (2, 3, 64, 64), no class scores"
    report = without_idc(rows, of_profile={"notes": (note,)})
    total = dataclasses.replace(report.total, labelled=0, correct=0)
    suites = tuple(
        dataclasses.replace(
            with_rows(total, [r for r in baselines(scale) if r.key in total.criteria]),
            name=name, inputs=inputs,
        )
        for name, scale, inputs in (("day", 0.95, 600), ("night", 0.6, 400))
    )  # fmt: skip
    return dataclasses.replace(report, suites=suites, total=total)


def counts_failing() -> Report:
    """Thresholds on counts, a float, a layer and surprise; all but one unmet."""
    return everything(["TKNP=500", "NLC=1.7", "KMNC@fc1=0.5", "shifted/LSC=0.1", "CC=200"])


def not_judged() -> Report:
    """Surprise without a class, an unvisited layer, narrow layers and items in doubt."""
    unknown = {"not_judged_unlabelled": 1_000, "judged": False}
    return everything(
        ("LSC=0.1",), LSC=unknown, MDSC=unknown, DSC=unknown,
        NC={"near_boundary": 7, "unvisited_layers": ["conv2"]},
        KMNC={"unvisited_layers": ["conv2"]},
        TKNC={"narrow_layers": ["head"], "k": 3},
    )  # fmt: skip


def one_beside() -> Report:
    """IDC and a count."""
    base = samples.failing(())
    total = with_rows(base.total, counts()[:1])
    suite = dataclasses.replace(total, name="clean")
    return samples.report((suite,), total, ["clean/TKNP=500"])


ALL: Mapping[str, Callable[[], list[Report]]] = {
    "everything": lambda: [everything()],
    "two_ratios": lambda: [two_ratios()],
    "no_class_scores": lambda: [no_class_scores()],
    "counts_failing": lambda: [counts_failing()],
    "not_judged": lambda: [not_judged()],
    "one_beside": lambda: [one_beside()],
}

EVERY: Mapping[str, Callable[[], list[Report]]] = {**samples.ALL, **ALL}
"""These samples and those of IDC alone."""
