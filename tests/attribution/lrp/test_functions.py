"""Every function of torch is linear, ruled, a source, without signal, or unknown on a list."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch.overrides import get_testing_overrides, resolve_name

from pytest_deepimportance.attribution.lrp import names
from pytest_deepimportance.attribution.lrp.rules import RULES
from pytest_deepimportance.attribution.lrp.spelling import spelling
from pytest_deepimportance.attribution.lrp.table import markdown
from pytest_deepimportance.attribution.lrp.unruled import NO_SIGNAL, UNKNOWN

LISTED = frozenset(RULES) | names.SOURCES | NO_SIGNAL | UNKNOWN


def functions_of_torch() -> dict[str, list[str]]:
    """Return what torch lets a mode see: name of ours -> torch's names."""
    found: dict[str, list[str]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for function in get_testing_overrides():
            written = resolve_name(function) or repr(function)
            found.setdefault(spelling(function).name, []).append(written)
    return found


def test_every_function_of_torch_is_listed() -> None:
    found = functions_of_torch()
    new = {name: spelled for name, spelled in found.items() if name not in LISTED}
    assert not new, f"torch {torch.__version__} has functions that no list names: {new}"


OLDER = {
    "hardsigmoid", "hardswish", "upsample", "upsample_bilinear", "upsample_nearest", "im2col", "col2im",
    "iter", "pack_padded_sequence", "pad_packed_sequence",
}  # fmt: skip
"""Functions that reach a mode although torch's own list leaves them out."""


def test_no_list_names_what_torch_does_not_have() -> None:
    assert LISTED - functions_of_torch().keys() == OLDER


def test_no_function_is_listed_twice() -> None:
    lists = (frozenset(RULES), names.SOURCES, NO_SIGNAL, UNKNOWN)
    for index, one in enumerate(lists):
        for other in lists[index + 1 :]:
            assert not one & other


def test_the_page_is_fresh() -> None:
    page = Path(__file__).parents[3] / "docs" / "functions.md"
    assert page.read_text(encoding="utf-8") == markdown()


@pytest.mark.parametrize(
    "name", ["relu", "layer_norm", "scaled_dot_product_attention", "logsumexp"]
)
def test_the_page_lists_a_function(name: str) -> None:
    assert f"`{name}`" in markdown()
