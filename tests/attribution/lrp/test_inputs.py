"""Relevance of what the model is given: shaped like it, and summing to what the accounts say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.nets import InPlace, LeNet, lrp, noise, realistic, sequences
from tests.oracles import reference_lrp as slow


def test_an_mlps_input_relevance_equals_the_dense_twin() -> None:
    net = realistic(nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)))
    x = noise(4, 5)
    (found,) = lrp(net, x, epsilon=0.1).attribute_inputs(as_call(x))
    for row in range(4):
        start = slow.Node(x[row].numpy())
        first = slow.relu(
            slow.linear(start, net[0].weight.detach().numpy(), net[0].bias.detach().numpy(), 0.1)
        )
        out = slow.linear(first, net[2].weight.detach().numpy(), net[2].bias.detach().numpy(), 0.1)
        slow.propagate(out, int(out.value.argmax()))
        torch.testing.assert_close(found[row], torch.from_numpy(start.relevance))


@pytest.mark.parametrize("name", sequences())
def test_input_relevance_sums_to_the_account_of_the_input(name: str) -> None:
    torch.manual_seed(0)
    net, x = sequences()[name]
    net = realistic(net)
    engine, before = lrp(net, x), x.clone()
    (found,) = engine.attribute_inputs(as_call(x))
    account = engine.attribute(as_call(x)).conservation
    assert found.shape == x.shape
    assert not found.requires_grad
    assert float(found.sum()) == pytest.approx(account.input, rel=1e-6)
    assert torch.equal(x, before)


class Tokens(nn.Module):
    """Token ids and a mask, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.hidden, self.head = nn.Embedding(9, 4), nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        h = self.hidden(self.embed(ids)).relu() * mask[..., None]
        return self.head(h.mean(1))


def test_token_ids_get_the_sum_over_their_embedding_and_masks_nothing() -> None:
    net = realistic(Tokens())
    ids = torch.tensor([[1, 2, 3], [4, 5, 0]])
    call = as_call({"ids": ids, "mask": torch.tensor([[1, 1, 1], [1, 1, 0]])})
    engine = LrpAttribution(net, find_sites(net, call), ["hidden"])
    given, mask = engine.attribute_inputs(call)
    assert given.shape == ids.shape
    assert float(given[1, 2]) == 0
    assert bool((given[0] != 0).all())
    assert not mask.any()
    account = engine.attribute(call).conservation
    assert float(given.sum()) == pytest.approx(account.input)


def test_rows_that_are_not_finite_hold_zeros() -> None:
    net, x = realistic(LeNet()), noise(3, 1, 28, 28)
    x[1, 0, 3, 3] = float("nan")
    (found,) = lrp(net, x).attribute_inputs(as_call(x))
    assert not found[1].any()
    assert found[0].any()
    assert bool(found.isfinite().all())


def test_an_input_that_nothing_reaches_is_an_error() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.from_numpy(self.first(x).detach().numpy()).relu())

    net = realistic(Cut())
    x = noise(2, 3)
    engine = LrpAttribution(net, find_sites(net, as_call(x)), ["first"])
    with pytest.raises(AttributionError, match="no path leads back"):
        engine.attribute_inputs(as_call(x))


def test_two_calls_agree_and_leave_the_model_alone() -> None:
    net, x = realistic(InPlace()), noise(3, 1, 6, 6)
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    engine = lrp(net, x)
    first, second = engine.attribute_inputs(as_call(x)), engine.attribute_inputs(as_call(x))
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
