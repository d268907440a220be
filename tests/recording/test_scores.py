from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.confidence import confidence
from pytest_deepimportance.recording.scores import Scores


def rows(number, classes=10, seed=0):
    return torch.randn(number, classes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sizes", [[1], [3, 1, 5], [4000, 4000, 4000, 1], [70_000], [0, 2]])
def test_classes_and_confidence_do_not_depend_on_what_they_are_gathered_with(sizes):
    scores = Scores("logits")
    parts = [rows(size, seed=seed) for seed, size in enumerate(sizes)]
    found = [scores.add(part) for part in parts]
    for part, row in zip(parts, found, strict=True):
        assert row.classes().tolist() == part.argmax(dim=1).tolist()
        alone = Scores("logits").add(part).confidence()
        np.testing.assert_array_equal(row.confidence(), alone)
        np.testing.assert_array_equal(row.confidence(), confidence(part, "logits").numpy())


def test_each_row_by_itself_is_the_same():
    part = rows(300)
    together = Scores("logits").add(part).confidence()
    for number in range(0, 300, 37):
        alone = Scores("logits").add(part[number : number + 1]).confidence()
        np.testing.assert_array_equal(alone[0], together[number])


def test_reading_between_passes_and_other_widths_and_types_mix_nothing_up():
    scores = Scores("logits")
    first, second = rows(4), rows(3, seed=1)
    one = scores.add(first)
    assert one.classes().tolist() == first.argmax(dim=1).tolist()
    two = scores.add(second)
    three = scores.add(rows(2, classes=1000))
    four = scores.add(rows(2).double())
    assert two.classes().tolist() == second.argmax(dim=1).tolist()
    assert three.classes().tolist() == rows(2, classes=1000).argmax(dim=1).tolist()
    assert four.classes().tolist() == rows(2).argmax(dim=1).tolist()
    assert one.classes().tolist() == first.argmax(dim=1).tolist()


def test_what_the_user_does_to_the_scores_later_changes_nothing():
    part = rows(5)
    expected = part.argmax(dim=1).tolist()
    found = Scores("logits").add(part)
    part.zero_()
    assert found.classes().tolist() == expected


def test_rows_with_nan_have_no_class_and_sigmoids_no_confidence():
    found = Scores("neither").add(torch.tensor([[0.1, float("nan")], [0.1, 0.2]]))
    assert found.classes().tolist() == [-1, 1]
    assert found.confidence() is None


def test_threads_share_the_sheets():
    scores = Scores("logits")
    parts = [rows(50, seed=seed) for seed in range(200)]
    found = [None] * 200

    def work(start):
        for number in range(start, 200, 4):
            found[number] = scores.add(parts[number])
            if number % 7 == 0:
                found[number].classes()

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part, row in zip(parts, found, strict=True):
        assert row.classes().tolist() == part.argmax(dim=1).tolist()
