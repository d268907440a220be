from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

from pytest_deepimportance.recording.inert import InertHook


class Counting(InertHook):
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *args: object) -> None:
        self.calls += 1


def test_copies_and_pickles_do_nothing_and_do_not_name_the_package():
    hook = Counting()
    for inert in (copy.copy(hook), copy.deepcopy(hook), pickle.loads(pickle.dumps(hook))):
        assert inert(nn.Identity(), (1,), {}, 2) is None
        again = pickle.loads(pickle.dumps(copy.deepcopy(inert)))
        assert again(1) is None
    assert hook.calls == 0
    assert b"deepimportance" not in pickle.dumps(hook)


def test_scripting_a_model_with_our_hooks_says_what_to_do():
    model = nn.Linear(2, 2)
    model.register_forward_hook(Counting())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(AttributeError, match="script a newly built instance"):
            torch.jit.script(model)


def test_a_copied_module_runs_with_inert_hooks():
    hook = Counting()
    model = nn.Linear(2, 2)
    model.register_forward_pre_hook(hook, with_kwargs=True)
    model.register_forward_hook(hook, with_kwargs=True, always_call=True)
    x = torch.ones(1, 2)
    assert torch.equal(copy.deepcopy(model)(x), pickle.loads(pickle.dumps(model))(x))
    assert hook.calls == 0
    model(x)
    assert hook.calls == 2
