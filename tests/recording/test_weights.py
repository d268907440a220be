from __future__ import annotations

import copy

import pytest
import torch

from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.recording import weights as weights_module
from pytest_deepimportance.recording.weights import WeightSample, WeightsCheck
from tests.recording.nets import Moody, make


def test_a_sample_sees_a_training_step_and_not_a_copy():
    model = make(Moody)
    sample = WeightSample(model)
    other = copy.deepcopy(model)
    assert not sample.differs(other)
    with torch.no_grad():
        other.norm.running_mean += 1
    assert sample.differs(other)
    assert sample.differs(make())
    assert sample.differs(make(Moody).double())


def test_a_sample_takes_odd_weights():
    model = make()
    model.register_buffer("scalar", torch.tensor(2.0))
    model.register_buffer("empty", torch.empty(0, 3))
    model.register_buffer("ids", torch.arange(3))
    model.register_buffer("nan", torch.full((2, 3, 4), torch.nan))
    assert not WeightSample(model).differs(copy.deepcopy(model))


def test_caches_are_no_weights():
    model = make()
    model.register_buffer("cache", torch.zeros(3), persistent=False)
    check, sample = WeightsCheck(fingerprint(model)), WeightSample(model)
    with torch.no_grad():
        model.a.weight += 1
    assert not check.matches(model, sample)
    model.load_state_dict(make().state_dict())
    model.cache += 1
    assert check.matches(model, sample)
    assert not sample.differs(model)


def test_equal_again_after_weights_are_restored():
    model = make()
    check, sample = WeightsCheck(fingerprint(model)), WeightSample(model)
    before = copy.deepcopy(model.state_dict())
    assert check.matches(model, sample)
    with torch.no_grad():
        model.a.weight += 1
    assert not check.matches(model, sample)
    assert check.other == fingerprint(model)[:8]
    model.load_state_dict(before)
    assert check.matches(model, sample)


def test_unchanged_weights_are_hashed_once_and_training_only_for_the_name(monkeypatch):
    model = make()
    expected, sample = fingerprint(model), WeightSample(model)
    hashed = []
    monkeypatch.setattr(weights_module, "fingerprint", lambda m: hashed.append(1) or fingerprint(m))
    check = WeightsCheck(expected)
    for _ in range(3):
        assert check.matches(model, sample)
    assert len(hashed) == 1
    for _ in range(5):
        with torch.no_grad():
            model.a.weight += 1
        assert not check.matches(model, sample)
    assert len(hashed) == 2


@pytest.mark.parametrize("trusted", [True, False])
def test_writes_that_leave_no_version_are_seen_before_the_next_pass(trusted):
    model = make(Moody)
    check, sample = WeightsCheck(fingerprint(model)), WeightSample(model)
    if trusted:
        check.trust(model)
        check.look_again()
    assert check.matches(model, sample)
    for weight in (model.a.weight, model.norm.running_mean):
        before = weight.detach().clone()
        weight.data.add_(1)
        assert not check.matches(model, sample)
        assert not check.matches(model, sample)
        weight.detach().numpy()[:] = before
        check.look_again()
        assert check.matches(model, sample)
        assert check.matches(model, sample)


def test_weights_with_an_equal_sample_are_hashed_once(monkeypatch):
    model, hashed = make(), []
    check, sample = WeightsCheck(fingerprint(model)), WeightSample(model)
    with torch.no_grad():
        model.a.weight[-1] += 1
    monkeypatch.setattr(weights_module, "fingerprint", lambda m: hashed.append(1) or fingerprint(m))
    for _ in range(3):
        check.look_again()
        assert not check.matches(model, sample)
    assert len(hashed) == 1


def test_without_a_sample_the_whole_model_is_compared():
    model = make()
    check = WeightsCheck(fingerprint(model))
    assert check.matches(model, None)
    check.look_again()
    assert check.matches(model, None)
    assert not WeightsCheck("0" * 64).matches(model, None)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_a_copy_in_another_precision_is_told_from_other_weights(dtype):
    model = make(Moody)
    sample, check = WeightSample(model), WeightsCheck(fingerprint(model))
    name = str(dtype).removeprefix("torch.")
    copied = copy.deepcopy(model).to(dtype)
    assert sample.precisions(copied) == ("float32", name)
    assert WeightSample(copied).precisions(model) == (name, "float32")
    assert not check.matches(copied, sample)
    assert f"in {name} instead of float32, so its values differ" in check.cause("another Moody")
    with torch.no_grad():
        copied.norm.running_mean += 1
    assert sample.precisions(copied) is None


def test_equal_and_other_weights_have_no_other_precision():
    model = make(Moody)
    sample = WeightSample(model)
    assert sample.precisions(copy.deepcopy(model)) is None
    assert sample.precisions(make()) is None
    assert sample.precisions(make().double()) is None


def test_a_sample_keeps_the_weights_of_its_moment():
    model = make(Moody)
    sample = WeightSample(model)
    with torch.no_grad():
        for weights in model.parameters():
            weights.data += 1
    assert sample.differs(model)
    assert sample.precisions(model.double()) is None
