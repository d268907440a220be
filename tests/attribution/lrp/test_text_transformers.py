"""Transformers on texts: torch's own, and those of transformers with random weights."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from pytest_deepimportance.attribution.lrp.engine import LrpAttribution
from pytest_deepimportance.attribution.lrp.running import undisturbed
from pytest_deepimportance.data.batches import as_call
from pytest_deepimportance.models.sites import find_sites
from tests import text_models

OTHERS = {
    "Roberta": {"pad_token_id": 1, "max_position_embeddings": 30},
    "Electra": {"embedding_size": 8},
    "GPT2": {
        "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 24, "bos_token_id": 2,
        "eos_token_id": 3,
    },
}  # fmt: skip
TYPED = ("Bert", "Electra")


class Encoder(nn.Module):
    """torch's encoder with a padding mask, mean over real tokens, a head."""

    def __init__(self, norm_first=False, activation="relu", batch_first=True):
        super().__init__()
        self.words, self.places = nn.Embedding(14, 16), nn.Embedding(24, 16)
        layer = nn.TransformerEncoderLayer(
            16, 2, 24, norm_first=norm_first, activation=activation, batch_first=batch_first
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.batch_first = batch_first
        self.head = nn.Linear(16, 3)

    def forward(self, tokens, padding_mask):
        x = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        if not self.batch_first:
            x = x.transpose(0, 1)
        x = self.encoder(x, src_key_padding_mask=padding_mask)
        if not self.batch_first:
            x = x.transpose(0, 1)
        real = (~padding_mask)[..., None].to(x.dtype)
        return self.head((x * real).sum(1) / real.sum(1))


def tokens(rows=6, width=13):
    noise = torch.Generator().manual_seed(4)
    ids = torch.randint(4, 14, (rows, width), generator=noise)
    lengths = torch.randint(3, width + 1, (rows,), generator=noise)
    real = (torch.arange(width) < lengths[:, None]).long()
    return ids * real, real


def check(model, call):
    """Attribute all layers; return what was found."""
    sites = find_sites(model, call)
    lrp = LrpAttribution(model, sites, [site.name for site in sites.candidates()])
    with undisturbed(model):
        bare = lrp.bare_scores(call)
        under = lrp.forward(call, conserve=True).scores
    assert (bare - under).abs().max() <= 1e-4 * bare.abs().max()
    found = lrp.attribute(call)
    assert found.conservation.balance < 1e-3
    assert lrp.notes == ()
    # Attention weights are constants, so nothing goes back to queries and keys.
    none = [name for name, r in found.relevance.items() if not bool(r.abs().sum() > 0)]
    assert all(re.search(r"query|key|q_lin|k_lin", name) for name in none)
    assert len(none) < len(found.relevance) / 2
    return sites, lrp, found


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_torchs_encoder(norm_first, activation, batch_first):
    torch.manual_seed(0)
    model = Encoder(norm_first, activation, batch_first).eval()
    ids, real = tokens()
    sites, _, _ = check(model, as_call({"tokens": ids, "padding_mask": real == 0}))
    assert sites.default == "encoder.layers.1.linear2"


def hf_call(kind, ids, real):
    batch = {"input_ids": ids, "attention_mask": real}
    if kind in TYPED:
        batch["token_type_ids"] = torch.zeros_like(ids)
    return as_call(batch)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["DistilBert", "Bert", *OTHERS])
def test_models_of_transformers(kind, attention):
    pytest.importorskip("transformers", reason="needs pip install transformers")
    model = text_models.model(kind, attn_implementation=attention, **OTHERS.get(kind, {}))
    sites, _, _ = check(model, hf_call(kind, *tokens()))
    assert sites.default is not None
    assert [site.name for site in sites.sites if site.is_output] == [sites.sites[-1].name]


def test_padding_changes_neither_activations_nor_relevance():
    """Rows alone and without padding, beside the same rows in one padded batch."""
    pytest.importorskip("transformers", reason="needs pip install transformers")
    model = text_models.model("Bert").double()
    ids, real = tokens()
    layers = ["bert.encoder.layer.0.intermediate.dense", "bert.pooler.dense"]
    call = hf_call("Bert", ids, real)
    lrp = LrpAttribution(model, find_sites(model, call), layers)
    whole, inputs = lrp.attribute(call), lrp.attribute_inputs(call)[0]
    for row, length in enumerate(real.sum(1).tolist()):
        alone = hf_call("Bert", ids[row : row + 1, :length], real[row : row + 1, :length])
        found = lrp.attribute(alone)
        assert found.activations.digests[0] == whole.activations.digests[row]
        for layer in layers:
            torch.testing.assert_close(found.relevance[layer][0], whole.relevance[layer][row])
            torch.testing.assert_close(
                found.activations.layers[layer].values[0],
                whole.activations.layers[layer].values[row],
            )
        torch.testing.assert_close(lrp.attribute_inputs(alone)[0][0], inputs[row, :length])
        assert not inputs[row, length:].any()


def test_relevance_of_tokens_adds_up_to_the_inputs_share():
    pytest.importorskip("transformers", reason="needs pip install transformers")
    model = text_models.model("DistilBert").double()
    _, lrp, found = check(model, hf_call("DistilBert", *tokens()))
    relevance, mask = lrp.attribute_inputs(hf_call("DistilBert", *tokens()))
    assert float(relevance.sum()) == pytest.approx(found.conservation.input)
    assert not mask.any()
