"""Finds the number a threshold is about in a report, or says what exists instead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_deepimportance.errors import nearest
from pytest_deepimportance.formatting import clean, listed
from pytest_deepimportance.results import ClassShare, CriterionRow, RandomSuite, Report, SuiteResult
from pytest_deepimportance.thresholds import IDC, LOWEST, RANDOM, REACHED, SHARE, Threshold


class NoVerdict(Exception):
    """A threshold that cannot be compared: the status it gets instead, and why."""

    def __init__(self, status: str, message: str) -> None:
        self.status, self.message = status, message
        super().__init__(message)

    @classmethod
    def unknown(cls, what: str, name: str, known: Sequence[str], nothing: str) -> NoVerdict:
        """Say that `name` does not exist, and what does, the nearest first."""
        close = nearest(name, known)
        pool = [*close, *(item for item in known if item not in close)]
        order = ", nearest first" if close and len(pool) > 1 else ""
        exists = f"{_PLURALS.get(what, what + 's')}{order}: {listed(pool, 4)}" if pool else nothing
        return cls("failed", f"there is no such {what}; {exists}")


_PLURALS = {"class": "classes", "criterion": "criteria"}


@dataclass(frozen=True)
class Reading:
    """The exact number a threshold is compared with.

    Attributes:
        covered, total: Its integers; counts and floats have no total, and covered is a float for
            unit "float" only.
        value: Covered divided by total, or the number itself.
        unit: "ratio", "count" or "float".
        who: "class 7" when the lowest class was asked for.
        reach: Items the reference covers, for IDC only.
        random: The random suite, for `random` only.
        beyond: Covered items that the reference, which it is drawn from, does not reach.
    """

    covered: int | float
    total: int | None
    value: Fraction
    unit: str = "ratio"
    who: str = ""
    reach: int | None = None
    random: RandomSuite | None = None
    beyond: int = 0

    def passes(self, threshold: Threshold) -> bool:
        """Compare exactly: the one comparison of the gate."""
        if isinstance(threshold.value, str):
            return self.random is not None and self.covered >= self.random.low
        return self.value >= threshold.value

    def needed(self, threshold: Threshold) -> int | None:
        """Return the smallest `covered` that passes, None where that has no meaning."""
        if isinstance(threshold.value, str):
            return None if self.random is None else self.random.low
        if self.unit == "ratio":
            return math.ceil(threshold.value * (self.total or 0))
        return math.ceil(threshold.value) if self.unit == "count" else None


def headline(suite: SuiteResult, criterion: str = IDC) -> CriterionRow | None:
    """Return a criterion's main row: no class, pooled over layers where such a row exists."""
    rows = [row for row in suite.criteria.values() if row.criterion == criterion]
    rows.sort(key=lambda row: (row.class_name is not None, row.layer is not None))
    return rows[0] if rows else None


def row_is_degenerate(row: CriterionRow) -> bool:
    """Return whether one combination is all there is, so that any input covers everything."""
    if row.criterion != IDC or row.unit != "ratio":
        return False
    return row.total <= 1 or bool(row.details.get("degenerate"))


def why_not_judged(rows: Sequence[CriterionRow]) -> str:
    """Say why none of `rows` (of one criterion) could be judged."""
    row = rows[0]
    if "not_finite" in row.details:
        return f"its value is {clean(str(row.details['not_finite']))}"
    numbers = {
        key: sum(_number(row.details.get(key)) for row in rows)
        for key in (_UNLABELLED, *_NOT_JUDGED)
    }
    most = max(numbers, key=lambda key: numbers[key])
    if numbers[most] and most != _UNLABELLED:
        return _NOT_JUDGED[most]
    if row.criterion == IDC:
        return "the inputs carry no labels (give them to idc.labels)"
    if numbers[most]:
        return "the class of no input is known"
    if "upper" in row.details:
        return "the reference shows no surprise at all, so there is no scale"
    return "the criterion itself gave no verdict"


