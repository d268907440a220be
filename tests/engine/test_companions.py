from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.engine.companions import companions
from pytest_deepimportance.engine.rarity import thin_ice
from pytest_deepimportance.engine.rows import DistinctInputs, distinct_inputs
from pytest_deepimportance.engine.states import BlockState
from tests.oracles import reference_companions as oracle


def inputs_of(
    labels: list[int], predictions: list[int], p: list[list[float]] | None = None, scored: int = 3
) -> DistinctInputs:
    """Distinct inputs with these probabilities (none: confidence not known)."""
    sure = None if p is None else np.array([oracle.sureness(row) for row in p], dtype=np.float32)
    rows = len(labels)
    state = BlockState(
        "a", "test", 1, np.arange(rows, dtype=np.uint64), np.array(labels), np.array(predictions),
        {}, {}, scored=scored, confidence=sure,
    )  # fmt: skip
    return distinct_inputs([state])


def test_means_over_distinct_inputs() -> None:
    p = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [1.0, 0.0, 0.0]]
    found = companions(inputs_of([0, 1, -1], [0, 1, 0], p), None)
    assert found is not None
    sure = [oracle.sureness(row) for row in p]
    wanted = [sum(row[at] for row in sure) / 3 for at in range(3)]
    assert [found.max_softmax, found.entropy, found.gini] == pytest.approx(wanted, abs=1e-6)
    assert found.entropy_normalised == pytest.approx(wanted[1] / math.log(3), abs=1e-6)
    assert found.impartiality == pytest.approx(oracle.impartiality([0, 1, 0], 3))
    assert (found.inputs, found.classes, found.predicted_classes) == (3, 3, 2)
    assert (found.confident_inputs, found.left_out) == (3, "")


def test_one_class_predicted_is_not_impartial_and_one_of_each_is() -> None:
    one, each = inputs_of([0, 0], [1, 1]), inputs_of([0, 0, 0], [0, 1, 2])
    found = [companions(inputs, None) for inputs in (one, each)]
    assert [f and f.impartiality for f in found] == [0.0, pytest.approx(1.0)]


def test_why_there_is_no_confidence() -> None:
    sigmoid = companions(inputs_of([0], [0]), "sigmoid")
    assert sigmoid is not None
    assert "sigmoid" in sigmoid.left_out
    assert sigmoid.max_softmax is None
    plain = companions(inputs_of([0], [0]), None)
    assert plain is not None
    assert "no scores" in plain.left_out


def test_no_prediction_no_companions() -> None:
    assert companions(inputs_of([0, 1], [-1, -1]), None) is None
    assert companions(distinct_inputs([]), None) is None


INPUTS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 5, 9, 10, 99, 100, 999, 1000, 40_000]),
        st.booleans(),
        st.floats(0.375, 1, width=32),
    ),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(INPUTS)
def test_thin_ice_is_what_the_slow_twin_counts(rows: list[tuple[int, bool, float]]) -> None:
    often, wrong, sure = (list(column) for column in zip(*rows, strict=True))
    inputs = inputs_of([0] * len(rows), [int(w) for w in wrong])
    inputs.confidence[:, 0] = sure
    found = thin_ice(inputs, np.array(often))
    assert found is not None
    cells = oracle.errors_by_cell(often, wrong)
    shown = [(row.inputs, row.errors) for row in found.rows]
    names = ("never", "1-9", "10-99", "100-999", "1000")
    assert shown == [cells.get(name, (0, 0)) for name in names]
    rare = [error for count, error, _ in rows if count < 10]
    assert (found.rare_inputs, found.rare_errors) == (len(rare), sum(rare))
    assert (found.inputs, found.errors) == (len(rows), sum(wrong))
    ranked = sorted(range(len(rows)), key=lambda at: np.float32(sure[at]))
    assert found.unsure_errors == sum(wrong[at] for at in ranked[: len(rare)])


def test_thin_ice_judges_labelled_inputs_with_a_combination_only() -> None:
    inputs = inputs_of([0, -1, 0, 1], [1, 0, -1, 1])
    found = thin_ice(inputs, np.array([5, 5, 5, -1]))
    assert found is not None
    assert (found.inputs, found.errors, found.unsure_errors) == (1, 1, None)
    assert found.rows[1].error_rate == 1
    assert found.rows[0].error_rate is None
    assert thin_ice(inputs_of([-1], [0]), np.array([5])) is None
