"""Token ids: where the graph begins, and relevance for each token."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sites import find_sites


class Bag(nn.Module):
    """Mean of word (and constant position) vectors, a hidden layer, a head."""

    def __init__(self, look="embedding", positions=True):
        super().__init__()
        self.look, self.positions = look, positions
        self.words, self.places = nn.Embedding(10, 6), nn.Embedding(9, 6)
        self.fc, self.head = nn.Linear(6, 5), nn.Linear(5, 3)

    def vectors(self, ids):
        table = self.words.weight
        if self.look == "table":
            return table[ids]
        if self.look == "select":
            return table.index_select(0, ids.flatten()).view(*ids.shape, -1)
        if self.look == "one-hot":
            return F.one_hot(ids, 10).to(table.dtype) @ table
        return self.words(ids)

    def forward(self, ids):
        x = self.vectors(ids)
        if self.positions:
            x = x + self.places(torch.arange(ids.shape[1]))
        return self.head(torch.relu(self.fc(x.mean(1))))


def built(*args, **kwargs):
    torch.manual_seed(0)
    return Bag(*args, **kwargs).double().eval()


IDS = torch.randint(10, (4, 7), generator=torch.Generator().manual_seed(1))


def attributed(model, ids=IDS, layers=("fc",)):
    call = as_call(ids)
    lrp = LrpAttribution(model, find_sites(model, call), list(layers))
    return lrp, lrp.attribute(call)


@pytest.mark.parametrize("look", ["embedding", "table", "select"])
def test_the_graph_begins_where_tokens_are_looked_up(look):
    lrp, found = attributed(built(look))
    assert found.conservation.balance < 1e-3
    assert lrp.notes == ()
    plain = attributed(built())[1]
    torch.testing.assert_close(found.relevance["fc"], plain.relevance["fc"])
    assert found.conservation.input == pytest.approx(plain.conservation.input)


def test_positions_are_constants_that_absorb_whatever_the_batch_size():
    model = built()
    whole = attributed(model)[1].conservation
    parts = [attributed(model, IDS[i : i + 1])[1].conservation for i in range(4)]
    assert sum(part.input for part in parts) == pytest.approx(whole.input)
    assert sum(part.bias for part in parts) == pytest.approx(whole.bias)
    without = attributed(built(positions=False))[1].conservation
    assert without.bias != pytest.approx(whole.bias)


def test_relevance_of_each_token_is_its_vectors_share():
    """The hidden layer is linear in the vectors, so each token's share can be written down."""
    model = built()
    lrp, found = attributed(model)
    (tokens,) = lrp.attribute_inputs(as_call(IDS))
    assert tokens.shape == IDS.shape
    with torch.no_grad():
        words = model.words(IDS)
        mean = (words + model.places.weight[:7]).mean(1)
        hidden = model.fc(mean)
        scores = model.head(torch.relu(hidden))
        weight = model.head.weight[scores.argmax(1)] * (hidden > 0)
        expected = torch.einsum("nu,ud,ntd->nt", weight, model.fc.weight, words) / 7
    torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-6)
    assert float(tokens.sum()) == pytest.approx(found.conservation.input, rel=1e-6)


def test_integers_without_an_embedding_are_said():
    lrp, found = attributed(built("one-hot", positions=False))
    assert found.conservation.balance < 1e-3
    assert lrp.notes == (
        "the signal in fc comes from integers, numpy or constants: accounts begin there",
    )
    plain = attributed(built(positions=False))[1]
    torch.testing.assert_close(found.relevance["fc"], plain.relevance["fc"])


def test_ids_made_from_the_input_count_as_given():
    class Cast(Bag):
        def forward(self, x):
            return super().forward((x * 1.0).round().long().clamp(max=9))

    torch.manual_seed(0)
    model = Cast().double().eval()
    _, found = attributed(model, IDS.double())
    assert found.conservation.balance < 1e-3
    assert found.conservation.input == pytest.approx(attributed(built())[1].conservation.input)
