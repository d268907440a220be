"""Small activations for which a criterion is compared with its slow twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_deepimportance.criteria import base
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.settings import from_keywords
from pytest_deepimportance.statistics.bounds import Bounds
from pytest_deepimportance.statistics.moments import Moments

Arrays = Mapping[str, np.ndarray[Any, Any]]
WIDTHS = {"one": 1, "wide": 6, "fc": 3}

values = st.one_of(
    st.sampled_from([0.0, 0.5, 1.0, -1.0, 2.0]),  # ties, edges and dead neurons are common
    st.floats(-4, 4, width=32),
)


@st.composite
def layers(draw: st.DrawFn, smallest: int = 1, largest: int = 7) -> dict[str, Any]:
    rows = draw(st.integers(smallest, largest))
    kind = draw(st.sampled_from([np.float32, np.float64]))
    return {
        name: draw(hnp.arrays(np.float32, (rows, width), elements=values)).astype(kind)
        for name, width in WIDTHS.items()
    }


def batch(arrays: Arrays) -> ActivationBatch:
    """Rows as a criterion gets them; (N, C, H, W) as channel means with the maps' extremes."""
    rows = len(next(iter(arrays.values())))
    given = {}
    for name, array in arrays.items():
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if tensor.dim() == 2:
            given[name] = LayerValues(tensor)
        else:
            maps = tensor.double()
            axes = tuple(range(1, tensor.dim()))
            given[name] = LayerValues(maps.mean(axes[1:]), maps.amin(axes), maps.amax(axes))
    unknown = np.full(rows, -1, dtype=np.int64)
    return ActivationBatch(given, np.arange(rows, dtype=np.uint64), unknown, unknown)


def provided(train: Arrays) -> dict[str, Any]:
    reference = batch(train)
    bounds, moments = Bounds(), Moments()
    for name in train:
        bounds.update(name, reference.array(name))
        moments.update(name, reference.array(name))
    widths = {name: reference.array(name).shape[1] for name in train}
    distances = dict.fromkeys(train, 1.0)
    return {"layers": widths, "bounds": bounds, "moments": moments, "distances": distances}


def measured(name: str, train: Arrays, tests: Arrays, **settings: Any) -> base.Criterion:
    """Return the criterion after `tests`; without tolerance unless asked for."""
    chosen = from_keywords(**{"bounds_tolerance": 0.0, **settings})
    criterion = base.create(name, provided(train), chosen)
    criterion.update(batch(tests))
    return criterion


def numbers(criterion: base.Criterion) -> tuple[float, int]:
    row = criterion.compute()[0]
    return row.covered, row.total
