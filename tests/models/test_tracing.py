"""The traced graph: values, in-place changes, calls, and what the main output is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.tracing import main_output, trace


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        h = self.fc(x)
        h += 1
        torch.relu_(h[:, :2])
        return self.fc(h)


def traced():
    model = nn.Sequential(Inner())
    with torch.no_grad():
        return trace(model, as_call(torch.randn(2, 3)))


def test_calls_carry_name_number_and_parent():
    graph = traced()
    assert [call.label for call in graph.calls] == ["0.fc", "0.fc#1", "0", ""]
    inner = graph.calls[2]
    assert [call.name for call in graph.calls[0].chain()] == ["0.fc", "0", ""]
    assert graph.calls[0].output is not None
    assert inner.output is graph.primary


def test_in_place_changes_make_new_values():
    graph = traced()
    names = [op.function for op in graph.operations]
    assert names == ["linear", "add", "__getitem__", "relu", "alias", "linear"]
    linear, add, part, relu, alias, last = graph.operations
    assert add.inputs[0] is linear.result
    assert add.result is not linear.result
    assert part.inputs[0] is add.result
    assert alias.inputs == [add.result, relu.result]
    assert last.inputs[0] is alias.result
    assert linear.result in graph.ancestors([last.result])


def test_parameters_are_named_and_do_not_depend_on_inputs():
    graph = traced()
    values = graph.operations[0].inputs
    assert [(value.name, value.depends) for value in values] == [
        (None, True), ("0.fc.weight", False), ("0.fc.bias", False),
    ]  # fmt: skip


def test_the_main_output():
    first, second = torch.zeros(2), torch.ones(2)

    @dataclass
    class Output:
        loss: torch.Tensor
        logits: torch.Tensor

    assert main_output(first) is first
    assert main_output((first, second)) is first
    assert main_output({"loss": first, "logits": second}) is second
    assert main_output(Output(first, second)) is second
    assert main_output([{"labels": torch.zeros(2).long(), "scores": second}]) is second
    assert main_output(None) is None
    assert main_output("text") is None
