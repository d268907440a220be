"""What qualifies the numbers of the criteria beside IDC, in plain words and with the number.

Each cause is looked for in every criterion; criteria that share one share its sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pytest_deepimportance.formatting import clean, count, listed, percent, plural
from pytest_deepimportance.readings import headline, why_not_judged
from pytest_deepimportance.reporting import measured
from pytest_deepimportance.results import CriterionRow, Report

MARK = "*"
"""Stands beside a number that a remark qualifies."""

MOST = 3
"""Remarks on the screen at most."""

_NOTABLE = Fraction(1, 10)
"""Part of the neurons or inputs from which on a cause is worth a remark."""

_IN_DOUBT = Fraction(1, 100)
"""Part of the items within rounding of a boundary that is worth a remark."""

_MOST_DROPPED = Fraction(1, 2)

_NO_BUCKET = {
    "below": "surprise of 0 or less",
    "above": "above the scale",
    "no_reference": "nothing of their class to compare with",
    "non_finite": "no finite surprise",
    "not_judged_unlabelled": "class not known",
    "not_judged_unvisited": "layer not visited",
}
"""Why an input hits no bucket of surprise, by key of the details."""


@dataclass(frozen=True)
class Remark:
    """One sentence on some criteria.

    Attributes:
        criteria: Names of those it is about.
        text: The sentence, with their names.
        weight: How much it matters: the part that is affected, 1 at most; 2 where nothing is
            measured at all.
    """

    criteria: tuple[str, ...]
    text: str
    weight: Fraction


def remarks(report: Report) -> list[Remark]:
    """Return every remark on the total's criteria beside IDC, the weightiest first."""
    rows = [row for name in measured.criteria(report) if (row := headline(report.total, name))]
    judged = [row for row in rows if row.judged]
    found = [
        *_alike(rows, _not_judged),
        *_alike(judged, lambda row: _constant(report, row)),
        *_alike(judged, _narrow),
        *_alike(judged, _unvisited),
        *_alike(judged, lambda row: _dropped(report, row)),
        *_without_bucket(judged),
        *_in_doubt(judged),
    ]
    return sorted(found, key=lambda remark: -remark.weight)


def notable(report: Report) -> set[str]:
    """Return the criteria that some remark is about: their numbers carry a mark."""
    return {name for remark in remarks(report) for name in remark.criteria}


_Said = tuple[str, Fraction] | None
"""A sentence without the criterion's name, and its weight."""


def _alike(rows: Sequence[CriterionRow], say: Callable[[CriterionRow], _Said]) -> list[Remark]:
    """Say one cause of each row, equal sentences once: "KMNC, NBC, SNAC: 34 of 236 ..."."""
    groups: dict[tuple[str, Fraction], list[str]] = {}
    for row in rows:
        said = say(row)
        if said is not None:
            groups.setdefault(said, []).append(row.criterion)
    return [
        Remark(tuple(names), f"{_listed(names)}: {text}", weight)
        for (text, weight), names in groups.items()
    ]


def _listed(names: Sequence[str]) -> str:
    return listed(map(measured.shown_name, names))


def _not_judged(row: CriterionRow) -> _Said:
    if row.judged and not (row.unit == "ratio" and not row.total):
        return None
    why = "there is nothing to cover" if row.judged else why_not_judged([row])
    return f"not judged, {why}", Fraction(2)


def _constant(report: Report, row: CriterionRow) -> _Said:
    constant = _number(row, "degenerate_neurons")
    names = measured.layers_of(report.total, row.criterion)
    neurons = sum(layer.neurons for layer in report.profile.layers if layer.name in names)
    # With `reduce = none` a row of the profile counts channels, and every position is a neuron.
    if not constant or constant > neurons or Fraction(constant, neurons) < _NOTABLE:
        return None
    text = f"{count(constant)} of {plural(neurons, 'neuron')} are constant in the reference"
    return text, Fraction(constant, neurons)


def _narrow(row: CriterionRow) -> _Said:
    names = row.details.get("narrow_layers")
    if not names:
        return None
    who = f"layer {listed(names)} has" if len(names) == 1 else f"layers {listed(names, 3)} have"
    k = row.details.get("k")
    return f"{who} at most k={k} neurons, which any input covers", Fraction(1, 20)


def _unvisited(row: CriterionRow) -> _Said:
    names = row.details.get("unvisited_layers")
    if not names:
        return None
    what = "layer" if len(names) == 1 else "layers"
    text = f"the tests never ran {what} {listed(names, 3)}, whose items count all the same"
    return text, Fraction(1, 2)


