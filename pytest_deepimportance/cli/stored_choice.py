"""What of stored importance is asked for: layers, methods, classes."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_deepimportance.cli.importance_options import names_of
from pytest_deepimportance.errors import ReportError, did_you_mean
from pytest_deepimportance.importance_results import ImportanceReport, ScoreSet, TopSets

if TYPE_CHECKING:
    from pytest_deepimportance.results import Report

_EVERYTHING = "all"
_EACH = (None, "each")


@dataclass(frozen=True)
class StoredRun:
    """A report of a test run, and the important neurons it names.

    Attributes:
        others: Reports of further models in the same file.
    """

    report: Report
    tops: tuple[TopSets, ...]
    others: int = 0


def chosen(
    found: ImportanceReport | StoredRun, options: argparse.Namespace
) -> ImportanceReport | StoredRun:
    """Return the part of a file that the options name.

    Raises:
        ReportError: The file holds no such layer, method or class.
    """
    if isinstance(found, StoredRun):
        return _of_run(found, options)
    layers = _named(options, "layers", [layer.name for layer in found.layers])
    methods = _named(options, "method", list(dict.fromkeys(own.method for own in found.sets)))
    sets = [
        dataclasses.replace(own, scores={name: own.scores[name] for name in layers})
        for own in found.sets
        if own.method in methods and _has_class(own, options.classes)
    ]
    names = [own.class_name for own in found.sets if own.class_index is not None]
    if options.classes not in (None, _EVERYTHING) and len(sets) == len(_whole(sets)):
        raise _none(options, "classes", options.classes, names)
    return dataclasses.replace(
        found, layers=tuple(y for y in found.layers if y.name in layers), sets=tuple(sets)
    )


def _of_run(found: StoredRun, options: argparse.Namespace) -> StoredRun:
    if options.methods is not None:
        raise ReportError(
            f"--method {options.methods}: {options.stored} is a report of a test run",
            "It names the neurons that were measured, by one method.",
            "Leave --method out.",
        )
    layers = _named(options, "layers", [sets.layer for sets in found.tops])
    kept, names = [], [name for sets in found.tops for name in sets.tops]
    for sets in found.tops:
        own = {n: top for n, top in sets.tops.items() if options.classes in (*_EACH, n)}
        if sets.layer in layers and own:
            kept.append(dataclasses.replace(sets, tops=own))
    if not kept:
        raise _none(options, "classes", options.classes, names)
    return dataclasses.replace(found, tops=tuple(kept))


def _named(options: argparse.Namespace, what: str, known: Sequence[str]) -> Sequence[str]:
    """Return the names of one kind that are asked for, in the order of the file."""
    given = options.only_layers if what == "layers" else options.methods
    names = names_of(given, f"--{what}")
    if names is None:
        return known
    if what == "method":
        names = tuple(map(_method, names))
    for name in names:
        if name not in known:
            raise _none(options, what, name, known)
    return [name for name in known if name in names]


def _method(name: str) -> str:
    from pytest_deepimportance.attribution.base import method_name

    return method_name(name)


def _has_class(found: ScoreSet, asked: str | None) -> bool:
    """Return whether scores are those of all classes, or of a class that is asked for."""
    if found.class_index is None or asked in _EACH:
        return True
    return asked in (found.class_name, str(found.class_index))


def _whole(sets: Sequence[ScoreSet]) -> list[ScoreSet]:
    return [own for own in sets if own.class_index is None]


def _none(options: argparse.Namespace, what: str, name: str, known: Sequence[str]) -> ReportError:
    there = ", ".join(dict.fromkeys(filter(None, known))) or "none"
    return ReportError(
        f"--{what} {name}: {options.stored} holds nothing of it",
        "Stored results are shown, nothing is computed.",
        did_you_mean(name, known) or f"There are: {there}",
    )
