"""Attention in every spelling: torch's own values, weights constant, accounts that balance."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pytest_deepimportance.data.batches import as_call
from tests.attribution.nets import lrp, noise, realistic
from tests.oracles import reference_attention as slow

ROWS, LENGTH, WIDTH, HEADS = 3, 6, 8, 2
CAUSAL = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
BIAS = noise(LENGTH, LENGTH, seed=7)
PADDED = torch.tensor([[False] * (LENGTH - n) + [True] * n for n in range(ROWS)])


class Sdpa(nn.Module):
    """Projections around a given attention of (N, H, T, D)."""

    def __init__(self, function: Callable[[Tensor, Tensor, Tensor], Tensor], groups: int = HEADS):
        super().__init__()
        inner = groups * (WIDTH // HEADS)
        self.q, self.k, self.v = (nn.Linear(WIDTH, n) for n in (WIDTH, inner, inner))
        self.out, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
        self.function, self.groups = function, groups

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (-1, WIDTH // HEADS)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        mixed = self.function(q, k, v).transpose(1, 2).flatten(2)
        return self.head((self.out(mixed) + x).relu().mean(1))


def by_hand(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return F.dropout(torch.softmax(scores, -1), 0.5, False) @ v


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.einsum("nhtd,nhsd->nhts", q, k) * q.shape[-1] ** -0.5
    return torch.einsum("nhts,nhsd->nhtd", scores.softmax(dim=-1), v)


def normalised(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax written out: exponentials, divided by their sum."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    weights = (scores - scores.amax(-1, keepdim=True)).exp()
    return (weights / weights.sum(-1, keepdim=True)) @ v


SDPA = F.scaled_dot_product_attention
SPELLINGS = {
    "plain": [SDPA, by_hand, by_einsum, lambda q, k, v: SDPA(query=q, key=k, value=v),
              lambda q, k, v: SDPA(q, k, v, None, 0.0), lambda q, k, v: torch.baddbmm(
                  torch.zeros(1, 1, 1, dtype=q.dtype),
                  torch.softmax(q.flatten(0, 1) @ k.flatten(0, 1).mT / math.sqrt(q.shape[-1]), -1),
                  v.flatten(0, 1)).unflatten(0, q.shape[:2])],
    "causal": [lambda q, k, v: SDPA(q, k, v, is_causal=True), lambda q, k, v: SDPA(q, k, v, CAUSAL),
               lambda q, k, v: by_hand(q, k, v, CAUSAL)],
    "bias": [lambda q, k, v: SDPA(q, k, v, attn_mask=BIAS),
             lambda q, k, v: torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]) + BIAS, -1) @ v],
    "scale": [lambda q, k, v: SDPA(q, k, v, scale=0.3),
              lambda q, k, v: torch.softmax(q @ k.mT * 0.3, -1).matmul(v)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "index"), [(n, i) for n in SPELLINGS for i in range(len(SPELLINGS[n]))]
)
def test_every_spelling_gives_the_same_relevance(name: str, index: int) -> None:
    x = noise(ROWS, LENGTH, WIDTH)
    first, other = (lrp(realistic(Sdpa(SPELLINGS[name][i])), x) for i in (0, index))
    expected, found = first.attribute(as_call(x)), other.attribute(as_call(x))
    assert other.notes == ()
    assert found.conservation.balance < 1e-6
    for layer, relevance in expected.relevance.items():
        torch.testing.assert_close(found.relevance[layer], relevance, rtol=1e-4, atol=1e-6)


def test_a_softmax_written_out_balances() -> None:
    x = noise(ROWS, LENGTH, WIDTH)
    engine = lrp(realistic(Sdpa(normalised)), x)
    assert engine.attribute(as_call(x)).conservation.balance < 1e-6


def test_grouped_queries_balance() -> None:
    x = noise(ROWS, LENGTH, WIDTH)
    engine = lrp(realistic(Sdpa(lambda q, k, v: SDPA(q, k, v, enable_gqa=True), groups=1)), x)
    batch = engine.attribute(as_call(x))
    assert engine.notes == ()
    assert batch.conservation.balance < 1e-6
    assert batch.relevance["q"].abs().sum() == 0, "queries only choose"
    assert batch.relevance["v"].abs().sum() > 0


@pytest.mark.parametrize("causal", [False, True])
def test_attention_equals_the_slow_twin(causal: bool) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.same = nn.Linear(4, 4, bias=False)
            self.head = nn.Linear(2, 2, bias=False)
            with torch.no_grad():
                self.same.weight.copy_(torch.eye(4))
                self.head.weight.copy_(torch.eye(2))

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.same(x).unbind(1)
            return self.head(SDPA(q, k, v, is_causal=causal)[:, :, :2].sum(1))

    x = noise(2, 3, 5, 4)
    engine = lrp(Model().double().eval(), x, rule="z")
    (relevance,) = engine.attribute_inputs(as_call(x))
    mask = np.where(np.tril(np.ones((5, 5))) > 0, 0.0, -np.inf) if causal else None
    for row in range(2):
        q, k, v = x[row].numpy()
        given = np.zeros((5, 4))
        output, _, _ = slow.attention(q, k, v, mask, given)
        winner = int(output[:, :2].sum(0).argmax())
        given[:, winner] = output[:, winner]
        _, _, expected = slow.attention(q, k, v, mask, given)
        np.testing.assert_allclose(relevance[row, 2], expected, rtol=1e-9, atol=1e-12)
        assert not relevance[row, :2].any()


class Attends(nn.Module):
    """nn.MultiheadAttention between two linear layers."""

    def __init__(self, made: dict, called: dict, batch_first: bool = True, cross: bool = False):
        super().__init__()
        self.body = nn.Linear(WIDTH, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first, **made)
        self.head = nn.Linear(WIDTH, 3)
        self.called, self.batch_first, self.cross = called, batch_first, cross
        self.memory = nn.Parameter(torch.randn(1, 4, made.get("kdim", WIDTH)))

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        h = h if self.batch_first else h.transpose(0, 1)
        other = h
        if self.cross:
            other = self.memory.to(h.dtype).expand(len(x), -1, -1)
            other = other if self.batch_first else other.transpose(0, 1)
        mixed, weights = self.attention(h, other, other, **self.called)
        mixed = mixed if self.batch_first else mixed.transpose(0, 1)
        if weights is not None:
            mixed = mixed * (1 + weights.sum() * 0)
        return self.head((mixed + x).relu().mean(1))


ADDITIVE = torch.zeros(LENGTH, LENGTH, dtype=torch.float64).masked_fill(~CAUSAL, float("-inf"))
MHA = {
    "plain": ({}, {}),
    "no weights": ({}, {"need_weights": False}),
    "each head's weights": ({}, {"average_attn_weights": False}),
    "no bias": ({"bias": False}, {}),
    "padding": ({}, {"key_padding_mask": PADDED}),
    "padding, no weights": ({}, {"key_padding_mask": PADDED, "need_weights": False}),
    "causal": ({}, {"attn_mask": ~CAUSAL, "is_causal": True, "need_weights": False}),
    "additive mask": ({}, {"attn_mask": ADDITIVE}),
    "mask for each head": ({}, {"attn_mask": (~CAUSAL).expand(ROWS * HEADS, -1, -1)}),
    "both masks": ({}, {"attn_mask": ~CAUSAL, "key_padding_mask": PADDED}),
    "bias and zeros": ({"add_bias_kv": True, "add_zero_attn": True}, {"attn_mask": ~CAUSAL}),
    "dropout": ({"dropout": 0.5}, {}),
}


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("name", MHA)
def test_multihead_attention_computes_what_torch_does(name: str, batch_first: bool) -> None:
    made, called = MHA[name]
    x = noise(ROWS, LENGTH, WIDTH)
    net = realistic(Attends(made, called, batch_first))
    engine = lrp(net, x)
    call = as_call(x)
    with torch.no_grad():
        expected = net(x)
    scores = engine.forward(call, conserve=False).scores
    torch.testing.assert_close(scores.detach(), expected, rtol=1e-6, atol=1e-9)
    batch = engine.attribute(call)
    assert batch.conservation.balance < 1e-6
    assert engine.notes == ()


@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_to_a_memory_has_no_path_but_the_residual(need_weights: bool) -> None:
    x = noise(ROWS, LENGTH, WIDTH)
    net = realistic(Attends({"kdim": 5, "vdim": 5}, {"need_weights": need_weights}, cross=True))
    engine = lrp(net, x)
    batch = engine.attribute(as_call(x))
    assert batch.conservation.balance < 1e-6
    assert batch.relevance["body"].abs().sum() == 0


def test_one_input_without_a_batch_axis() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
            self.attention = nn.MultiheadAttention(WIDTH, HEADS)

        def forward(self, x: Tensor) -> Tensor:
            rows = [self.attention(row, row, row)[0] for row in self.body(x)]
            return self.head(torch.stack(rows).relu().mean(1))

    x = noise(ROWS, LENGTH, WIDTH)
    engine = lrp(realistic(Single()), x)
    assert engine.attribute(as_call(x)).conservation.balance < 1e-6


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("padded", [True, False])
def test_transformer_encoder(norm_first: bool, activation: str, padded: bool) -> None:
    """torch's fused kernel in the bare pass; the layer's own Python under the engine."""

    class Encodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(
                WIDTH, HEADS, 16, activation=activation, batch_first=True, norm_first=norm_first
            )
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(WIDTH, 3)

        def forward(self, x: Tensor) -> Tensor:
            mask = PADDED if padded else None
            return self.head(self.encoder(x, src_key_padding_mask=mask)[:, 0])

    x = noise(ROWS, LENGTH, WIDTH)
    engine = lrp(realistic(Encodes()), x)
    batch = engine.attribute(as_call(x))
    assert batch.conservation.balance < 1e-6
    assert engine.notes == ()
    assert batch.relevance["encoder.layers.1.linear1"].abs().sum() > 0


def test_decoder_and_whole_transformer() -> None:
    class Translates(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Transformer(WIDTH, HEADS, 1, 1, 16, batch_first=True)
            self.head = nn.Linear(WIDTH, 3)

        def forward(self, x: Tensor) -> Tensor:
            mask = nn.Transformer.generate_square_subsequent_mask(3, dtype=x.dtype)
            return self.head(self.net(x[:, :3], x[:, 3:], tgt_mask=mask, tgt_is_causal=True)[:, -1])

    x = noise(ROWS, LENGTH, WIDTH)
    engine = lrp(realistic(Translates()), x)
    assert engine.attribute(as_call(x)).conservation.balance < 1e-6
    assert engine.notes == ()


def test_relevance_of_tokens_adds_up() -> None:
    x = noise(ROWS, LENGTH, WIDTH)
    engine = lrp(realistic(Attends({}, {})), x)
    account = engine.attribute(as_call(x)).conservation
    (relevance,) = engine.attribute_inputs(as_call(x))
    assert float(relevance.sum()) == pytest.approx(account.input, rel=1e-6)
