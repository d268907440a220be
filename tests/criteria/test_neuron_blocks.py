from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_deepimportance.criteria.neuron_blocks import WIDTH, block_values, neuron_blocks
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.data.layer_values import LayerValues

widths = st.lists(st.sampled_from([1, 2, 6, 100, 128, 255, 256, 257, 700]), max_size=8)


@st.composite
def layers_and_present(draw):
    layers = tuple((f"layer{i}", width) for i, width in enumerate(draw(widths)))
    present = draw(st.sets(st.sampled_from([n for n, _ in layers]))) if layers else set()
    return layers, frozenset(present)


def positions(layers):
    """Where the neurons of each layer lie among all."""
    places, start = {}, 0
    for name, width in layers:
        places[name] = range(start, start + width)
        start += width
    return places


@settings(max_examples=120, deadline=None)
@given(case=layers_and_present())
def test_blocks_hold_every_neuron_of_the_present_layers_once_and_no_other(case):
    layers, present = case
    places = positions(layers)
    wanted = [at for name, _ in layers if name in present for at in places[name]]
    found = [at for b in neuron_blocks(layers, present) for at in range(b.start, b.stop)]
    assert found == wanted


@settings(max_examples=120, deadline=None)
@given(case=layers_and_present())
def test_blocks_are_at_most_256_wide_and_their_pieces_have_no_gap(case):
    layers, present = case
    places = positions(layers)
    for block in neuron_blocks(layers, present):
        assert 0 < block.stop - block.start <= WIDTH
        assert block.span == slice(block.start, block.stop)
        own = [at for name, start, stop in block.pieces for at in places[name][start:stop]]
        assert own == list(range(block.start, block.stop))


def test_narrow_layers_share_a_block_and_wide_ones_are_cut():
    layers = (("a", 6), ("b", 10), ("wide", 600), ("c", 3))
    blocks = neuron_blocks(layers, frozenset(name for name, _ in layers))
    assert [(b.start, b.stop) for b in blocks] == [(0, 16), (16, 272), (272, 528), (528, 619)]
    assert blocks[0].pieces == (("a", 0, 6), ("b", 0, 10))
    assert blocks[-1].pieces == (("wide", 512, 600), ("c", 0, 3))


def test_an_absent_layer_between_two_present_ones_parts_their_blocks():
    layers = (("a", 6), ("gone", 1), ("b", 10))
    blocks = neuron_blocks(layers, frozenset({"a", "b"}))
    assert [(b.start, b.stop) for b in blocks] == [(0, 6), (7, 17)]


def test_without_layers_there_are_no_blocks():
    assert neuron_blocks((), frozenset()) == ()
    assert neuron_blocks((("a", 6),), frozenset()) == ()


def batch_of(layers, rows=4):
    generator = torch.Generator().manual_seed(0)
    values = {n: LayerValues(torch.randn(rows, w, generator=generator)) for n, w in layers}
    unknown = np.full(rows, -1)
    return ActivationBatch(values, np.arange(rows, dtype=np.uint64), unknown, unknown)


def test_the_values_of_a_block_are_its_neurons_and_their_extremes():
    layers = (("a", 6), ("b", 300), ("c", 2))
    batch = batch_of(layers)
    everything = np.concatenate([batch.array(name) for name, _ in layers], axis=1)
    for block in neuron_blocks(layers, frozenset(name for name, _ in layers)):
        own = block_values(batch, block)
        assert own.values.tolist() == everything[:, block.span].tolist()
        assert own.low.tolist() == everything[:, block.span].min(axis=0).tolist()
        assert own.high.tolist() == everything[:, block.span].max(axis=0).tolist()
        assert own.values.flags.c_contiguous
        assert block_values(batch, block) is own


def test_blocks_of_double_and_single_precision_layers_lose_nothing():
    layers = (("a", 3), ("b", 4))
    batch = batch_of(layers)
    batch.layers["b"] = LayerValues(batch.layers["b"].values.double() + 1e-12)
    (block,) = neuron_blocks(layers, frozenset({"a", "b"}))
    assert block_values(batch, block).values[:, 3:].tolist() == batch.array("b").tolist()
