from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.loading import load
from pytest_deepimportance.models.pickles import PickleRefused
from tests.models.projects import SOURCE

pytestmark = pytest.mark.filterwarnings("ignore")


def classifier() -> nn.Module:
    space: dict[str, Any] = {}
    exec(SOURCE, space)
    torch.manual_seed(0)
    made = space["build"]()
    assert isinstance(made, nn.Module)
    return made.eval()


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return classifier()


@pytest.fixture(scope="module")
def program(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "net.pt2"
    batch = torch.export.Dim("batch", min=1, max=512)
    exported = torch.export.export(
        network, (torch.randn(2, 1, 8, 8),), dynamic_shapes=({0: batch},)
    )
    torch.export.save(exported, path)
    return path


def edited(source: Path, target: Path, edit: Callable[[str, bytes], bytes | None]) -> Path:
    """Copy an archive record by record; `edit` returns the new content, None to leave it out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = edit(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def with_text(old: str, new: str) -> Callable[[str, bytes], bytes]:
    def edit(name: str, content: bytes) -> bytes:
        if not name.endswith("model.json"):
            return content
        assert old.encode() in content
        return content.replace(old.encode(), new.encode())

    return edit


def test_program_is_a_module_whose_hooks_fire(network: nn.Module, program: Path):
    loaded = load(str(program))
    seen = []
    for name, module in loaded.module.named_modules():
        module.register_forward_hook(lambda _, __, ___, name=name: seen.append(name))
    x = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(loaded.module(x), network(x))
    assert seen == ["block.conv", "block.bn", "block", "drop", "fc", ""]
    assert loaded.module.training is False
    assert loaded.notes == ("The exported program net.pt2 was unflattened into modules.",)


def test_name_does_not_matter_and_no_factory_is_needed(program: Path, tmp_path: Path):
    (tmp_path / "model.pth").write_bytes(program.read_bytes())
    assert load(str(tmp_path / "model.pth"), factory="absent:factory").module is not None


def test_fixed_batch_size_is_said(network: nn.Module, tmp_path: Path):
    torch.export.save(torch.export.export(network, (torch.randn(3, 1, 8, 8),)), tmp_path / "f.pt2")
    assert "batches of exactly 3 rows" in load(str(tmp_path / "f.pt2")).notes[1]


def test_gradients_flow(program: Path):
    x = torch.randn(2, 1, 8, 8, requires_grad=True)
    load(str(program)).module(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_operators_outside_torch_are_not_resolved(program: Path, tmp_path: Path):
    for target in (
        "torch.os.system",
        "torch.hub.load",
        "torch.load",
        "torch.ops.load_library",
        "torch.ops.aten.relu.__class__",
        "torch.ops.aten.__class__.mro",
        "_operator.attrgetter",
        "_operator.methodcaller",
        "builtins.eval",
        "math.__loader__.load_module",
    ):
        file = edited(program, tmp_path / "m.pt2", with_text("torch.ops.aten.relu.default", target))
        with pytest.raises(PickleRefused) as caught:
            load(str(file))
        assert target in str(caught.value)
        assert "--idc-allow-pickle" in str(caught.value)


def test_symbolic_sizes_are_not_evaluated(program: Path, tmp_path: Path):
    mark = tmp_path / "owned"
    for text in (
        f"open('{mark}', 'w')",
        f"__import__('os').system('touch {mark}')",
        f"Symbol('s77').__class__.__init__.__globals__['sys'].modules['os'].system('touch {mark}')",
        "s77.free_symbols",
        "9**9**9**9**9**9",
    ):
        old = "Symbol('s77', positive=True, integer=True)"
        edit = with_text(old, json.dumps(text)[1:-1])
        try:
            file = edited(program, tmp_path / "m.pt2", edit)
        except AssertionError:
            pytest.skip("this torch names the batch symbol otherwise")
        with pytest.raises(PickleRefused):
            load(str(file))
    assert not mark.exists()


def test_pickled_parts_are_not_unpickled(program: Path, tmp_path: Path):
    mark = tmp_path / "owned"

    def opaque(name: str, content: bytes) -> bytes:
        if name.endswith("model_constants_config.json"):
            entry = {
                "path_name": "opaque_obj_0",
                "is_param": False,
                "use_pickle": True,
                "tensor_meta": None,
            }
            return json.dumps({"config": {"evil": entry}}).encode()
        return content

    file = edited(program, tmp_path / "opaque.pt2", opaque)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("net/data/constants/opaque_obj_0", pickle.dumps(Evil(mark)))
    with pytest.raises(PickleRefused, match=r"opaque_obj_0|pickled objects"):
        load(str(file))

    for record in ("sample_inputs/model.pt", "weights/model.pt", "constants/model.pt"):
        torch.save(Evil(mark), tmp_path / "evil")

        def replaced(name: str, content: bytes, record: str = record) -> bytes | None:
            return None if name.endswith(record) else content

        file = edited(program, tmp_path / "pickled.pt2", replaced)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(f"net/data/{record}", (tmp_path / "evil").read_bytes())
        with pytest.raises(ModelLoadError):
            load(str(file))
    assert not mark.exists()


def test_containers_of_the_inputs_are_plain(program: Path, tmp_path: Path):
    edit = with_text("builtins.tuple", "collections.defaultdict")
    with pytest.raises(PickleRefused, match="in_spec"):
        load(str(edited(program, tmp_path / "m.pt2", edit)))


def test_records_that_two_readers_could_see_differently_are_refused(program: Path, tmp_path: Path):
    file = edited(program, tmp_path / "m.pt2", lambda name, content: content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("net/models/MODEL.json", "{}")
    with pytest.raises(PickleRefused, match="occurs twice"):
        load(str(file))


def test_compiled_machine_code_is_refused(program: Path, tmp_path: Path):
    file = edited(program, tmp_path / "m.pt2", lambda name, content: content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("net/data/aotinductor/model/code.so", b"\x7fELF")
    with pytest.raises(PickleRefused, match="compiled machine code"):
        load(str(file))


def test_permission_lifts_the_checks_and_is_said(program: Path, tmp_path: Path):
    file = edited(program, tmp_path / "m.pt2", lambda name, content: content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("net/extra/notes.json", '{"note": "import os; os.remove(...)"}')
    with pytest.raises(PickleRefused):
        load(str(file))
    notes = load(str(file), allow_pickle=True).notes
    assert notes[1] == "m.pt2 was loaded without checks, as --idc-allow-pickle permits."


def test_guards_are_not_evaluated(program: Path, tmp_path: Path):
    mark = tmp_path / "owned"
    edit = with_text('"guards_code": []', f"\"guards_code\": [\"open('{mark}', 'w')\"]")
    load(str(edited(program, tmp_path / "m.pt2", edit))).module(torch.zeros(2, 1, 8, 8))
    assert not mark.exists()


def test_damaged_programs(program: Path, tmp_path: Path):
    broken = edited(program, tmp_path / "a.pt2", with_text('"graph_module"', '"no_module"'))
    with pytest.raises(ModelLoadError, match="cannot be read"):
        load(str(broken))
    garbled = edited(program, tmp_path / "b.pt2", with_text('{"graph_module"', '["graph_module"'))
    with pytest.raises(ModelLoadError, match="cannot be read"):
        load(str(garbled))


def test_real_networks_pass_the_checks(tmp_path: Path):
    models = {
        "attention": (
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(),
            torch.randn(2, 5, 8),
        ),
        "lstm": (nn.LSTM(4, 4, batch_first=True), torch.randn(2, 5, 4)),
        "sums": (Arithmetic(), torch.randn(4, 6)),
    }
    for name, (model, x) in models.items():
        torch.export.save(torch.export.export(model, (x,)), tmp_path / f"{name}.pt2")
        loaded = load(str(tmp_path / f"{name}.pt2")).module
        expected, found = model(x), loaded(x)
        if isinstance(expected, tuple):
            expected, found = expected[0], found[0]
        torch.testing.assert_close(found, expected)


class Arithmetic(nn.Module):
    def forward(self, x):
        half = x.shape[1] // 2
        return (
            {"low": x[:, :half] & 1, "high": x[:, half:] ** 2}
            if x.dtype == torch.long
            else x[:, half:] ** 2
        )


def test_dynamic_arithmetic_on_sizes_passes(tmp_path: Path):
    batch, half = torch.export.Dim("batch"), torch.export.Dim("half", min=2, max=32)
    exported = torch.export.export(
        Arithmetic(), (torch.randn(4, 6),), dynamic_shapes=({0: batch, 1: 2 * half},)
    )
    torch.export.save(exported, tmp_path / "m.pt2")
    x = torch.randn(7, 10)
    torch.testing.assert_close(load(str(tmp_path / "m.pt2")).module(x), Arithmetic()(x))
