from __future__ import annotations

import gc
import weakref

import torch
from torch import nn

from pytest_deepimportance.models.versions import ModelVersion


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3)
    )


def test_current_while_nothing_changes():
    model = network()
    version = ModelVersion(model)
    model.eval()
    with torch.no_grad():
        model(torch.zeros(2, 1, 8, 8))
    model(torch.zeros(2, 1, 8, 8)).sum().backward()
    assert version.current
    assert ModelVersion(model).token == version.token


def test_sees_every_usual_way_to_change_a_model():
    def step(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.ones(2, 1, 8, 8)).sum().backward()
        optimizer.step()

    def in_place(model):
        with torch.no_grad():
            model[0].weight[0] += 1

    def replaced(model):
        model[4].bias = nn.Parameter(torch.zeros(3))

    changes = {
        "step": step,
        "in place": in_place,
        "replaced": replaced,
        "taken away": lambda model: setattr(model[4], "bias", None),
        "added to a module that had none": lambda m: m[2].register_buffer("slope", torch.zeros(1)),
        "load": lambda model: model.load_state_dict(network().state_dict()),
        "running statistics": lambda model: model.train()(torch.ones(2, 1, 8, 8)),
        "half": lambda model: model.half(),
        "submodule": lambda model: setattr(model, "0", nn.Conv2d(1, 2, 3)),
        "submodule without weights": lambda model: setattr(model, "2", nn.LeakyReLU()),
        "one more": lambda model: model.append(nn.Identity()),
    }
    for name, change in changes.items():
        model = network().eval()
        version = ModelVersion(model)
        change(model)
        assert not version.current, name
        assert ModelVersion(model).token != version.token, name


def test_takes_inference_meta_lazy_sparse_and_empty_tensors():
    with torch.inference_mode():
        made_there = network()
    sparse, empty = nn.Module(), nn.Module()
    sparse.register_buffer("x", torch.eye(3).to_sparse())
    empty.register_buffer("x", torch.empty(0, 3))
    bare = nn.Identity()
    for odd in (made_there, sparse, empty, bare, nn.LazyLinear(3), nn.Linear(3, 3, device="meta")):
        version = ModelVersion(odd)
        assert version.current
        assert ModelVersion(odd).token == version.token
    made_there[4].weight = nn.Parameter(torch.zeros(3, 72))
    assert ModelVersion(made_there).token != version.token


def test_ends_on_modules_that_contain_each_other():
    one = nn.Module()
    one.child = nn.Linear(2, 2)
    one.child._modules["parent"] = one
    assert ModelVersion(one).current


def test_does_not_keep_the_model_alive():
    model = network()
    version, gone = ModelVersion(model), weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert len(version.parts) == 5
