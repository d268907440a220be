"""Measure activations that were recorded elsewhere, by any framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch, LayerValues
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.engine.assemble import assemble
from pytest_deepimportance.engine.sessions import SessionState, TestState
from pytest_deepimportance.engine.states import measured, new_criteria
from pytest_deepimportance.errors import BatchError, LayerError, ReferenceDataError, SettingsError
from pytest_deepimportance.profile.from_activations import profile_of_activations
from pytest_deepimportance.results import Report, RunInfo
from pytest_deepimportance.settings import from_keywords
from pytest_deepimportance.statistics.class_moments import ClassMoments
from pytest_deepimportance.statistics.density import ClassDensities
from pytest_deepimportance.statistics.distance_ratio import DistanceRatios
from pytest_deepimportance.statistics.gathering import INVERSES
from pytest_deepimportance.statistics.mahalanobis import MahalanobisDistances
from pytest_deepimportance.statistics.traces import Traces

Layers = Mapping[str, Any]
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
    importance: Importance | Mapping[str, Any] | None = None,
    **settings: Any,
) -> Report:
    """Measure what `inputs` exercise, from activations of both.

    Args:
        reference, inputs: By layer name, in network order, arrays or tensors (N, U) or with
            positions, (N, C, H, W): a channel is a neuron, its value the mean over positions. All
            layers count for NC to TKNP, CC and NLC; IDC, LSC, DSC and MDSC use `layer` and
            `surprise_layer`, by default the second to last, or the only one.
        criteria: Names of criteria, or "all".
        reference_predictions, input_predictions: Predicted class of each row, (N,).
        reference_labels, input_labels: True class of each row, (N,).
        importance: Scores of neurons by layer, (U,): IDC is left out without them.
        settings: Any setting of the table as a keyword.

    Returns:
        The report; what could not be measured is said in its notes.

    Raises:
        BatchError: An array or a column of classes has another form than said above.
        LayerError: The inputs have other layers, or other neurons, than the reference.
        ReferenceDataError: There are too few usable reference rows.
    """
    chosen = from_keywords(criteria=criteria, **settings)
    learned, left_out = _batch(reference, reference_predictions, reference_labels, "reference")
    seen, unusable = _batch(inputs, input_predictions, input_labels, "inputs")
    _check_layers(learned, seen)
    if importance is not None and not isinstance(importance, Importance):
        importance = Importance({name: np.asarray(s) for name, s in importance.items()})
    profile = profile_of_activations(learned, chosen, importance, left_out)
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
    )
    return assemble(profile, chosen, session)


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
        reference, inputs: (R, U) and (N, U), or with positions, (N, C, H, W).
        reference_predictions, input_predictions: Class of each row, (R,) and (N,). Without them
            all rows are one class (LSA and MDSA only).
        variance_threshold: LSA leaves out neurons whose variance in any class is below it.
        inverse: MDSA: "ridge" or "pinv".

    Returns:
        (N,) float64; NaN where there is none: a class absent from the reference, a covariance
        without an inverse (LSA), a row with NaN or infinity.

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
    learned, left_out = _batch({"layer": reference}, reference_predictions, None, "reference")
    if left_out:
        raise ReferenceDataError(
            f"{left_out} reference rows hold NaN or infinity",
            "They are no activations to compare with.",
            "Leave them out: reference[np.isfinite(reference).all(axis=1)], and their classes.",
        )
    rows = _rows(inputs)
    values = _values("layer", inputs, "inputs")
    given = _classes(input_predictions, rows, "input_predictions")
    own = learned.array("layer")
    if values.values.shape[1] != own.shape[1]:
        raise LayerError(
            f"the inputs have {values.values.shape[1]} neurons, the reference {own.shape[1]}"
        )
    single = reference_predictions is None or input_predictions is None
    classes = np.zeros(len(own), np.int64) if single else learned.predictions
    asked = np.zeros(rows, np.int64) if single else given
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


def _batch(layers: Layers, predictions: Any, labels: Any, what: str) -> tuple[ActivationBatch, int]:
    """Return the finite rows, and how many are not."""
    if not layers:
        raise BatchError(f"{what}: no layer is given", fix='Give {"layer name": array (N, U), ...}')
    rows = {name: _rows(array) for name, array in layers.items()}
    count = next(iter(rows.values()))
    if set(rows.values()) != {count}:
        raise BatchError(
            f"{what}: the layers have different numbers of rows: "
            + ", ".join(f"{name} {number}" for name, number in rows.items()),
            fix="Every layer needs one row per input, in the same order.",
        )
    values = {str(name): _values(name, array, what) for name, array in layers.items()}
    tensors = {name: layer.values for name, layer in values.items()}
    batch = ActivationBatch(
        values,
        row_digests(ModelCall((), tensors, None, count)),
        _classes(predictions, count, f"{what}: predictions"),
        _classes(labels, count, f"{what}: labels"),
    )
    finite = batch.finite()
    return (batch, 0) if finite.all() else (batch.select(finite), int((~finite).sum()))


def _rows(array: Any) -> int:
    shape = getattr(array, "shape", None)
    if not shape or len(shape) < 2:
        raise BatchError(
            f"activations of shape {tuple(shape) if shape is not None else type(array).__name__}",
            fix="Give an array or tensor (N, U), or (N, C, H, W).",
        )
    return int(shape[0])


def _values(name: str, array: Any, what: str) -> LayerValues:
    tensor = array.detach().cpu() if isinstance(array, torch.Tensor) else _as_tensor(array)
    if not tensor.is_floating_point():
        raise BatchError(
            f"{what}: layer {name!r} holds {tensor.dtype}, not activations",
            fix="Give floating-point values.",
        )
    if tensor.dim() == 2:
        return LayerValues(tensor if tensor.dtype == torch.float64 else tensor.float())
    maps = tensor.double().flatten(2)
    return LayerValues(maps.mean(2), maps.amin((1, 2)), maps.amax((1, 2)))


def _as_tensor(array: Any) -> torch.Tensor:
    """Return an array of any layout and byte order as a tensor."""
    own = np.asarray(array)
    return torch.from_numpy(np.require(own, own.dtype.newbyteorder("="), ["C", "W"]))


def _classes(values: Any, rows: int, what: str) -> NDArray[np.int64]:
    if values is None:
        return np.full(rows, UNKNOWN, dtype=np.int64)
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    array = np.asarray(array)
    if array.shape != (rows,) or array.dtype.kind not in "iub":
        raise BatchError(
            f"{what}: {array.dtype} of shape {array.shape} for {rows} rows",
            fix="Give one whole number per row, (N,), -1 where there is no class.",
        )
    return array.astype(np.int64)


def _check_layers(reference: ActivationBatch, inputs: ActivationBatch) -> None:
    widths = [
        {name: layer.values.shape[1] for name, layer in batch.layers.items()}
        for batch in (reference, inputs)
    ]
    if widths[0] != widths[1]:
        raise LayerError(
            f"the inputs have layers {widths[1]}, the reference has {widths[0]}",
            "Neurons are compared one by one.",
            "Record both from the same layers of the same model.",
        )
