"""Sequence classifiers around one recurrent layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HIDDEN = 5


@dataclass(frozen=True)
class Form:
    """How the recurrent layer is used."""

    kind: type = nn.LSTM
    packed: bool = False
    last: bool = False
    batch_first: bool = True
    given: bool = False
    bidirectional: bool = False
    num_layers: int = 1
    bias: bool = True
    proj_size: int = 0
    nonlinearity: str = ""


class Classifier(nn.Module):
    """Tokens or floats (N, T[, 6]) -> embedding -> recurrent layer -> two linear layers."""

    def __init__(self, form: Form):
        super().__init__()
        self.form = form
        extra = {"proj_size": form.proj_size} if form.proj_size else {}
        if form.nonlinearity:
            extra["nonlinearity"] = form.nonlinearity
        self.embed = nn.Embedding(20, 6)
        self.rnn = form.kind(
            6, HIDDEN, form.num_layers, bias=form.bias, batch_first=form.batch_first,
            bidirectional=form.bidirectional, **extra,
        )  # fmt: skip
        self.out = form.proj_size or HIDDEN
        self.ways = 2 if form.bidirectional else 1
        self.fc, self.head = nn.Linear(self.out * self.ways, 7), nn.Linear(7, 3)

    def initial(self, x):
        if not self.form.given:
            return None
        noise = torch.Generator().manual_seed(1)
        sizes = [self.out] if self.form.kind is not nn.LSTM else [self.out, HIDDEN]
        shape = (self.form.num_layers * self.ways, len(x))
        state = tuple(torch.randn(*shape, size, generator=noise).to(x.dtype) for size in sizes)
        return state if len(state) > 1 else state[0]

    def forward(self, x, lengths):
        form, x = self.form, self.embed(x)
        given = self.initial(x)
        if not form.batch_first:
            x = x.transpose(0, 1)
        if form.packed:
            x = pack_padded_sequence(x, lengths, batch_first=form.batch_first, enforce_sorted=False)
        out, state = self.rnn(x, given)
        if form.last:
            state = state[0] if isinstance(state, tuple) else state
            pooled = torch.cat(list(state[-self.ways :]), 1)
        else:
            if form.packed:
                out, _ = pad_packed_sequence(out, batch_first=form.batch_first)
            pooled = out.sum(1 if form.batch_first else 0)
        return self.head(torch.relu(self.fc(pooled)))
