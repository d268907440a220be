"""Methods by name and alias, settings that a method knows, the random null, and running out of memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_deepimportance.attribution.base import (
    METHODS,
    AttributionBatch,
    Conservation,
    accepted,
    create,
    method_name,
)
from pytest_deepimportance.attribution.importance import importance
from pytest_deepimportance.attribution.memory_errors import is_out_of_memory
from pytest_deepimportance.attribution.shrinking import Shrinking
from pytest_deepimportance.data.batches import ModelCall, as_call
from pytest_deepimportance.errors import AttributionError, MethodUnavailable
from pytest_deepimportance.methods import ALIASES, METHOD_NAMES, canonical
from pytest_deepimportance.models.sites import find_sites
from tests.attribution.method_nets import Cut, made, run
from tests.attribution.nets import noise, realistic


def test_names_aliases_and_factories_belong_together() -> None:
    assert tuple(METHODS) == ("lrp", *ALIASES.values(), "random") == METHOD_NAMES
    assert " ".join(ALIASES) == "lc la ii lgxa lgc ldl ldls lgs lig lfa"
    assert [canonical(name) for name in ("LIG", "grad_cam", "lrp")] == [
        "integrated-gradients", "grad-cam", "lrp",
    ]  # fmt: skip
    for name in METHODS:
        model, x = realistic(Cut()), noise(2, 1, 3, 3)
        assert made(name, model, x).name == name


def test_no_such_method() -> None:
    with pytest.raises(AttributionError, match=r"no attribution method 'deeplft'.*\n.*deeplift"):
        method_name("deeplft")


@pytest.mark.parametrize(
    ("method", "setting", "known"),
    [("lrp", "steps", "epsilon"), ("lc", "epsilon", "steps"), ("lgxa", "seed", "rows_at_once"),
     ("ldl", "steps", "baseline"), ("random", "steps", "seed")],
)  # fmt: skip
def test_a_setting_that_a_method_does_not_know_is_refused(
    method: str, setting: str, known: str
) -> None:
    model, x = realistic(Cut()), noise(2, 1, 3, 3)
    sites = find_sites(model, as_call(x))
    assert known in accepted(method)
    assert setting not in accepted(method)
    with pytest.raises(AttributionError, match=f"has no setting {setting!r}"):
        create(method, model=model, sites=sites, layers=["conv"], **{setting: 1})


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [("lig", {"steps": 0}, "0 steps make no path"), ("lig", {"baseline": "black"}, "zero, mean"),
     ("lgs", {"samples": 0}, "0 samples are too few"), ("lgxa", {"target": "best"}, "'best'")],
)  # fmt: skip
def test_settings_out_of_range(method: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(AttributionError, match=message):
        made(method, realistic(Cut()), noise(2, 1, 3, 3), **settings)


def test_random_depends_on_seed_layer_and_neuron_only() -> None:
    model, x = realistic(Cut()), noise(12, 1, 3, 3)
    found = run("random", model, x, seed=3)
    for values in found.relevance.values():
        assert torch.equal(values, values[:1].expand_as(values))
        assert len(set(values[0].tolist())) == values.shape[1]
        assert 0 <= float(values.min()) <= float(values.max()) < 1
    again = run("random", model, x[5:6], seed=3, layers=["hidden"]).relevance
    assert torch.equal(again["hidden"][0], found.relevance["hidden"][0])
    other = run("random", model, x, seed=4)
    assert not torch.equal(other.relevance["hidden"], found.relevance["hidden"])
    assert not torch.equal(found.relevance["hidden"][0, :3], found.relevance["conv"][0])
    assert "seed 3" in made("random", model, x, seed=3).notes[0]


def test_random_numbers_are_uniform() -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.head = nn.Linear(2, 5000), nn.Linear(5000, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.wide(x).relu())

    drawn = np.sort(run("random", Wide(), noise(1, 2).float()).relevance["wide"][0].numpy())
    assert np.abs(drawn - np.linspace(0, 1, 5000)).max() < 0.03  # Kolmogorov: 1.63 / sqrt(5000)


@pytest.mark.parametrize(
    ("error", "memory"),
    [(MemoryError(), True), (torch.OutOfMemoryError("CUDA"), True), (ValueError("x"), False),
     (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), True),
     (RuntimeError("shapes do not fit"), False)],
)  # fmt: skip
def test_what_says_that_memory_ran_out(error: Exception, memory: bool) -> None:
    assert is_out_of_memory(error) is memory


class Small(nn.Module):
    """A network that runs out of memory with more than so many rows."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.body, self.head, self.most = nn.Linear(4, 5), nn.Linear(5, 3), most

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory")
        return self.head(self.body(x).relu())


