from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.data.confidence import (
    EITHER,
    LOGITS,
    NEITHER,
    PROBABILITIES,
    confidence,
    scale_of,
)
from tests.oracles.reference_companions import probabilities, sureness

SCORES = st.integers(2, 5).flatmap(
    lambda k: st.lists(
        st.lists(st.floats(-20, 20, width=32), min_size=k, max_size=k), min_size=1, max_size=4
    )
)


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_logits_log_softmax_and_softmax_tell_the_same(rows: list[list[float]]) -> None:
    scores = torch.tensor(rows, dtype=torch.float64)
    wanted = torch.tensor([sureness(probabilities(row)) for row in rows])
    for scale, given_scores in (
        (LOGITS, scores),
        (LOGITS, torch.log_softmax(scores, 1)),
        (PROBABILITIES, torch.softmax(scores, 1)),
        (EITHER, torch.softmax(scores, 1)),
    ):
        found = confidence(given_scores, scale)
        assert found is not None
        assert found.dtype == torch.float32
        assert torch.allclose(found, wanted.float(), atol=2e-6)


def test_an_adapter_may_return_logits_or_probabilities_row_by_row() -> None:
    rows = torch.tensor([[0.25, 0.75], [2.0, -1.0], [0.0, 3.0]])
    found = confidence(rows, EITHER)
    assert found is not None
    wanted = [[0.25, 0.75], probabilities([2.0, -1.0]), probabilities([0.0, 3.0])]
    assert torch.allclose(found, torch.tensor([sureness(p) for p in wanted]), atol=1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_rows_that_are_not_finite_are_not_known(bad: float) -> None:
    found = confidence(torch.tensor([[1.0, bad], [0.0, 0.0]]), LOGITS)
    assert found is not None
    assert found[0].isnan().all()
    assert found[1, 0] == 0.5


def test_half_precision() -> None:
    found = confidence(torch.tensor([[1.0, 2.0]], dtype=torch.float16), LOGITS)
    assert found is not None
    assert found[0].tolist() == pytest.approx(sureness(probabilities([1.0, 2.0])), abs=1e-6)


def test_what_scores_are() -> None:
    assert scale_of(None, False) == scale_of("log_softmax", False) == LOGITS
    assert scale_of("softmax", False) == PROBABILITIES
    assert scale_of("sigmoid", False) == NEITHER
    assert scale_of("sigmoid", True) == scale_of(None, True) == EITHER
    assert confidence(torch.zeros(2, 2), NEITHER) is None
