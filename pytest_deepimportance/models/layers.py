"""Which module calls are layers.

Linear, Conv1-3d and ConvTranspose1-3d, eager or exported; whole recurrent layers (LSTM, GRU, RNN);
the linear layer of GPT-2 in transformers.
"""

from __future__ import annotations

from torch import nn

from pytest_deepimportance.models.graph import Call, Graph

LAYERS = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase)
"""Classes of the modules whose outputs are measured."""

_EXPORTED = {
    "linear": "Linear",
    **{f"conv{n}d": f"Conv{n}d" for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": f"ConvTranspose{n}d" for n in (1, 2, 3)},
}


def layer_calls(graph: Graph) -> dict[Call, str]:
    """Return the calls whose output is a layer's, in the order in which they returned.

    Returns:
        The type of each, such as "Linear".
    """
    found = {}
    for call in graph.calls:
        kind, output = _kind(graph, call), call.output
        if kind is None or output is None or not output.floating:
            continue
        if output not in call.inputs:  # a layer that is switched off returns what it got
            found[call] = kind
    return found


def channel_axis(call: Call, kind: str) -> int:
    """Return the axis of the neurons in a layer's output."""
    assert call.output is not None
    if isinstance(call.module, nn.RNNBase) or _is_linear_of_transformers(call.module):
        return len(call.output.shape) - 1
    dimensions = len(call.output.shape)
    positions = next((int(letter) for letter in kind[::-1] if letter.isdigit()), 0)
    if isinstance(call.module, nn.modules.conv._ConvNd):
        positions = len(call.module.kernel_size)
    return dimensions - 1 - positions


def is_packed(call: Call) -> bool:
    """Whether a recurrent layer took a `PackedSequence`: the numbers in it are step sizes."""
    return isinstance(call.module, nn.RNNBase) and not all(v.floating for v in call.inputs)


def _is_linear_of_transformers(module: nn.Module) -> bool:
    """Whether a module is the linear layer of GPT-2, which is called Conv1D there."""
    kind = type(module)
    return kind.__name__ == "Conv1D" and kind.__module__ == "transformers.pytorch_utils"


def _kind(graph: Graph, call: Call) -> str | None:
    if isinstance(call.module, LAYERS) or _is_linear_of_transformers(call.module):
        # A parametrised layer has a class made on the fly.
        return type(call.module).__name__.removeprefix("Parametrized")
    if type(call.module).__name__ != "InterpreterModule":
        return None
    # The modules of an unflattened torch.export program all have one class.
    op = call.output.producer if call.output is not None else None
    own = [value for value in op.inputs if value.name] if op is not None else []
    if op is None or op.owner is not call or not own:
        return None
    owned = all(str(value.name).rpartition(".")[0] == call.name for value in own)
    return _EXPORTED.get(op.function) if owned else None
