"""How many rows fit: measured on two, since no formula knows the user's model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.choice import RuleChoice
from pytest_deepimportance.attribution.lrp.ledger import Ledger
from pytest_deepimportance.attribution.lrp.mode import RelevanceMode
from pytest_deepimportance.attribution.lrp.passing import Pass
from pytest_deepimportance.attribution.lrp.running import device_of, run_model, undisturbed
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.relevance_rules import composite

MEASURED_ROWS = 2
LARGEST = 1024
_GRADIENTS, _PARTS = 7, 20
"""Tensors alive at once in the backward pass, each as large as a kept one: with autograd's own
gradients, and with rules that split contributions by sign (measured: peak of the process)."""


def micro_batch(model: nn.Module, call: ModelCall, budget_bytes: int, rule: str = "epsilon") -> int:
    """Return how many rows one attribution may take within `budget_bytes`, from 1 to 1024.

    One forward pass of two rows tells what is kept for the backward pass.

    Args:
        model: Not changed.
        call: A call it accepts; the first rows are used.
        budget_bytes: Memory for activations and gradients; weights are not counted.
        rule: Of LRP (`relevance_rules.CHOICES`).
    """
    few = call.first_rows(MEASURED_ROWS)
    device = device_of(model, few)
    run = Pass(model, device, RuleChoice(model), Ledger(few.rows, device))
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with undisturbed(model):
        begun = ModelCall(run.begin(few.args), run.begin(few.kwargs), None, few.rows)
        hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
        with hooks, RelevanceMode(run):
            output = run_model(model, begun)
    saved |= run.kept_bytes()
    for tensor in (*model.parameters(), *model.buffers()):
        saved.pop(tensor.untyped_storage().data_ptr(), None)
    del output
    kept = list(saved.values())
    parts = composite(rule)
    plain = {parts.dense, parts.conv} <= {"z", "epsilon"}
    alive = _GRADIENTS if plain else _PARTS
    per_row = (sum(kept) + alive * max(kept, default=0)) / max(1, few.rows)
    return max(1, min(LARGEST, int(budget_bytes // max(1.0, per_row))))
