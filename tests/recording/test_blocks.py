from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_deepimportance.data.layer_values import LayerValues
from pytest_deepimportance.errors import RecordingError
from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.gradients import GradientWatch
from pytest_deepimportance.recording.labelling import label_newest
from pytest_deepimportance.recording.recorded import Measured, RecordedPass
from pytest_deepimportance.recording.scores import Scores


def layer(values: torch.Tensor) -> LayerValues:
    return LayerValues(values, values.amin(1), values.amax(1))


def a_pass(rows: int, start: float = 0, attack: bool = False, **layers: torch.Tensor):
    values = torch.arange(rows * 2, dtype=torch.float32).reshape(rows, 2) + start
    gradient = GradientWatch()
    gradient.reached_input = attack
    digests = np.arange(rows, dtype=np.uint64) + np.uint64(start)
    named = {name: layer(tensor) for name, tensor in layers.items()} or {"a": layer(values)}
    scored = Scores("logits").add(torch.eye(2)[[0] * rows])
    return RecordedPass(Measured(named, digests, scored), gradient=gradient)


def filled(*passes: RecordedPass, key: str = "t") -> Block:
    block = Block(key, "test")
    for recorded in passes:
        assert block.commit(recorded)
    return block


def labels_of(*blocks: Block) -> list[list[int]]:
    return [p.labels.tolist() for block in blocks for p in block.passes]


def test_an_empty_block_has_nothing():
    block = Block("t", "test")
    assert block.activations() is None
    assert block.batches() == []
    assert block.passes == []
    assert dict(block.non_finite) == {}
    assert not block.touched


def test_rows_come_in_order_of_commit_without_attack_steps():
    block = filled(a_pass(2), a_pass(3, 100, attack=True), a_pass(1, 50))
    assert block.activations().digests.tolist() == [0, 1, 50]
    assert (block.counted_passes, block.attack_passes) == (2, 1)
    assert len(block.passes) == 3
    assert sum(len(batch) for batch in block.batches()) == 3


def test_only_attack_steps():
    assert filled(a_pass(3, attack=True)).activations() is None


def test_rows_with_nan_or_infinity_are_left_out_and_counted_under_their_first_layer():
    good = torch.ones(3, 2)
    bad = torch.tensor([[1.0, torch.nan], [1.0, 1.0], [torch.inf, 0.0]])
    other = torch.tensor([[-torch.inf, 1.0], [1.0, 1.0], [1.0, 1.0]])
    block = filled(a_pass(3, a=good, b=good), a_pass(3, 10, a=bad, b=other))
    assert block.activations().digests.tolist() == [0, 1, 2, 11]
    assert dict(block.non_finite) == {"a": 2}
    assert block.passes[1].finite.tolist() == [False, True, False]
    assert len(block.passes[1].batch) == 3


def test_only_rows_with_nan():
    block = filled(a_pass(2, a=torch.full((2, 2), torch.nan)))
    assert block.activations() is None
    assert block.counted_passes == 1
    assert dict(block.non_finite) == {"a": 2}


def test_passes_that_miss_a_layer_are_counted_and_kept_apart():
    one = torch.ones(2, 2)
    block = filled(a_pass(2, a=one, b=one), a_pass(2, 10, a=one), a_pass(2, 20, a=one, b=one))
    assert block.activations().digests.tolist() == [0, 1, 20, 21]
    assert block.incomplete_passes == 1
    assert sorted(tuple(batch.layers) for batch in block.batches()) == [("a",), ("a", "b")]


def test_a_change_changes_the_version_and_the_rows():
    block = filled(a_pass(2), a_pass(2, 10))
    versions = [block.version]
    assert len(block.activations()) == 4
    block.passes[0].gradient.reached_input = True
    block.touch()
    versions.append(block.version)
    assert len(block.activations()) == 2
    label_newest([block], [1, 0])
    versions.append(block.version)
    assert block.activations().labels.tolist() == [1, 0]
    assert versions == sorted(set(versions))


def test_a_frozen_block_accepts_nothing():
    block = filled(a_pass(2))
    block.freeze()
    assert not block.commit(a_pass(2))
    assert len(block.activations()) == 2


def test_threads_append_without_loss():
    block = Block("t", "test")

    def append() -> None:
        for _ in range(200):
            block.commit(a_pass(1))

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    orders = [p.order for p in block.passes]
    assert len(orders) == 800
    assert orders == sorted(set(orders))


