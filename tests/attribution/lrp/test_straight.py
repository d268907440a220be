"""Checkpoints and functions written for autograd: relevance follows what their forward computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from pytest_deepimportance.data.batches import as_call
from tests.attribution.nets import Function, lrp, noise, realistic

pytestmark = [
    pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
X = noise(3, 1, 6, 6)


class _Swish(torch.autograd.Function):
    """As EfficientNet implementations write it, to save memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gate = torch.sigmoid(ctx.saved_tensors[0])
        return gradient * (gate * (1 + ctx.saved_tensors[0] * (1 - gate)))


class _Rounded(torch.autograd.Function):
    """A straight-through estimator: its backward is not what it computes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x * 4) / 4

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class _Outside(torch.autograd.Function):
    """Computed by numpy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() * 2.0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * 2.0


def block(x: Tensor) -> Tensor:
    return F.gelu(x * 1.5) + x


def twice(x: Tensor) -> tuple[Tensor, Tensor]:
    return F.silu(x), x * 2


@pytest.mark.parametrize(
    ("function", "plain"),
    [
        (lambda x: checkpoint(block, x, use_reentrant=True), block),
        (lambda x: checkpoint(block, x, use_reentrant=False), block),
        (lambda x: sum(checkpoint(twice, x, use_reentrant=True)), lambda x: sum(twice(x))),
        (lambda x: sum(checkpoint(twice, x, use_reentrant=False)), lambda x: sum(twice(x))),
        (
            lambda x: checkpoint(
                lambda y: checkpoint(block, y, use_reentrant=False) * 2, x, use_reentrant=True
            ),
            lambda x: block(x) * 2,
        ),
        (
            lambda x: checkpoint_sequential([nn.GELU(), nn.Tanh()], 2, x, use_reentrant=False),
            lambda x: torch.tanh(F.gelu(x)),
        ),
        (_Rounded.apply, lambda x: torch.round(x * 4) / 4),
    ],
)
@pytest.mark.parametrize("accounts", [1, 0])
def test_what_the_forward_computes_is_followed(
    function: Callable, plain: Callable, accounts: int
) -> None:
    engines = [lrp(realistic(Function(f)), X, conserve_every=accounts) for f in (function, plain)]
    found, expected = (engine.attribute(as_call(X)) for engine in engines)
    assert engines[0].notes == ()
    if accounts:
        assert found.conservation.balance < 1e-9
    for layer, relevance in expected.relevance.items():
        torch.testing.assert_close(found.relevance[layer], relevance)


def test_an_activation_written_for_autograd_is_what_it_computes() -> None:
    engines = [lrp(realistic(Function(f)), X) for f in (_Swish.apply, lambda x: x * x.sigmoid())]
    found, expected = (engine.attribute(as_call(X)) for engine in engines)
    assert found.conservation.balance < 1e-9
    assert found.conservation.input == pytest.approx(expected.conservation.input)
    torch.testing.assert_close(found.relevance["first"], expected.relevance["first"])


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_whole_model_may_be_checkpointed(reentrant: bool) -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.net, x, use_reentrant=reentrant)

    x = noise(4, 5)
    net = realistic(Whole())
    found = lrp(net, x).attribute(as_call(x))
    expected = lrp(net.net, x).attribute(as_call(x))
    assert found.conservation.balance < 1e-9
    torch.testing.assert_close(found.relevance["net.0"], expected.relevance["0"])


def test_what_runs_outside_torch_is_named() -> None:
    engine = lrp(realistic(Function(_Outside.apply)), X)
    batch = engine.attribute(as_call(X))
    assert "numpy in Function leaves torch" in engine.notes[0]
    assert "_Outside in second computes out of torch's sight: its own gradient" in engine.notes[1]
    assert batch.conservation.balance < 1e-9, "it is linear, so its gradient is its rule"


def test_a_part_in_torchscript_is_named() -> None:
    x = noise(4, 5)
    net = realistic(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6), nn.Linear(6, 3)))
    net[2] = torch.jit.script(net[2])
    engine = lrp(net, x)
    engine.attribute(as_call(x))
    assert engine.notes == (
        "2 is TorchScript, whose operations are not seen: its plain gradient is used",
    )


def test_a_quantised_layer_is_named() -> None:
    x = noise(4, 5, dtype=torch.float32)
    net = realistic(
        nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Sequential(nn.Linear(6, 6)), nn.Linear(6, 3)),
        dtype=torch.float32,
    )
    net[2] = torch.ao.quantization.quantize_dynamic(net[2], {nn.Linear})
    engine = lrp(net, x)
    engine.attribute(as_call(x))
    assert engine.notes == (
        "linear_dynamic in 2.0 has no relevance rule: its plain gradient is used",
    )


def test_hooks_of_the_user_on_saved_tensors_are_left_alone() -> None:
    packed = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t, lambda t: t):
        batch = lrp(realistic(Function(block)), X).attribute(as_call(X))
    assert batch.conservation.balance < 1e-9
    assert packed