def _dropped(report: Report, row: CriterionRow) -> _Said:
    dropped, layer = row.details.get("dropped_columns") or (), row.details.get("layer")
    width = next((item.neurons for item in report.profile.layers if item.name == layer), 0)
    if not width or not _MOST_DROPPED <= Fraction(len(dropped), width) <= 1:
        return None
    text = f"{count(len(dropped))} of {plural(width, 'neuron')} hardly vary and are left out"
    return text, Fraction(len(dropped), width)


def _without_bucket(rows: Sequence[CriterionRow]) -> list[Remark]:
    """Say in one sentence how many inputs hit no bucket of surprise, and mostly why."""
    found = [(row, *bucketless(row)) for row in rows]
    found = [(row, n, why) for row, n, why in found if n and Fraction(n, row.inputs) >= _NOTABLE]
    if not found:
        return []
    names = tuple(row.criterion for row, _, _ in found)
    if len(found) == 1:
        text = f"{_listed(names)}: {without_bucket(found[0][0])}"
    else:
        parts = ", ".join(f"{_listed([row.criterion])} {count(n)} ({w})" for row, n, w in found)
        text = f"of {plural(found[0][0].inputs, 'input')} these hit no bucket: {parts}"
    return [Remark(names, text, max(Fraction(n, row.inputs) for row, n, _ in found))]


def without_bucket(row: CriterionRow) -> str:
    """Say how many inputs hit no bucket of surprise; empty where all do."""
    lost, why = bucketless(row)
    return f"{count(lost)} of {plural(row.inputs, 'input')} hit no bucket ({why})" if lost else ""


def bucketless(row: CriterionRow) -> tuple[int, str]:
    """Return how many inputs hit no bucket of surprise, and mostly why; 0 for other criteria."""
    if "upper" not in row.details:
        return 0, ""
    causes = {key: _number(row, key) for key in _NO_BUCKET}
    lost = min(sum(causes.values()), row.inputs)
    most = max(causes, key=lambda key: causes[key])
    why = _NO_BUCKET[most]
    without = row.details.get("no_density") or ()
    if most == "non_finite" and without:
        why = f"no density for {plural(len(without), 'class', 'classes')}"
    return lost, why if causes[most] >= lost else f"mostly {why}"


def _in_doubt(rows: Sequence[CriterionRow]) -> list[Remark]:
    """Say which numbers another device or batch size could move by more than a little."""
    found = []
    for row in rows:
        whole = _doubtable(row)
        near = _number(row, "near_boundary")
        if whole and Fraction(near, whole) > _IN_DOUBT:
            found.append((row.criterion, min(Fraction(near, whole), Fraction(1))))
    if not found:
        return []
    parts = ", ".join(f"{measured.shown_name(n)} {percent(part, unit=' %')}" for n, part in found)
    text = f"within rounding of a boundary, so devices may differ: {parts}"
    return [Remark(tuple(name for name, _ in found), text, max(part for _, part in found))]


def _doubtable(row: CriterionRow) -> int:
    """Return how many items, or inputs where these are counted, could be in doubt."""
    if "upper" in row.details or "squared" in row.details:
        return row.inputs
    return row.total if row.unit == "ratio" else int(row.covered)


def _number(row: CriterionRow, key: str) -> int:
    value = row.details.get(key, 0)
    return value if isinstance(value, int) else 0


def below_random(report: Report) -> list[str]:
    """Name the criteria of which the suite covers less than random suites of its size."""
    rows = [headline(report.total, name) for name in measured.criteria(report)]
    low = [
        (row.criterion, row.random)
        for row in rows
        if row and row.judged and row.random and row.random.comparable
        if row.random.covered < row.random.low
    ]
    if not low:
        return []
    texts = [
        f"{clean(name)} {count(suite.covered)} ({count(suite.low)}-{count(suite.high)})"
        for name, suite in low
    ]
    known = "" if low[0][1].source else ", which the model may know by heart (see idc_null)"
    drawn = clean(low[0][1].source) or "the reference"
    return [f"less than random suites from {drawn}{known} cover: {', '.join(texts)}"]


def sentences(report: Report, *, every: bool = False) -> list[str]:
    """Return the weightiest remarks as text, or `every` one."""
    return [clean(remark.text) for remark in remarks(report)[: None if every else MOST]]
