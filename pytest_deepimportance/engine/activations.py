"""Measure activations that were recorded elsewhere, by any framework."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.given import (
    Layers,
    as_batch,
    as_classes,
    as_values,
    check_layers,
    check_width,
    row_count,
    strangers,
)
from pytest_deepimportance.engine.reducing import measured
from pytest_deepimportance.engine.sessions import SessionState, TestState
from pytest_deepimportance.engine.states import new_criteria
from pytest_deepimportance.errors import ReferenceDataError, SettingsError
from pytest_deepimportance.formatting import plural
from pytest_deepimportance.profile.from_activations import profile_of_activations
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.settings import from_keywords
from pytest_deepimportance.statistics.class_moments import ClassMoments
from pytest_deepimportance.statistics.density import ClassDensities
from pytest_deepimportance.statistics.distance_ratio import DistanceRatios
from pytest_deepimportance.statistics.gathering import INVERSES
from pytest_deepimportance.statistics.mahalanobis import MahalanobisDistances
from pytest_deepimportance.statistics.traces import Traces

_NAME = "activations"
_KINDS = {"LSC": "LSA", "DSC": "DSA", "MDSC": "MDSA"}


def measure_activations(
    reference: Layers,
    inputs: Layers,
    *,
    criteria: Any = "all",
    reference_predictions: Any = None,
    input_predictions: Any = None,
    reference_labels: Any = None,
    input_labels: Any = None,
    importance: Importance | Mapping[str, Any] | str | Path | None = None,
    **settings: Any,
) -> Report:
    """Measure what `inputs` exercise, from activations of both.

    Args:
        reference: By layer name, in network order, arrays or tensors (N, U) or with positions,
            (N, C, H, W): a channel is a neuron, its value the mean over positions. All layers
            count for NC to TKNP, CC and NLC; IDC, LSC, DSC and MDSC use `layer` and
            `surprise_layer`, by default the second to last, or the only one.
        inputs: In the same form.
        criteria: Names of criteria, or "all".
        reference_predictions: Predicted class of each row, (N,).
        input_predictions: The same of the inputs.
        reference_labels: True class of each row, (N,).
        input_labels: The same of the inputs.
        importance: Scores of neurons by layer, (U,), or their file: IDC is left out without them.
        settings: Any setting of the table as a keyword.

    Returns:
        The report; what could not be measured is said in its notes.

    Raises:
        BatchError: An array or a column of classes has another form than said above.
        LayerError: The inputs have other layers, or other neurons, than the reference.
        ReferenceDataError: There are too few usable reference rows.
    """
    chosen = from_keywords(criteria=criteria, **settings)
    learned, left_out = as_batch(reference, reference_predictions, reference_labels, "reference")
    seen, unusable = as_batch(inputs, input_predictions, input_labels, "inputs")
    check_layers(learned, seen)
    apart = (
        strangers(learned.predictions, seen.predictions, "predictions"),
        strangers(learned.labels, seen.labels, "labels"),
    )
    profile = profile_of_activations(learned, chosen, _scores(importance), left_out)
    profile = profile.with_m(chosen.m)
    state = measured(
        _NAME, "test", [seen], new_criteria(profile, chosen), non_finite={"inputs": unusable}
    )
    test = TestState(
        nodeid=_NAME,
        suite=_NAME,
        outcome="passed",
        counts=True,
        claims=(("main", _NAME),),
        passes=1,
        inputs=len(np.unique(seen.digests)),
        cause="" if len(seen) else "no rows were given",
    )
    session = SessionState(
        tests=(test,),
        blocks={_NAME: {"main": state}},
        run=RunInfo(marked_collected=1, marked_ran=1),
        notes=tuple(text for text in apart if text),
    )
    return assemble(profile, chosen, session)


def _scores(given: Importance | Mapping[str, Any] | str | Path | None) -> Importance | None:
    if isinstance(given, (str, Path)):
        read = Importance.load(given)
        note = f"importance from {read.source}: activations name no model to compare it with"
        return dataclasses.replace(read, notes=(note, *read.notes))
    if given is None or isinstance(given, Importance):
        return given
    return Importance({name: np.asarray(scores) for name, scores in given.items()})


def surprise_adequacy(
    kind: str,
    reference: Any,
    inputs: Any,
    *,
    reference_predictions: Any = None,
    input_predictions: Any = None,
    variance_threshold: float = 1e-5,
    inverse: str = "ridge",
) -> NDArray[np.float64]:
    """Return how surprising each input is, given the reference's activations of one layer.

    Kim, Feldt, Yoo: Guiding Deep Learning System Testing Using Surprise Adequacy, ICSE 2019
    (LSA: section III-A, DSA: section III-B); Kim, Ju, Feldt, Yoo: FSE 2020 (MDSA).

    Args:
        kind: "LSA" (nats), "DSA" (ratio of distances) or "MDSA" (distance in deviations).
        reference: (R, U), or with positions, (R, C, H, W).
        inputs: (N, U), or with positions.
        reference_predictions: Class of each row, (R,). Without them all rows are one class (LSA
            and MDSA only).
        input_predictions: The same of the inputs, (N,).
        variance_threshold: LSA leaves out neurons whose variance in any class is below it.
        inverse: MDSA: "ridge" or "pinv".

    Returns:
        (N,) float64; NaN where there is none: a class absent from the reference (a warning says so
        where that holds of every input), a covariance without an inverse (LSA), a row with NaN or
        infinity.

    Raises:
        SettingsError: The kind does not exist, or needs classes.
        ReferenceDataError: The reference holds NaN or infinity.
        LayerError: Reference and inputs have different numbers of neurons.
    """
    name = _KINDS.get(kind.upper(), kind.upper())
    if name not in _KINDS.values():
        raise SettingsError(f"there is no surprise adequacy {kind!r}", fix="LSA, DSA or MDSA.")
    if inverse not in INVERSES:
        raise SettingsError(f"inverse = {inverse!r} is not known", fix=f"{' or '.join(INVERSES)}.")
    if name == "DSA" and (reference_predictions is None or input_predictions is None):
        raise SettingsError(
            "DSA compares the distance to the own class with that to the others",
            fix="Give reference_predictions and input_predictions, (N,).",
        )
    own_rows = row_count(reference, "reference")
    learned, left_out = as_batch({"layer": reference}, reference_predictions, None, "reference")
    if left_out:
        raise ReferenceDataError(
            f"{left_out} of {plural(own_rows, 'reference row')} hold NaN or infinity",
            "They are no activations to compare with.",
            "Leave them out: reference[np.isfinite(reference).all(axis=1)], and their classes.",
        )
    rows = row_count(inputs, "inputs")
    values = as_values(inputs, "inputs")
    given = as_classes(input_predictions, rows, "input_predictions")
    own = learned.array("layer")
    check_width("layer", own, values.values.numpy())
    single = reference_predictions is None or input_predictions is None
    classes = np.zeros(len(own), np.int64) if single else learned.predictions
    asked = np.zeros(rows, np.int64) if single else given
    apart = strangers(classes, asked, "predictions")
    if apart:
        warnings.warn(f"surprise_adequacy: {apart}", stacklevel=2)
    finite = values.finite().numpy() & (asked != UNKNOWN)
    result = np.full(rows, np.nan)
    known = classes != UNKNOWN
    found = values.values.numpy()[finite]
    if name == "MDSA":
        moments = ClassMoments()
        moments.update(own[known], classes[known])
        result[finite] = MahalanobisDistances(moments, inverse).distances(found, asked[finite])
        return result
    traces = Traces(max(len(own), 1))
    traces.update(own[known], classes[known], learned.digests[known])
    if name == "LSA":
        densities = ClassDensities(traces, variance_threshold)
        result[finite] = densities.minus_log_density(found, asked[finite])
    else:
        result[finite] = DistanceRatios(traces).ratios(found, asked[finite])
    return result
