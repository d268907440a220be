"""States of blocks without pytest and without a recorder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.engine.sessions import SessionState, TestState
from pytest_deepimportance.engine.states import BlockState, new_criteria
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import from_keywords
from tests.profile.builders import Mlp


def batch_of(x: torch.Tensor, labels: torch.Tensor | None = None) -> ActivationBatch:
    model = Mlp()
    with torch.no_grad():
        # Row by row: the last digits of a product may depend on the number of rows.
        first = torch.cat([torch.relu(model.fc1(row)) for row in x.split(1)])
        second = torch.cat([torch.relu(model.fc2(row)) for row in first.split(1)])
        scores = model.fc3(second)
    layers = {
        name: LayerValues(values, values.amin(dim=1), values.amax(dim=1))
        for name, values in (("fc1", first), ("fc2", second))
    }
    unknown = np.full(len(x), -1)
    return ActivationBatch(
        layers, row_digests(as_call(x)), scores.argmax(dim=1).numpy(),
        unknown if labels is None else labels.numpy(),
    )  # fmt: skip


# Not NLC and CC, whose numbers depend on how often and in which order rows come, by definition.
SETTINGS = from_keywords(criteria="IDC,NC,KMNC,NBC,SNAC,TKNC,TKNP,LSC,DSC,MDSC")


def state_of_rows(
    profile: Profile, key: str, x: torch.Tensor, labels: torch.Tensor | None = None, **changes: int
) -> BlockState:
    """The state of a block that recorded `x` in one pass."""
    batch = batch_of(x, labels)
    criteria = new_criteria(profile, SETTINGS)
    for criterion in criteria.values():
        criterion.update(batch)
    return BlockState(
        key, "fixture" if key.startswith("fixture") else "test", 1, batch.digests, batch.labels,
        batch.predictions, {name: c.export() for name, c in criteria.items()}, {}, **changes,
    )  # fmt: skip


def session(
    tests: Mapping[str, tuple[str, str, Sequence[tuple[str, str]]]],
    blocks: Sequence[tuple[str, BlockState]],
    **rest: object,
) -> SessionState:
    """A session of tests {nodeid: (suite, outcome, claims)} and blocks (worker, state)."""
    by_key: dict[str, dict[str, BlockState]] = {}
    for worker, state in blocks:
        by_key.setdefault(state.key, {})[worker] = state
    return SessionState(
        tests=tuple(
            TestState(nodeid, suite, outcome, outcome != "skipped", tuple(claims), 1, 1, "")
            for nodeid, (suite, outcome, claims) in tests.items()
        ),
        blocks=by_key,
        **rest,  # type: ignore[arg-type]
    )