_UNLABELLED = "not_judged_unlabelled"
_NOT_JUDGED = {
    "not_judged_unvisited": "no pass visited the measured layer",
    "no_reference": "the reference holds nothing to compare their classes with",
    "non_finite": "no finite surprise follows from the reference rows of their classes",
}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def read(report: Report, suite: SuiteResult, threshold: Threshold) -> Reading:
    """Return the number `threshold` asks for in `suite`.

    Raises:
        NoVerdict: There is no such row, or it cannot be judged.
    """
    if threshold.name == SHARE and threshold.label is not None and threshold.layer is None:
        rows = _of_layer(report, suite, IDC, None)
        reading = _class_share(suite, threshold.label)
        _of_class(rows, IDC, None)
        return reading
    criterion = IDC if threshold.name in (SHARE, REACHED) else threshold.name
    candidates = _of_layer(report, suite, criterion, threshold.layer)
    rows = _of_class(candidates, criterion, threshold.label)
    readings = [_reading(row, threshold) for row in rows]
    return min(readings, key=_margin)


def _margin(reading: Reading) -> Fraction:
    """Order the readings of several classes, the one nearest to failing first."""
    if reading.random is None:
        return reading.value
    return Fraction(reading.covered) - Fraction(reading.random.low)


def _reading(row: CriterionRow, threshold: Threshold) -> Reading:
    who = f"class {clean(row.class_name or '')}" if threshold.label == LOWEST else ""
    if threshold.value == RANDOM:
        return _against_random(row, who)
    if threshold.name == SHARE:
        return _ratio(row.exercised_rows, row.reference_rows, who, "counts reference inputs")
    if threshold.name == REACHED:
        return _ratio(row.covered_reached, row.reach, who, "knows what the reference reaches")
    total = row.total if row.unit == "ratio" else None
    return Reading(row.covered, total, row.fraction, row.unit, who, row.reach)


def _against_random(row: CriterionRow, who: str) -> Reading:
    suite = row.random
    if suite is None or not suite.comparable:
        note = suite.note if suite else _WHY_NOT_DRAWN.get(row.criterion, "")
        raise NoVerdict("not judged", clean(note) or "random suites are not comparable here")
    beyond = 0 if suite.source else int(row.covered) - suite.covered
    return Reading(suite.covered, row.total, row.fraction, row.unit, who, None, suite, beyond)


_WHY_NOT_DRAWN = dict.fromkeys(
    ("NBC", "SNAC", "LSC", "DSC", "MDSC"),
    "the reference says nothing of random suites here, held-out data do: set idc_null",
)


def _ratio(covered: int | None, total: int | None, who: str, what: str) -> Reading:
    if covered is None or not total:
        raise NoVerdict("not judged", f"no row of this criterion {what}")
    return Reading(covered, total, Fraction(covered, total), who=who)


def _class_share(suite: SuiteResult, label: str) -> Reading:
    usable = [row for row in suite.classes if row.reference_rows]
    if label != LOWEST:
        match = [row for row in usable if row.name == label]
        match = match or [row for row in usable if str(row.index) == label]
        if not match:
            raise NoVerdict.unknown(
                "class", label, [row.name for row in usable], "the reference has no classes"
            )
        return _share(match[0], "")
    if not usable:
        raise NoVerdict("failed", "the reference has no classes, so none is the lowest")
    return min((_share(row, f"class {clean(row.name)}") for row in usable), key=_margin)


def _share(row: ClassShare, who: str) -> Reading:
    value = Fraction(row.exercised_rows, row.reference_rows)
    return Reading(row.exercised_rows, row.reference_rows, value, who=who)


