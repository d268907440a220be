"""Activations of the most important neurons, row by row, as arrays to work with elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.atomic import write_atomically
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.opening import output_adapter
from pytest_deepimportance.errors import ReferenceDataError, ReportError
from pytest_deepimportance.importance_results import ImportanceReport
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.models.wrappers import eager
from pytest_deepimportance.profile.forward import ForwardOnly
from pytest_deepimportance.settings import Settings

Arrays = dict[str, NDArray[np.generic]]


def chosen_activations(
    model: nn.Module,
    data: Reference,
    report: ImportanceReport,
    settings: Settings,
    *,
    progress: Callable[[int, int | None], None] | None = None,
) -> Arrays:
    """Run data through the model and keep the m most important neurons of each layer.

    They are chosen by the first method, all classes together, in the order of layer and rank.

    Raises:
        ReportError: All scores are 0.
        ReferenceDataError: A batch does not visit a layer.

    Returns:
        values (N, M) float32; names (M,), such as "fc2[7]"; layers (M,); neurons (M,) int64;
        scores (M,) float64; labels, predictions (N,) int64, -1 where unknown; digests (N,) uint64,
        equal for equal inputs; fingerprint, of the model.
    """
    model, chosen = eager(model), report.whole()[0]
    neurons = [
        (layer.name, index)
        for layer in report.layers
        for index in chosen.top(layer.name, report.m_of(layer))
    ]
    if not neurons:
        raise ReportError(
            f"all scores are 0 ({chosen.method}): no neuron is more important than another",
            "The file holds the activations of the most important ones.",
            "Leave --npz out, or choose by another method or target.",
        )
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    reader: ForwardOnly | None = None
    parts: dict[str, list[NDArray[np.generic]]] = {
        "values": [], "labels": [], "predictions": [], "digests": [],
    }  # fmt: skip
    done = 0
    for call in data.batches(settings.batch_size):
        call = call.to(device)
        reader = reader or _reader(
            model, report, settings, find_sites(model, call, output_adapter(settings))
        )
        batch = reader.attribute(call).activations
        missed = [layer.name for layer in report.layers if layer.name not in batch.layers]
        if missed:
            raise ReferenceDataError(
                f"layer {missed[0]} was not visited by a batch of {data.descriptor}",
                "Every row needs a value of each neuron.",
                "Leave the layer out: --layers A,B",
            )
        columns = [batch.array(layer)[:, index] for layer, index in neurons]
        parts["values"].append(np.stack(columns, axis=1).astype(np.float32))
        for name in ("labels", "predictions", "digests"):
            parts[name].append(getattr(batch, name))
        done += len(batch)
        if progress is not None:
            progress(done, data.rows)
    return {
        **{name: np.concatenate(arrays) for name, arrays in parts.items()},
        "names": np.array([f"{layer}[{index}]" for layer, index in neurons]),
        "layers": np.array([layer for layer, _ in neurons]),
        "neurons": np.array([index for _, index in neurons], dtype=np.int64),
        "scores": np.array([chosen.scores[layer][index] for layer, index in neurons]),
        "fingerprint": np.array(report.model.fingerprint if report.model else ""),
    }


def _reader(model: nn.Module, report: ImportanceReport, settings: Settings, sites: object
) -> ForwardOnly:  # fmt: skip
    return ForwardOnly(
        model,
        sites,  # type: ignore[arg-type]
        [layer.name for layer in report.layers],
        tap=settings.tap,
        reduce=settings.reduce,
        output=output_adapter(settings),
    )


def write_npz(arrays: Arrays, path: str | Path) -> Path:
    """Write the arrays in one step; nothing in the file needs pickle.

    Raises:
        ReportError: The file cannot be written there.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    try:
        write_atomically(Path(path), content.getvalue())
    except OSError as error:
        raise ReportError(
            f"{path} cannot be written: {error.strerror or error}",
            fix="Give a file in a folder you may write to: --npz FILE",
        ) from error
    return Path(path)
