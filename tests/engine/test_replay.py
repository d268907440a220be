"""The reference, run through its own model again: by rounding alone nothing new is covered."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pytest_deepimportance as idc
from pytest_deepimportance.engine.profiles import describe_model
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.results import CriterionRow
from tests.examples.sample_modules import FIXTURES, ROOT, imported

ROWS = 300
BITS = ("KMNC", "NC", "TKNC")
NAMES = "NC,KMNC,NBC,SNAC,TKNC,TKNP,CC,LSC,DSC,MDSC,NLC"
Way = Callable[[nn.Module, Tensor], Any]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Passes of one small image are slowed down tenfold by threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class ConvNet(nn.Module):
    """Convolutions with batch norm and ReLU, a residual add, and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.fc1, self.fc2 = nn.Linear(8 * 16, 24), nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm1(self.conv1(x)))
        x = torch.relu(self.norm2(self.conv2(x)) + x)
        x = torch.relu(self.fc1(nn.functional.avg_pool2d(x, 2).flatten(1)))
        scores: Tensor = self.fc2(x)
        return scores


def conv_net() -> tuple[nn.Module, Tensor]:
    """A net whose batch norms have seen some data, and random images."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model, x = ConvNet().train(), torch.randn(ROWS, 3, 8, 8)
        with torch.no_grad():
            for part in x.split(50):
                model(part)
    return model.eval(), x


def digits() -> tuple[nn.Module, Tensor]:
    """The committed network and the images it was trained on."""
    with imported(ROOT / "sample_project", "app", "model", "data") as app:
        model = app.model.load_classifier(FIXTURES / "digits_lenet.safetensors")
        return model.eval(), app.data.load_reference()[0][::4].clone()


Case = tuple[nn.Module, Tensor, Profile]


@pytest.fixture(scope="module", params=[conv_net, digits], ids=["conv", "digits"])
def case(request: pytest.FixtureRequest) -> Case:
    model, x = request.param()
    return model, x, idc.build_profile(model, x, criteria=NAMES, batch_size=256)


@pytest.fixture(scope="module")
def conv() -> Case:
    model, x = conv_net()
    return model, x, idc.build_profile(model, x, criteria=NAMES, batch_size=256)


def report(
    model: nn.Module, x: Tensor, profile: Profile, batch: int = 256, way: Way = nn.Module.__call__
) -> idc.Report:
    with idc.record(model, profile, criteria=NAMES) as recording, torch.no_grad():
        for part in x.split(batch):
            way(model, part)
    return recording.report()


def in_double(case: Case) -> tuple[nn.Module, Tensor, Profile]:
    """The same in double precision, measured against the profile made in single precision."""
    model, x, profile = case
    wide = copy.deepcopy(model).double()
    return wide, x.double(), dataclasses.replace(profile, model=describe_model(wide))


def doubts(rows: Mapping[str, CriterionRow]) -> dict[str, int]:
    return {key: row.details["near_boundary"] for key, row in rows.items() if row.criterion in BITS}


def differ_by_doubts_only(one: idc.Report, two: idc.Report) -> bool:
    """Whether what marks items of neurons differs by no more than each report has in doubt."""
    return all(
        abs(one.criteria[key].covered - two.criteria[key].covered) <= room
        for rows in (one.criteria, two.criteria)
        for key, room in doubts(rows).items()
    )


@pytest.mark.parametrize("batch", [1, 7, 256, "double"])
def test_the_reference_reaches_no_corner_at_any_batch_size_or_precision(
    case: Case, batch: Any
) -> None:
    found = report(*in_double(case)) if batch == "double" else report(*case, batch=batch)
    assert found.total.inputs == len(torch.unique(case[1].flatten(1), dim=0))
    rows = {k: r.covered for k, r in found.criteria.items() if r.criterion in ("NBC", "SNAC")}
    assert len(rows) >= 2 + 2 * 3
    assert set(rows.values()) == {0}
    assert found.criteria["KMNC"].details["out_of_range_neurons"] == 0


def test_batch_sizes_and_precisions_differ_by_what_is_in_doubt(case: Case) -> None:
    whole = report(*case)
    others = [report(*case, batch=1), report(*case, batch=7), report(*in_double(case))]
    assert all(whole.criteria[name].covered > 0 for name in BITS)
    for other in others:
        assert differ_by_doubts_only(whole, other)
        for name in ("TKNP", "CC"):
            room = whole.criteria[name].details["near_boundary"]
            assert abs(other.criteria[name].covered - whole.criteria[name].covered) <= room
        assert other.criteria["NLC"].covered == pytest.approx(
            whole.criteria["NLC"].covered, rel=1e-4
        )


def test_few_items_are_in_doubt(case: Case) -> None:
    for name in BITS:
        row = report(*case).criteria[name]
        assert row.details["near_boundary"] <= 0.05 * row.total


def test_every_neuron_of_the_reference_reaches_both_ends_of_its_range(case: Case) -> None:
    row = report(*case).criteria["KMNC"]
    constant = row.details["degenerate_neurons"]
    neurons = row.total // 1000
    assert row.covered >= 2 * (neurons - constant) + constant


def transposed(x: Tensor) -> Tensor:
    """The same values with other strides."""
    return x.transpose(2, 3).contiguous().transpose(2, 3)


def every_other(x: Tensor) -> Tensor:
    """The same values, a view of twice as many."""
    return torch.stack([x, torch.zeros_like(x)], dim=1).flatten(0, 1)[::2]


@pytest.mark.parametrize(
    "layout",
    [lambda x: x.to(memory_format=torch.channels_last), transposed, every_other],
    ids=["channels_last", "transposed", "every other"],
)
def test_the_layout_of_the_inputs_does_not_matter(conv: Case, layout: Any) -> None:
    model, x, profile = conv
    other = layout(x)
    assert torch.equal(other, x)
    assert other.stride() != x.stride()
    found, plain = report(model, other, profile), report(model, x, profile)
    assert differ_by_doubts_only(found, plain)
    assert (found.criteria["NBC"].covered, found.criteria["SNAC"].covered) == (0, 0)
    assert found.criteria["NLC"].covered == pytest.approx(plain.criteria["NLC"].covered, rel=1e-4)
    with idc.record(model, profile, criteria="NC") as recording, torch.no_grad():
        model(other)
        model(x)
    assert recording.report().total.inputs == ROWS  # equal content is the same input


def test_a_model_in_channels_last_measures_as_the_plain_one(conv: Case) -> None:
    model, x, profile = conv
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)
    found = report(other, x.to(memory_format=torch.channels_last), profile)
    assert differ_by_doubts_only(found, report(model, x, profile))


def finite(found: idc.Report) -> bool:
    values = [row.covered for row in found.criteria.values()]
    return found.total.inputs == ROWS and all(0 <= value < float("inf") for value in values)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_autocast_and_models_of_half_precision_give_finite_numbers(
    conv: Case, dtype: torch.dtype
) -> None:
    model, x, profile = conv

    def cast(model: nn.Module, x: Tensor) -> None:
        with torch.autocast("cpu", dtype=dtype):
            model(x)

    found = report(model, x, profile, way=cast)
    assert finite(found)
    assert found.criteria["KMNC"].covered > 0
    half, inputs = copy.deepcopy(model).to(dtype), x.to(dtype)
    own = idc.build_profile(half, inputs, criteria=NAMES)
    found = report(half, inputs, own)
    assert finite(found)
    assert found.criteria["NBC"].covered == 0
    mixed = dataclasses.replace(profile, model=describe_model(half))
    assert finite(report(half, inputs, mixed))
