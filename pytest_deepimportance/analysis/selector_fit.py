"""Fit a selector, and hold it against always choosing the overall winner, on unseen inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_deepimportance import __version__
from pytest_deepimportance.analysis.intervals import mean, part
from pytest_deepimportance.analysis.selector import Selector
from pytest_deepimportance.analysis.selector_classifier import KINDS, LinearMaps, learn
from pytest_deepimportance.analysis.selector_rows import SelectorRows
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.selector_results import SelectorReport

FEWEST_INPUTS = 20
"""Inputs with a winner that are needed at least."""


def fit_selector(
    features: ArrayLike,
    gains: ArrayLike,
    methods: Sequence[str],
    *,
    layers: Sequence[str] | None = None,
    inputs: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    kind: str = "logistic",
    held_out: float = 0.3,
    seed: int = 0,
    fingerprint: str = "",
    notes: Sequence[str] = (),
) -> Selector:
    """Learn which method would win, and measure on held-out inputs how often that is right.

    Args:
        features: (N, D) of each row's input, such as the values of the last hidden layer.
        gains: (N, A): loss after pruning the method's neurons minus loss before.
        methods: Names of the A methods.
        layers: Name of each row's layer, (N,), where an input has a row for each of several layers.
        inputs: What tells which rows belong to the same input, (N,); default: each its own.
        classes: Predicted class of each row's input, (N,): the selector is also held against always
            choosing the winner of the class.
        kind: "logistic" (multinomial, L2) or "mlp" (256-128-64 as in the research code).
        held_out: Part of the inputs that the report is measured on and nothing is learned from.
        seed: Of the split and of the network.
        fingerprint: Of the model. notes: For the report.

    Raises:
        AttributionError: Arrays that do not fit together, an unknown kind, or too few inputs.
    """
    given = SelectorRows.checked(features, gains, methods, layers, inputs, classes)
    return fit_rows(
        given, kind=kind, held_out=held_out, seed=seed, fingerprint=fingerprint, notes=notes
    )


def fit_rows(
    given: SelectorRows,
    *,
    kind: str = "logistic",
    held_out: float = 0.3,
    seed: int = 0,
    fingerprint: str = "",
    notes: Sequence[str] = (),
) -> Selector:
    """Do what `fit_selector` does, on rows that were checked."""
    if kind not in KINDS or not 0 < held_out < 1:
        raise AttributionError(
            f"a selector of kind {kind!r} with held_out {held_out!r} is not known",
            fix=f"Kinds: {', '.join(KINDS)}; held_out is a part between 0 and 1.",
        )
    judged = given.gains.max(axis=1) > 0
    rows = given.select(judged)
    _check_enough(rows, given)
    held = rows.held_out(held_out, seed)
    fitted, test = rows.select(~held), rows.select(held)
    winner = int(fitted.winning().sum(axis=0).argmax())
    maps, said = learn(fitted, winner, kind, seed)
    report = SelectorReport(
        version=__version__,
        kind=kind,
        seed=seed,
        held_out=held_out,
        methods=given.methods,
        layers=given.layers,
        features=given.features.shape[1],
        fingerprint=fingerprint,
        rows=len(given.gains),
        inputs=len(np.unique(given.inputs)),
        abstained=int((~judged).sum()),
        tied=int((rows.winning().sum(axis=1) > 1).sum()),
        fitted_rows=len(fitted.gains),
        held_rows=len(test.gains),
        held_inputs=len(np.unique(test.inputs)),
        winner=given.methods[winner],
        **_measured(maps, fitted, test, winner),
        scores=given.table(),
        notes=(*notes, *said),
    )
    return Selector(maps, report)


def _check_enough(rows: SelectorRows, given: SelectorRows) -> None:
    found = len(np.unique(rows.inputs))
    if found < FEWEST_INPUTS:
        raise AttributionError(
            f"only {found} of {len(np.unique(given.inputs))} inputs have a winner; "
            f"{FEWEST_INPUTS} are needed",
            "A method wins where pruning its neurons raises the loss; nothing can be learned from "
            "so few.",
            "Give more inputs, or let more neurons be pruned: --m",
        )


def _measured(
    maps: LinearMaps, fitted: SelectorRows, test: SelectorRows, winner: int
) -> dict[str, Any]:
    """Return the figures of the report that are measured on held-out rows."""
    rows, winning = np.arange(len(test.gains)), test.winning()
    chosen = maps.choose(test.columns())
    right, usual = winning[rows, chosen], winning[:, winner]
    of_kind = _winners_of_kinds(fitted, test, winner)
    known = None if of_kind is None else winning[rows, of_kind]
    own, always = test.gains[rows, chosen], test.gains[:, winner]
    return {
        "accuracy": part(right, test.inputs),
        "baseline": part(usual, test.inputs),
        "difference": mean(right.astype(np.float64) - usual, test.inputs),
        "by_class": None if known is None else part(known, test.inputs),
        "beyond_class": (
            None if known is None else mean(right.astype(np.float64) - known, test.inputs)
        ),
        "gain": float(own.mean()),
        "gain_of_winner": float(always.mean()),
        "gain_of_best": float(test.gains.max(axis=1).mean()),
        "gain_difference": mean(own - always, test.inputs),
    }


def _winners_of_kinds(
    fitted: SelectorRows, test: SelectorRows, winner: int
) -> NDArray[np.int64] | None:
    """Return for each row the method with the most wins among fitted rows of its class and layer.

    Of equal ones, and where no such row was fitted, the overall `winner`.
    """
    theirs, kinds = fitted.kinds(), test.kinds()
    if theirs is None or kinds is None:
        return None
    winning, chosen = fitted.winning(), np.full(len(kinds), winner)
    for kind in np.unique(kinds):
        wins = winning[theirs == kind].sum(axis=0)
        if wins[winner] < wins.max():
            chosen[kinds == kind] = wins.argmax()
    return chosen
