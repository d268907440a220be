"""What one forward and one backward pass have read, put together for all rows of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pytest_deepimportance.attribution.base import AttributionBatch, Conservation
from pytest_deepimportance.attribution.lrp import checks
from pytest_deepimportance.attribution.lrp.ledger import conservation
from pytest_deepimportance.attribution.lrp.passing import Pass
from pytest_deepimportance.attribution.lrp.watch import Watch
from pytest_deepimportance.data.activations import UNKNOWN, ActivationBatch
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.digests import row_digests


@dataclass
class Forward:
    """One forward pass under the engine: class scores, and what relevance starts from.

    `scores` is the target as the only column where it is a callable and there are no class scores.
    """

    run: Pass
    watch: Watch
    scores: Tensor
    target: Tensor


def collected(
    call: ModelCall,
    forward: Forward,
    target: Tensor,
    *,
    names: Sequence[str],
    also: Sequence[str],
    method: str,
) -> AttributionBatch:
    """Return relevance, activations and accounts of a batch whose backward pass has run.

    Args:
        target: (N,), outside the graph.
        names: Layers whose relevance is wanted.
        also: Layers whose activations are.
        method: Name and rule, for errors.

    Raises:
        AttributionError: A layer was not reached or has other rows; relevance is not finite.
    """
    watch, ledger = forward.watch, forward.run.ledger
    checks.check_visited(names, watch.values, call.rows)
    relevance = {
        name: watch.relevance.get(name, torch.zeros_like(watch.values[name].values))
        for name in names
    }
    usable = torch.isfinite(target)
    extra = [name for name in also if name in watch.values]
    read = [*names, *(n for n in extra if len(watch.values[n].values) == call.rows)]
    for name in read:
        usable &= watch.values[name].finite()
    finite = torch.stack([torch.isfinite(relevance[name]).all(1) for name in names])
    accounts = torch.empty(0, call.rows) if ledger is None else ledger.table(target)
    # One transfer: a device is waited for once a batch.
    columns = (forward.scores.detach().argmax(1)[None], usable[None], finite, accounts)
    table = torch.cat([part.to(accounts.dtype).to(target.device) for part in columns]).cpu()
    rows = table[1] > 0
    checks.check_finite(method, relevance, table[2 : 2 + len(names)] > 0, rows)
    if not bool(rows.all()):
        off = ~rows.to(target.device)[:, None]
        relevance = {name: r.masked_fill(off, 0.0) for name, r in relevance.items()}
    kept = Conservation() if ledger is None else conservation(table[2 + len(names) :], rows)
    predictions = table[0].numpy().astype(np.int64)
    if forward.scores.shape[1] == 1:
        predictions[:] = UNKNOWN
    activations = ActivationBatch(
        layers={name: watch.values[name] for name in read},
        digests=row_digests(call),
        predictions=predictions,
        labels=_labels(call),
    )
    return AttributionBatch(activations, relevance, kept)


def _labels(call: ModelCall) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if call.labels is None:
        return np.full(call.rows, UNKNOWN, dtype=np.int64)
    labels: np.ndarray[tuple[int], np.dtype[np.int64]] = call.labels.detach().cpu().numpy()
    return labels.astype(np.int64)
