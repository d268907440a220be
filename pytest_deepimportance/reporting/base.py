"""What every reporter says: facts of a report as phrases, without layout.

Numbers are written by `pytest_deepimportance.formatting` only, so a figure looks the same wherever
it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pytest_deepimportance.formatting import clean, count, listed, percent, plural
from pytest_deepimportance.provenance import SpaceRow
from pytest_deepimportance.readings import headline, row_is_degenerate, why_not_judged
from pytest_deepimportance.reporting import leaks, measured, remarks, verdicts
from pytest_deepimportance.reporting.contributions_table import remark
from pytest_deepimportance.reporting.lowered import lowered_notes
from pytest_deepimportance.reporting.text import cell_len, shorten
from pytest_deepimportance.results import (
    ClassShare,
    CriterionRow,
    Gap,
    Report,
    SuiteResult,
)
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.thresholds import IDC

NAME = "Importance-Driven Coverage (IDC)"
NAME_WITHOUT_IDC = "Neural network coverage"

SHORT_MODEL = 24
"""Columns for the name of a model where others stand beside it."""

_BALANCED = 1e-3


def header(settings: Settings) -> str:
    """Return one line for pytest's header: what will be measured, against what, with which gate."""
    parts = [f"model {clean(settings.model or 'from fixture idc_model')}"]
    if settings.profile is not None:
        parts.append(f"profile {clean(settings.profile)}")
    else:
        parts.append(f"reference {clean(settings.reference or 'from fixture idc_reference')}")
    if settings.fail_under:
        parts.append(
            "gate " + ", ".join(clean(text.split(" #")[0].strip()) for text in settings.fail_under)
        )
    return "idc: " + ", ".join(parts)


def title(report: Report) -> str:
    """Return the name of what is reported."""
    return NAME if measured.has_idc(report) else NAME_WITHOUT_IDC


def model_name(report: Report, width: int) -> str:
    """Return the model's specification in at most `width` columns: folders go, then suffix."""
    spec = clean(report.model.spec or report.model.type)
    if cell_len(spec) > width:
        spec = spec.replace("\\", "/").rpartition("/")[2]
    if cell_len(spec) > width:
        spec = spec.removesuffix(".safetensors")
    return shorten(spec, width)


def model_names(reports: Sequence[Report], width: int) -> list[str]:
    """Return a name for each model, by which they can be told apart.

    Models of equal names, as two instances of one class, carry the first characters of their
    fingerprint; one model with two references those of its profile.
    """
    names = [model_name(report, width) for report in reports]
    for prints in (
        [report.model.fingerprint for report in reports],
        [report.profile.fingerprint for report in reports],
    ):
        pairs = zip(list(names), prints, strict=True)
        names = [
            f"{name} {clean(text[:8])}" if names.count(name) > 1 else name for name, text in pairs
        ]
    return names


def main_spaces(report: Report) -> list[SpaceRow]:
    """Return the combination spaces of all classes together, or all there are."""
    spaces = report.profile.spaces
    return [space for space in spaces if space.class_name is None] or list(spaces)


def is_degenerate(report: Report) -> bool:
    """Return whether the headline can take one value only (a single combination)."""
    row = headline(report.total)
    return row is not None and row_is_degenerate(row)


def measured_layers(report: Report) -> str:
    """Say which layers are measured: "layer fc2 (84 neurons), after relu4"."""
    if not measured.has_idc(report):
        return measured.without_importance(report)
    spaces = main_spaces(report)
    names = list(dict.fromkeys(space.layer for space in spaces if space.layer is not None))
    ranked = {row.name for row in report.profile.layers if row.share_of_importance is not None}
    asked = set(names) or ranked  # other criteria read layers that have no importance
    rows = [row for row in report.profile.layers if not asked or row.name in asked]
    neurons = plural(sum(row.neurons for row in rows), "neuron")
    if len(names) == 1:
        row = next((row for row in rows if row.name == names[0]), None)
        if row is None:
            return f"layer {clean(names[0])}"
        reads = "" if row.reads == "its output" else f", after {clean(row.reads)}"
        return f"layer {clean(row.name)} ({plural(row.neurons, row.unit)}){reads}"
    if names:
        return f"{plural(len(names), 'layer')} ({neurons}), each by itself"
    return f"{plural(len(rows), 'layer')} ({neurons}) together"


def reference_rows(report: Report) -> str:
    """Say how much reference data there is: "60,000 inputs (59,531 classified correctly)"."""
    info = report.reference
    of = ""
    if info.available is not None and info.available != info.rows:
        of = f" of {count(info.available)}"
    inputs = f"{count(info.rows)}{of} {'input' if info.rows == 1 else 'inputs'}"
    sample = ", sampled" if info.sampled else ""
    right = f" ({count(info.fitted)} classified correctly)" if info.fitted < info.usable else ""
    origin = {"": "", "built": "", "cached": ", cached"}.get(
        report.profile.origin, f", from {clean(report.profile.origin)}"
    )
    return f"{inputs}{sample}{right}{origin}"


def items(report: Report) -> str:
    """Say what can be covered: "m=8 auto: 423 of 576 combinations occur in the reference"."""
    spaces = main_spaces(report)
    if not spaces:
        return "no combination of clusters"
    low, high = min(space.m for space in spaces), max(space.m for space in spaces)
    size = f"m={low}" if low == high else f"m={low}..{high}"
    auto = " auto" if any(space.m_from.startswith("auto") for space in spaces) else ""
    total, reach = sum(space.total for space in spaces), sum(space.reach for space in spaces)
    part = percent(Fraction(reach, total) if total else None, unit=" %")
    return (
        f"{size}{auto}: {count(reach)} of {plural(total, 'combination')} "
        f"{'occurs' if total == 1 else 'occur'} in the reference ({part})"
    )


