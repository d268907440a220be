from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pytest_deepimportance.models.fingerprint import fingerprint
from tests.models.projects import Project
from tests.oracles.reference_fingerprint import same_model


def network(**change: object) -> nn.Sequential:
    torch.manual_seed(0)
    settings = {"stride": 1, "padding": 0, "eps": 1e-5} | change
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=settings["stride"], padding=settings["padding"]),
        nn.BatchNorm2d(2, eps=settings["eps"]),
        nn.Flatten(),
        nn.LazyLinear(3) if change.get("lazy") else nn.Linear(72, 3),
    )


def test_is_64_hexadecimal_digits():
    text = fingerprint(network())
    assert len(text) == 64
    assert set(text) <= set("0123456789abcdef")


def test_same_for_copy_mode_dtype_of_autograd_and_batches_seen():
    model = network()
    expected = fingerprint(model)
    other = copy.deepcopy(model).train()
    other[1].num_batches_tracked += 5
    other.requires_grad_(False)
    assert fingerprint(other) == expected
    assert fingerprint(model.eval()) == expected


def test_does_not_depend_on_strides():
    model, other = network(), network()
    other[0].weight.data = other[0].weight.data.to(memory_format=torch.channels_last)
    other[3].weight.data = other[3].weight.data.t().contiguous().t()
    assert fingerprint(other) == fingerprint(model)


def test_value_is_pinned():
    # Profiles carry it: another value here makes every stored profile one "of another model".
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    expected = "803ee9fd3277f19e19063013c38a8cd825d87d931c8dda4b06ddfe5c6aa60d19"
    assert fingerprint(model) == expected


@given(st.integers(0, 100), st.sampled_from(["0.weight", "0.bias", "1.running_var", "3.weight"]))
def test_any_single_changed_value_changes_it(index: int, name: str):
    model, other = network(), network()
    flat = other.state_dict()[name].view(-1)
    flat[index % len(flat)] = torch.nextafter(flat[index % len(flat)], torch.tensor(9.0))
    assert fingerprint(other) != fingerprint(model)
    assert not same_model(model, other)


@pytest.mark.parametrize(
    "other",
    [
        network(stride=2),
        network(padding=1),
        network(eps=1e-3),
        nn.Sequential(*network(), nn.ReLU()),
        nn.Sequential(*network(), nn.LeakyReLU(0.1)),
        nn.Sequential(*network(), nn.LeakyReLU(0.2)),
        nn.Sequential(*network(), nn.Softmax(dim=1)),
        nn.Sequential(*network(), nn.Softmax(dim=0)),
        network(lazy=True),
        network().double(),
        network().bfloat16(),
    ],
    ids=str,
)
def test_structure_and_dtype_change_it(other: nn.Module):
    assert fingerprint(other) != fingerprint(network())
    assert fingerprint(copy.deepcopy(other)) == fingerprint(other)


def test_settings_that_only_matter_in_training_do_not_change_it():
    one = nn.Sequential(nn.Dropout(0.1), nn.BatchNorm1d(3, momentum=0.1), nn.ReLU(inplace=True))
    two = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3, momentum=0.2), nn.ReLU())
    assert fingerprint(one) == fingerprint(two)


def test_activation_of_a_transformer_layer_counts():
    def layer(activation: str) -> nn.Module:
        torch.manual_seed(0)
        return nn.TransformerEncoderLayer(4, 2, 8, activation=activation).eval()

    assert fingerprint(layer("relu")) != fingerprint(layer("gelu"))


class Scaled(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale, self.calls, self.hook = scale, 0, object()

    def extra_repr(self) -> str:
        return f"scale={self.scale}, hook={self.hook}"

    def forward(self, x):
        self.calls += 1
        return x * self.scale


def test_own_modules_count_by_what_they_print_without_addresses():
    model = Scaled(2.0)
    before = fingerprint(model)
    model(torch.zeros(1))
    assert fingerprint(model) == before == fingerprint(Scaled(2.0))
    assert fingerprint(Scaled(3.0)) != before


def test_tied_weights_count_by_content():
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    untied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    untied.load_state_dict(tied.state_dict())
    assert fingerprint(tied) == fingerprint(untied) == fingerprint(copy.deepcopy(tied))


def test_a_module_used_twice_counts_under_both_names():
    layer = nn.Linear(3, 3)
    assert fingerprint(nn.Sequential(layer, layer)) != fingerprint(nn.Sequential(layer))


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.complex64, torch.bool, torch.int8]
)
def test_every_dtype_has_bytes(dtype: torch.dtype):
    one, two = nn.Module(), nn.Module()
    one.register_buffer("x", torch.zeros(3).to(dtype))
    two.register_buffer("x", torch.tensor([0.0, 1.0, 0.0]).to(dtype))
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(one) == fingerprint(copy.deepcopy(one))


def test_scalars_empty_sparse_and_meta_tensors():
    model = nn.Module()
    model.register_buffer("scalar", torch.tensor(3.0))
    model.register_buffer("empty", torch.zeros(0, 3))
    model.register_buffer("sparse", torch.eye(3).to_sparse())
    model.register_buffer("cache", torch.rand(3), persistent=False)
    other = copy.deepcopy(model)
    other.cache = torch.rand(3)
    assert fingerprint(model) == fingerprint(other)
    other.scalar += 1
    assert fingerprint(model) != fingerprint(other)
    assert len(fingerprint(nn.Linear(3, 3, device="meta"))) == 64


@pytest.mark.filterwarnings("ignore")
def test_packed_weights_of_quantised_layers_count():
    def quantised(value: float) -> nn.Module:
        model = nn.Sequential(nn.Linear(3, 3))
        nn.init.constant_(model[0].weight, value)
        nn.init.zeros_(model[0].bias)
        return torch.ao.quantization.quantize_dynamic(model)

    assert fingerprint(quantised(0.5)) == fingerprint(quantised(0.5))
    assert fingerprint(quantised(0.5)) != fingerprint(quantised(0.25))


def test_same_class_imported_twice_is_the_same_model(project: Project):
    from pytest_deepimportance.data.importing import import_object

    project.write("again.py", (project.root / project.package / "model.py").read_text())
    one = import_object(project.spec("build"), "factory", root=project.root)()
    two = import_object(project.spec("build", "again"), "factory", root=project.root)()
    two.load_state_dict(one.state_dict())
    assert type(one) is not type(two)
    assert fingerprint(one) == fingerprint(two)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_same_on_every_device():
    model = network()
    assert fingerprint(copy.deepcopy(model).cuda()) == fingerprint(model)
