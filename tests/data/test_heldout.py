"""A part of the reference kept out of the profile."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.heldout import divided, part_asked_for
from pytest_deepimportance.data.reference import open_reference
from pytest_deepimportance.errors import SettingsError
from pytest_deepimportance.settings import from_keywords

X = torch.arange(400.0).reshape(200, 2)
Y = torch.arange(200) % 3


def parts(part=0.25, seed=0, x=X, size=32):
    whole = open_reference((x, Y[: len(x)]), from_keywords())
    found = []
    for side in divided(whole, part, seed):
        calls = list(side.batches(size))
        found.append((torch.cat([c.args[0] for c in calls]), torch.cat([c.labels for c in calls])))
    return found


def test_the_parts_are_disjoint_and_together_the_whole_with_their_labels():
    (kept, kept_y), (held, held_y) = parts()
    assert 30 < len(held) < 70
    rows = torch.cat([kept, held])
    order = rows[:, 0].argsort()
    assert torch.equal(rows[order], X)
    assert torch.equal(torch.cat([kept_y, held_y])[order], Y)


def test_content_and_seed_decide_not_batches_nor_order():
    assert torch.equal(parts(size=7)[1][0], parts()[1][0])
    shuffled = X[torch.randperm(200, generator=torch.Generator().manual_seed(1))]
    again = parts(x=shuffled)[1][0]
    assert set(again[:, 0].tolist()) == set(parts()[1][0][:, 0].tolist())
    assert not torch.equal(parts(seed=1)[1][0], parts()[1][0])
    doubled = parts(x=torch.cat([X[:100], X[:100]]))
    assert not set(doubled[0][0][:, 0].tolist()) & set(doubled[1][0][:, 0].tolist())


def test_a_row_of_a_part_is_found_in_the_whole():
    whole = open_reference((X, Y), from_keywords())
    _, held = divided(whole, 0.25, 0)
    (call,) = held.batches(400)
    numbers = [held.index_of_row(row) for row in range(call.rows)]
    assert torch.equal(X[np.array(numbers)], call.args[0])
    assert held.index_of_row(call.rows) is None


@pytest.mark.parametrize("text", ["part=0", "part=1", "part=20%", "part=", "part=-0.1"])
def test_a_part_is_between_0_and_1(text):
    with pytest.raises(SettingsError, match=r"part=0\.2"):
        part_asked_for(text)


def test_what_names_data_is_no_part():
    assert part_asked_for("held.npz") is None
    assert part_asked_for(None) is None
    assert part_asked_for("part=0.2") == 0.2