def importance(report: Report) -> str:
    """Say how faithful the relevance is: its balance, and what the input explains."""
    info = report.profile.importance
    bad = " (should be below 1e-3)" * importance_is_doubtful(report)
    source = f"from {info.source}" if info.source else ""
    parts = [", ".join(clean(text) for text in (info.method, info.rule, source) if text)]
    if info.balance is not None:
        parts.append(f"balance {info.balance:.0e}{bad}")
    elif info.method not in ("", "lrp"):
        parts.append("balance not applicable")
    if info.input_share is not None:
        parts.append(f"{_signed_percent(info.input_share)} explained by the input")
    return "; ".join(parts)


def importance_is_doubtful(report: Report) -> bool:
    """Return whether too much relevance is unaccounted for."""
    balance = report.profile.importance.balance
    return balance is not None and not balance < _BALANCED


def _signed_percent(value: float) -> str:
    """Relevance of the input may be negative, or more than the output."""
    return f"{value * 100:.0f} %".replace("-0 %", "0 %")


def idc_rows(suite: SuiteResult) -> list[CriterionRow]:
    """Return the rows of IDC."""
    return [row for row in suite.criteria.values() if row.criterion == IDC]


def other_rows(suite: SuiteResult, *, classes: bool) -> list[CriterionRow]:
    """Return the rows of IDC beside the headline (per class or layer), the lowest first."""
    main = headline(suite)
    rows = [
        row
        for row in idc_rows(suite)
        if row is not main
        and row.judged
        and (row.class_name is not None) == classes
        and (row.layer is None) == classes  # a class in one layer is in the JSON report
    ]
    # A single layer or class has the headline's own number: nothing to add.
    return sorted(rows, key=lambda row: (row.fraction, row.key)) if len(rows) > 1 else []


def weakest_classes(suite: SuiteResult) -> list[ClassShare]:
    """Return the classes that occur in the reference, the lowest share first."""
    rows = [row for row in suite.classes if row.reference_rows]
    return sorted(
        rows, key=lambda row: (Fraction(row.exercised_rows, row.reference_rows), row.index)
    )


def untested_classes(suite: SuiteResult) -> list[str]:
    """Return the classes no input of the suite belongs to; empty when no class is known."""
    if not any(row.suite_inputs for row in suite.classes):
        return []
    return [row.name for row in suite.classes if not row.suite_inputs]


def class_balance(suite: SuiteResult) -> str:
    """Say how evenly the suite's inputs spread over the classes; empty when unknown."""
    numbers = [row.suite_inputs for row in suite.classes]
    if not any(numbers):
        return ""
    source = f" (by {clean(suite.classes_from).rstrip('s')})" if suite.classes_from else ""
    even = "" if suite.evenness is None else f", evenness {suite.evenness:.2f}"
    absent = untested_classes(suite)
    if absent:
        return f"no input of class {listed(absent)}{source}{even}"
    low, high = min(numbers), max(numbers)
    spread = count(low) if low == high else f"{count(low)} to {count(high)}"
    return f"{spread} inputs per class{source}{even}"


def gap_size(gap: Gap, usable: int) -> str:
    """Say how much one gap is: "306 reference inputs (0.5 %, 91 % of them class 6)"."""
    part = percent(Fraction(gap.rows, usable) if usable else None, unit=" %")
    who = ""
    if gap.main_class is not None and gap.rows:
        share = percent(Fraction(gap.main_class_rows, gap.rows), 0, " %")
        who = f", {share} of them class {clean(gap.main_class)}"
    return f"{plural(gap.rows, 'reference input')} ({part}{who})"


def run_labels(report: Report) -> list[tuple[str, str]]:
    """Return what limits the numbers as (label, sentence): partial, incomplete, leak, ..."""
    labels = verdicts.part_labels(report.run, gated=bool(report.gates))
    leak = leaks.leak(report)
    if leak:
        labels.append(("leak", leak))
    if is_degenerate(report):
        labels.append(
            (
                "degenerate",
                "only one combination exists (one cluster per neuron), so IDC says nothing; "
                "choose another layer: deepimportance layers MODEL",
            )
        )
    return labels


def notes(report: Report, *, every: bool = False) -> list[str]:
    """Return the remarks that qualify the numbers, the weightiest first, each once.

    Of those on criteria beside IDC a few, or `every` one.
    """
    info, found = report.reference, []
    if info.augmented:
        found.append("the reference is augmented: the profile is one draw of it")
    if info.non_finite:
        found.append(
            f"{plural(info.non_finite, 'reference row')} with NaN or infinity not in the profile"
        )
    if not info.labelled and measured.has_idc(report):
        found.append("the reference has no class labels: classes are predictions")
    found += [text for text in [verdicts.only_failing(report)] if text]
    per_class = [row for row in idc_rows(report.total) if row.class_name is not None]
    if report.total.rows and per_class and not any(row.judged for row in per_class):
        found.append(f"no class is judged: {why_not_judged(per_class)}")
    row = headline(report.total)
    if row is not None and row.random is not None and row.random.note:
        found.append(f"random suite: {row.random.note}")
    if report.contributions is not None:
        found.append(remark(report.contributions))
    found += remarks.below_random(report)
    idle = measured.not_asked_for(report)
    found += [t for t in (*report.notes, *report.profile.notes) if " left out: " in t]
    spaces = main_spaces(report) if measured.has_idc(report) else []
    sources = (report, info, report.model, report.profile, report.profile.importance)
    texts = found + [text for source in sources for text in source.notes]
    texts = [text for text in texts if text not in idle]
    if report.total.rows:
        texts += remarks.sentences(report, every=every)
    texts += lowered_notes(spaces)
    return list(dict.fromkeys(clean(text).rstrip(".") for text in texts))