def test_predictions_are_read_when_asked_for():
    scored = Scores("logits").add(torch.tensor([[0.0, 1.0], [0.0, float("nan")]]))
    values = {"a": layer(torch.ones(2, 2))}
    digests = np.zeros(2, np.uint64)
    recorded = RecordedPass(Measured(values, digests, scored))
    assert recorded.batch.predictions.tolist() == [1, -1]
    assert RecordedPass(Measured(values, digests)).batch.predictions.tolist() == [-1, -1]


# --- labels -----------------------------------------------------------------------------------


def test_labels_fill_the_newest_passes_backwards():
    block = filled(a_pass(4), a_pass(2), a_pass(1))
    label_newest([block], torch.tensor([7, 8, 9]))
    assert labels_of(block) == [[-1] * 4, [7, 8], [9]]
    label_newest([block], np.array([[1], [2], [3], [4]]))
    assert labels_of(block) == [[1, 2, 3, 4], [7, 8], [9]]


def test_fixture_blocks_are_older_passes():
    fixture, test = Block("f", "fixture"), Block("t", "test")
    fixture.commit(a_pass(2))
    test.commit(a_pass(1))
    label_newest([test, fixture], [5, 6, 7])
    assert labels_of(fixture, test) == [[5, 6], [7]]


def test_labels_given_with_the_call_and_attack_steps_are_stepped_over():
    content = Measured({"a": layer(torch.ones(2, 2))}, np.zeros(2, np.uint64))
    given_labels = RecordedPass(content, labels=np.array([3, 3]))
    block = filled(a_pass(2), given_labels, a_pass(5, attack=True))
    label_newest([block], [1, 2])
    assert labels_of(block) == [[1, 2], [3, 3], [-1] * 5]


def test_repeating_equal_labels_is_fine_and_other_labels_are_refused():
    fixture, test = Block("f", "fixture"), Block("t", "test")
    fixture.commit(a_pass(3))
    label_newest([fixture], [1, 2, 0])
    label_newest([fixture], [1, 2, 0])
    test.commit(a_pass(2))
    label_newest([fixture, test], [1, 2, 0])
    label_newest([fixture, test], [4, 4])
    assert labels_of(fixture, test) == [[1, 2, 0], [4, 4]]
    with pytest.raises(RecordingError):
        label_newest([fixture], [1, 2, 1])
    assert labels_of(fixture, test) == [[1, 2, 0], [4, 4]]


@pytest.mark.parametrize("rows", [1, 3, 4, 6])
def test_labels_that_do_not_end_on_a_pass_change_nothing(rows):
    block = filled(a_pass(3), a_pass(2))
    version = block.version
    with pytest.raises(RecordingError) as caught:
        label_newest([block], list(range(rows)))
    assert labels_of(block) == [[-1] * 3, [-1] * 2]
    assert block.version == version
    assert f"{rows} label" in str(caught.value)
    assert ("2, 3 rows" in str(caught.value)) == (rows < 5)


def test_labels_without_any_pass():
    with pytest.raises(RecordingError, match="no forward pass"):
        label_newest([Block("t", "test")], [1])


@pytest.mark.parametrize("bad", [[[1, 2]], [0.5], ["cat"], 3])
def test_labels_that_are_no_classes(bad):
    with pytest.raises(RecordingError, match="not classes"):
        label_newest([filled(a_pass(1))], bad)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 30))
def test_labels_are_taken_exactly_when_they_end_on_a_boundary(sizes, rows):
    block = filled(*(a_pass(size) for size in sizes))
    suffixes = {sum(sizes[start:]): start for start in range(len(sizes) + 1)}
    wanted = np.arange(rows) + 1
    if rows in suffixes:
        label_newest([block], wanted)
        flat = [label for part in labels_of(block) for label in part]
        assert flat == [-1] * (sum(sizes) - rows) + wanted.tolist()
    else:
        with pytest.raises(RecordingError):
            label_newest([block], wanted)
        assert all(label == -1 for part in labels_of(block) for label in part)


@pytest.mark.parametrize(
    ("labels", "fix"),
    [(torch.rand(3), "y.long()"), (torch.rand(3, 1), "y.long()"), (torch.eye(3), "argmax(1)")],
    ids=["numbers", "column", "one-hot"],
)
def test_labels_that_are_no_classes_get_the_advice_that_fits(labels, fix):
    with pytest.raises(RecordingError, match="are not classes") as caught:
        label_newest([filled(a_pass(3))], labels)
    assert fix in caught.value.fix
    assert ("regression" in caught.value.fix) == (fix == "y.long()")