@pytest.mark.parametrize("method", ["lrp", "lgxa", "lc", "lig", "ldl", "lfa", "random"])
def test_fewer_rows_when_memory_runs_out(method: str) -> None:
    x, y = noise(20, 4), torch.arange(20)
    plenty = made(method, realistic(Small(10_000)), x, steps=3).attribute(as_call((x, y)))
    attribution = Shrinking(made(method, realistic(Small(4)), x[:2], steps=3))
    found = attribution.attribute(as_call((x, y)))
    torch.testing.assert_close(found.relevance["body"], plenty.relevance["body"])
    assert found.activations.labels.tolist() == y.tolist()
    assert found.activations.digests.tolist() == plenty.activations.digests.tolist()
    note = attribution.notes[-1]
    assert note.startswith("memory ran out with 20 inputs in one pass: ")
    # It stays with what fits, and does not try again with more.
    assert attribution.attribute(as_call((x, y))).relevance["body"].shape == (20, 5)
    assert attribution.notes[-1] == note


def test_one_input_that_does_not_fit_is_an_error() -> None:
    attribution = Shrinking(made("lgxa", realistic(Small(4)), noise(2, 4)))
    attribution._inner._model.most = 0  # type: ignore[attr-defined]
    with pytest.raises(AttributionError, match="memory ran out with one input in one pass"):
        attribution.attribute(as_call(noise(3, 4)))


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    class Broken:
        name, notes = "broken", ()

        def attribute(self, call: ModelCall) -> AttributionBatch:
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        Shrinking(Broken()).attribute(as_call(noise(3, 4)))


def test_accounts_are_kept_over_parts() -> None:
    attribution = Shrinking(made("lrp", realistic(Small(4)), noise(2, 4)))
    found = attribution.attribute(as_call(noise(8, 4)))
    assert found.conservation.rows == 8
    assert found.conservation != Conservation()


def test_importance_of_every_method_says_how() -> None:
    model, x = realistic(Cut()), noise(6, 1, 3, 3)
    lig = importance(model, [x[:4], x[4:]], method="lig", steps=7, target=1)
    assert (lig.method, lig.rule, lig.target) == (
        "integrated-gradients",
        "7 steps, baseline 0",
        "1",
    )
    assert (lig.rows, lig.balance, lig.input_share) == (6, None, None)
    whole = run("lig", model, x, steps=7, target=1).relevance
    for name, scores in lig.scores.items():
        np.testing.assert_allclose(scores, whole[name].sum(0).numpy(), rtol=1e-9)
    assert importance(model, [x], method="random", seed=5).rule == "seed 5"
    assert importance(model, [x], method="lgxa").rule is None


def test_one_that_cannot_run_is_an_error_that_callers_may_collect() -> None:
    ids = torch.zeros(2, 3, dtype=torch.int64)
    model = nn.Sequential(nn.Embedding(4, 5), nn.Flatten(), nn.Linear(15, 5), nn.Linear(5, 2))
    unavailable = {}
    for method in ("lc", "lgxa"):
        try:
            importance(model, [ids], method=method)
        except MethodUnavailable as error:
            unavailable[method] = error.what
    assert unavailable == {
        "lc": "conductance needs inputs of floating numbers, and this model has none"
    }
    assert isinstance(MethodUnavailable("x"), AttributionError)