def _of_layer(
    report: Report, suite: SuiteResult, criterion: str, layer: str | None
) -> list[CriterionRow]:
    rows = [row for row in suite.criteria.values() if row.criterion == criterion]
    main = headline(suite, criterion)
    if main is None:
        raise NoVerdict("failed", _why_absent(report, suite, criterion))
    pooled = [row for row in rows if row.layer is None] or [
        row for row in rows if row.layer == main.layer
    ]
    if layer is None:
        in_classes = [row for row in rows if row.class_name is not None]
        return pooled if any(row.class_name for row in pooled) else pooled + in_classes
    named = [row for row in rows if row.layer == layer]
    inside = _layers_inside(report, main)
    if not named and inside == [layer] and main.layer is None:
        return pooled
    if not named:
        known = [row.layer for row in rows if row.layer is not None]
        nothing = f"{criterion} {_ALL_LAYERS[criterion == IDC]}"
        there = sorted({*known, *inside})
        if layer in [row.name for row in report.profile.layers]:
            where = f"{criterion} is measured in layer {listed(there, 4)}, not in {clean(layer)}"
            where += f" (choose with {_CHOICE.get(criterion, _NEURONS)})"
            raise NoVerdict("failed", where if there else nothing)
        raise NoVerdict.unknown("layer", layer, there, nothing)
    return named


def _why_absent(report: Report, suite: SuiteResult, criterion: str) -> str:
    """Say why a criterion has no row, and what brings it in."""
    measured = list(dict.fromkeys(row.criterion for row in suite.criteria.values()))
    if not measured:
        return "nothing was measured"
    for note in (*report.notes, *report.profile.notes):
        names, left_out, why = note.partition(" left out: ")
        if left_out and criterion in names.split(", "):
            return f"{criterion} was left out: {clean(why)}"
    what = f"no {criterion} was measured, only {listed(measured)}"
    if headline(report.total, criterion) is not None:
        return f"{what}; add {criterion} to criteria= of the marker of suite {clean(suite.name)}"
    return f"{what}; add {criterion} to --idc-criteria"


_CHOICE = {
    IDC: "--idc-layer",
    "LSC": "--idc-surprise-layer",
    "DSC": "--idc-surprise-layer",
    "MDSC": "--idc-surprise-layer",
    "CC": "--idc-cc-layers",
}
_NEURONS = "--idc-neuron-layers"
"""Settings that choose the layers of a criterion."""


_ALL_LAYERS = {
    True: "takes its neurons from all layers together",
    False: "is one number over all layers",
}


def _layers_inside(report: Report, main: CriterionRow) -> list[str]:
    """Return the layers that a row stands for without naming them as its own."""
    if main.criterion != IDC:
        return [str(main.details["layer"])] if main.details.get("layer") else []
    return list({space.layer for space in report.profile.spaces if space.layer is not None})


def _of_class(
    rows: Sequence[CriterionRow], criterion: str, label: str | None
) -> list[CriterionRow]:
    classes = [row for row in rows if row.class_name is not None]
    if label is None:
        chosen = [row for row in rows if row.class_name is None][:1]
    elif label == LOWEST:
        chosen = classes
    else:
        chosen = [row for row in classes if row.class_name == label]
        chosen = chosen or [row for row in classes if str(row.class_index) == label]
    if not chosen and not classes:
        way = "was not measured per class (set idc_classes to each)"
        raise NoVerdict("failed", f"{criterion} {way if criterion == IDC else _CLASSLESS}")
    if not chosen:
        raise NoVerdict.unknown("class", label or "", [row.class_name or "" for row in classes], "")
    return _judgeable(chosen)


_CLASSLESS = "has no numbers per class"


def _judgeable(rows: Sequence[CriterionRow]) -> list[CriterionRow]:
    judged = [row for row in rows if row.judged]
    if not judged:
        raise NoVerdict("not judged", why_not_judged(rows))
    able = [row for row in judged if not row_is_degenerate(row)]
    if not able:
        raise NoVerdict("not judged", "degenerate, there is only one combination")
    full = [row for row in able if row.total or row.unit != "ratio"]
    if not full:
        raise NoVerdict("not judged", "there is nothing to cover (a total of 0)")
    return full
