from __future__ import annotations

import pytest
import torch

from pytest_deepimportance.recording.blocks import Block
from pytest_deepimportance.recording.causes import cause_of_nothing
from tests.recording.test_blocks import a_pass, filled


def counted(**counters: int) -> Block:
    block = Block("t", "test")
    for name, number in counters.items():
        block.counters.add(name, number, cause=f"passes of {name}")
    return block


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (
            Block("t", "test"),
            "no forward pass of the watched Net was seen in this process; not seen are model.forward(x)",
        ),
        (counted(paused_passes=2), "2 passes made while recording was paused (idc.paused)"),
        (counted(dropped_passes=3), "3 passes of dropped_passes"),
        (counted(raised_passes=1), "the forward of Net raised an exception each time"),
        (
            counted(partial_model_calls=1),
            "layers were called without a call of the model (1 call of layers of the Net",
        ),
        (filled(a_pass(2, attack=True)), "only attack steps: a gradient flowed back"),
        (
            filled(a_pass(2, a=torch.full((2, 2), torch.nan))),
            "only rows with NaN or infinity: all 2 rows, in a",
        ),
        (filled(a_pass(0)), "1 pass without any input row"),
    ],
)
def test_each_cause_has_its_own_sentence(block, said):
    sentence = cause_of_nothing([block], "Net", 0)
    assert sentence.startswith(said)
    assert "\n" not in sentence


def test_unmarked_tests_are_offered_as_an_explanation():
    sentence = cause_of_nothing([Block("t", "test")], "Net", 400)
    assert "unmarked tests made 400 passes" in sentence


def test_a_fixture_that_was_claimed_explains_too():
    sentence = cause_of_nothing([Block("t", "test"), counted(paused_passes=1)], "Net", 0)
    assert "paused" in sentence


def test_other_weights_come_first():
    block = counted(paused_passes=1)
    block.counters.add("other_weights_passes", 12, cause="passes of another Net with other weights")
    assert cause_of_nothing([block], "Net", 0) == "12 passes of another Net with other weights"
