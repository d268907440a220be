"""The per-input scores of the methods as a table to work with elsewhere."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from pytest_deepimportance.analysis.selector import Selector
from pytest_deepimportance.analysis.selector_gains import Gathered
from pytest_deepimportance.atomic import write_atomically
from pytest_deepimportance.errors import ReportError


def per_input(found: Gathered, selector: Selector, path: str | Path) -> Path:
    """Write one line for each input and layer.

    Columns: row (number of the input), label and prediction (-1: unknown), layer (empty: all
    together), gain of each method, winners (joined by +, empty where no method has a gain), chosen
    (by the selector), held_out (1 where nothing was learned from the row).

    Raises:
        ReportError: It cannot be written there.
    """
    rows = found.rows()
    held = selector.held_out(rows)
    winning, inputs = rows.winning(), len(found.features.digests)
    chosen = selector.maps.choose(rows.columns())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    gains = [f"gain_{method}" for method in rows.methods]
    writer.writerow(
        ["row", "label", "prediction", "layer", *gains, "winners", "chosen", "held_out"]
    )
    for at in range(len(rows.gains)):
        own = at % inputs
        writer.writerow(
            [
                own,
                int(found.features.labels[own]),
                int(found.features.predictions[own]),
                rows.layers[rows.layer[at]] if rows.layers else "",
                *(repr(float(gain)) for gain in rows.gains[at]),
                "+".join(rows.methods[w] for w in np.flatnonzero(winning[at])),
                rows.methods[chosen[at]],
                int(held[at]),
            ]
        )
    try:
        write_atomically(Path(path), text.getvalue().encode())
    except OSError as error:
        raise ReportError(
            f"{path} cannot be written: {error.strerror or error}",
            fix="Give a file in a folder you may write to: --csv FILE",
        ) from error
    return Path(path)
