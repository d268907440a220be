from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.checkpoints import (
    PREFIXES,
    apply,
    best_fit,
    find_module,
    find_states,
    shapes_of,
    tied_names,
)
from tests.models.projects import same_weights


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def applied(content: Any, into: nn.Module | None = None) -> tuple[nn.Module, tuple[str, ...]]:
    target = into or net()
    return target, apply(target, find_states(content), "ck.pt", "app:net")


def prefixed(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize(
    "key", ["state_dict", "model", "model_state_dict", "net", "weights", "odd"]
)
def test_state_dict_under_a_key_is_found_and_said(key: str):
    source = net()
    content = {"epoch": 3, key: source.state_dict(), "optimizer": {"state": {0: torch.zeros(1)}}}
    made, notes = applied(content)
    assert same_weights(made, source)
    assert notes == (f"The weights were taken from [{key!r}] of the checkpoint ck.pt.",)


def test_nested_checkpoint():
    source = net()
    made, notes = applied({"model": {"state_dict": source.state_dict(), "args": {"lr": 0.1}}})
    assert same_weights(made, source)
    assert "['model']['state_dict']" in notes[0]


def test_bare_state_dict_says_nothing():
    source = net()
    made, notes = applied(source.state_dict())
    assert same_weights(made, source)
    assert notes == ()


def test_weights_between_other_entries():
    source = net()
    made, _ = applied({**source.state_dict(), "epoch": 3})
    assert same_weights(made, source)


@pytest.mark.parametrize(
    "prefix", [*PREFIXES, "module.model.", "_orig_mod.module.", "model.net.", "module.module."]
)
def test_prefixes_are_removed_and_said(prefix: str):
    source = net()
    made, notes = applied({"state_dict": prefixed(source.state_dict(), prefix)})
    assert same_weights(made, source)
    assert "was removed from the names of the weights." in notes[-1]
    assert repr(prefix) in notes[-1]


def test_prefix_of_a_compiled_part():
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = net()

    source = Wrapper()
    state = {name.replace("body.", "body._orig_mod."): v for name, v in source.state_dict().items()}
    made, notes = applied(state, Wrapper())
    assert same_weights(made, source)
    assert "'_orig_mod.'" in notes[0]


def test_prefix_that_belongs_to_the_network_stays():
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = net()

    source = Wrapper()
    made, notes = applied(source.state_dict(), Wrapper())
    assert same_weights(made, source)
    assert notes == ()
    made, notes = applied(source.model.state_dict(), Wrapper())
    assert same_weights(made, source)
    assert notes == ("The prefix 'model.' was added to the names of the weights.",)


def test_entries_beside_the_network_are_left_out_and_said():
    source = net()
    state = {**prefixed(source.state_dict(), "model."), "loss.weight": torch.zeros(3)}
    made, notes = applied({"state_dict": state})
    assert same_weights(made, source)
    assert notes[-1] == (
        "The prefix 'model.' was removed from the names of the weights; 1 entry (loss.weight) left out."
    )


def test_the_state_dict_that_fits_is_chosen():
    source = net()
    other = nn.Linear(5, 5).state_dict()
    made, notes = applied({"model": other, "generator": source.state_dict()})
    assert same_weights(made, source)
    assert "['generator']" in notes[0]


def test_missing_and_unknown_names_are_shown():
    state = net().state_dict()
    del state["0.weight"], state["0.bias"]
    state.update({f"extra{index}": torch.zeros(1) for index in range(5)})
    with pytest.raises(ModelLoadError) as caught:
        applied(state)
    text = str(caught.value)
    assert "ck.pt does not fit app:net" in text
    assert "2 entries (0.weight, 0.bias) missing in the file" in text
    assert "5 entries (extra0, extra1, extra2, ...) unknown to the network" in text


def test_shapes_that_differ_name_both():
    with pytest.raises(ModelLoadError) as caught:
        applied(
            net().state_dict(), nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 9))
        )
    text = str(caught.value)
    assert "2.weight is (2, 3) in the file and (9, 3) in the network" in text
    assert "2.bias is (2,) in the file and (9,) in the network" in text
    assert "def build()" in text


def test_batches_tracked_may_be_missing():
    source = net()
    state = {k: v for k, v in source.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert same_weights(applied(state)[0], source)


def test_tied_weights_may_be_stored_once():
    def tied() -> nn.Module:
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        model[1].weight = model[0].weight
        return model

    source = tied()
    assert tied_names(source)["1.weight"] == {"0.weight", "1.weight"}
    state = source.state_dict()
    del state["1.weight"]
    made, _ = applied(state, tied())
    assert same_weights(made, source)
    with pytest.raises(ModelLoadError, match="missing in the file"):
        applied(state, nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)))


def test_conversion_of_dtype_is_said():
    source = net()
    half = {
        name: v.half() if v.is_floating_point() else v for name, v in source.state_dict().items()
    }
    _, notes = applied(half)
    assert notes == ("Weights were converted while loading: float16 to float32.",)


def test_lazy_networks_take_the_shape_of_the_file():
    source = nn.Sequential(nn.Linear(4, 2))
    made, _ = applied(source.state_dict(), nn.Sequential(nn.LazyLinear(2)))
    assert torch.equal(made[0].weight, source[0].weight)


def test_modules_that_rename_their_entries_have_the_last_word():
    class Renames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2)

        def _load_from_state_dict(self, state_dict, prefix, *args):
            for name in ("weight", "bias"):
                if f"{prefix}old.{name}" in state_dict:
                    state_dict[f"{prefix}fc.{name}"] = state_dict.pop(f"{prefix}old.{name}")
            super()._load_from_state_dict(state_dict, prefix, *args)

    layer = nn.Linear(2, 2)
    made, _ = applied(prefixed(layer.state_dict(), "old."), Renames())
    assert torch.equal(made.fc.weight, layer.weight)


def test_whole_modules_are_found():
    module = nn.Linear(1, 1)
    assert find_module(module) == (module, ())
    assert find_module({"epoch": 1, "model": module})[0] is module
    assert find_module({"state_dict": {}}) is None
    assert find_module([module]) is None


@pytest.mark.parametrize(
    "content", [None, 3, [], {}, {"epoch": 3}, {"a": {"b": {}}}, {0: torch.zeros(1)}]
)
def test_no_weights(content: Any):
    assert [one for one in find_states(content) if one.where] == []


@given(
    st.sets(st.sampled_from(["a.w", "a.b", "b.w", "c"]), min_size=1),
    st.lists(st.sampled_from(PREFIXES), max_size=3),
)
def test_any_stack_of_prefixes_comes_off(names: set[str], prefixes: list[str]):
    state = {name: torch.zeros(len(name)) for name in names}
    fit = best_fit(shapes_of(prefixed(state, "".join(prefixes))), shapes_of(state), {})
    assert fit.distance == 0
    assert set(fit.renamed) == names
