from __future__ import annotations

import contextlib
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pytest_deepimportance.errors import ModelLoadError
from pytest_deepimportance.models.formats import EXPORTED, PICKLE, SAFETENSORS, TORCH, classify


def refusal(path: Path) -> str:
    with pytest.raises(ModelLoadError) as caught:
        classify(path)
    assert caught.value.fix
    return str(caught.value)


def test_kinds_are_told_by_content_not_by_suffix(tmp_path: Path):
    state = {"w": torch.zeros(2)}
    torch.save(state, tmp_path / "a.bin")
    torch.save(state, tmp_path / "b.bin", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "c.bin")
    (tmp_path / "d.bin").write_bytes(pickle.dumps({"w": 1}))
    with tarfile.open(tmp_path / "e.bin", "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    with zipfile.ZipFile(tmp_path / "f.bin", "w") as archive:
        archive.writestr("m/archive_format", "pt2")
    kinds = [classify(tmp_path / f"{name}.bin") for name in "abcdef"]
    assert kinds == [TORCH, TORCH, SAFETENSORS, PICKLE, PICKLE, EXPORTED]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.ckpt"])
def test_torchscript_is_refused_under_any_name(tmp_path: Path, name: str):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / name)
    text = refusal(tmp_path / name)
    assert "is a TorchScript model" in text
    assert "never called" in text
    assert "--idc-factory" in text


def test_tar_is_seen_even_when_it_begins_like_another_format(tmp_path: Path):
    # torch.load looks for tar first, and old versions ran code from it.
    for name in ("\udc80\x02\udc8a\nl\udcfc\udc9cF\udcf9 j\udca8P\x19.", "\udc80\x02x"):
        with tarfile.open(tmp_path / "m.pth", "w", format=tarfile.GNU_FORMAT) as archive:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
        assert (tmp_path / "m.pth").read_bytes().startswith(b"\x80\x02")
        assert classify(tmp_path / "m.pth") == PICKLE


def test_dangling_link_and_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "link.pth").symlink_to(tmp_path / "annex" / "object")
    text = refusal(tmp_path / "link.pth")
    assert f"is a link to {tmp_path / 'annex' / 'object'}, which is not there" in text

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "locked.pth").write_bytes(b"x")
    monkeypatch.setattr(Path, "open", denied)
    assert "cannot be opened: Permission denied" in refusal(tmp_path / "locked.pth")


def test_git_lfs_pointer(tmp_path: Path):
    path = tmp_path / "weights.pth"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 178090079\n")
    text = refusal(path)
    assert "Git LFS pointer" in text
    assert "git lfs pull" in text


def test_dvc_stub_beside_or_instead_or_above(tmp_path: Path):
    stub = "outs:\n- md5: 0123456789abcdef\n  path: weights.pth\n"
    (tmp_path / "weights.pth.dvc").write_text(stub)
    (tmp_path / "models.dvc").write_text(stub)
    (tmp_path / "moved.pth").write_text(stub)
    assert f"dvc pull {tmp_path / 'weights.pth.dvc'}" in refusal(tmp_path / "weights.pth")
    assert f"dvc pull {tmp_path / 'weights.pth.dvc'}" in refusal(tmp_path / "weights.pth.dvc")
    assert f"dvc pull {tmp_path / 'models.dvc'}" in refusal(tmp_path / "models" / "a.pth")
    assert "dvc pull" in refusal(tmp_path / "moved.pth")


def test_absent_file_names_the_nearest(tmp_path: Path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "lenet5_best.pth").write_bytes(b"x")
    text = refusal(tmp_path / "models" / "lenet_best.pth")
    assert "there is no model file" in text
    assert f"Did you mean {tmp_path / 'models' / 'lenet5_best.pth'}?" in text
    text = refusal(tmp_path / "model" / "lenet5_best.pth")
    assert f"the folder {tmp_path / 'model'} does not exist" in text
    assert f"Did you mean {tmp_path / 'models'}?" in text
    assert "--idc-model" in refusal(tmp_path / "models" / "zzz")


def test_folder(tmp_path: Path):
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "best.pth").write_bytes(b"x")
    assert "It holds: best.pth." in refusal(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert "from_pretrained" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty (0 bytes)"),
        (
            b"just some notes\non two lines",
            "is a text file, not a model; it begins with 'just some",
        ),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "is a Keras / HDF5 file"),
        (b"\x93NUMPY" + bytes(64), "is a NumPy array file"),
        (bytes(range(200, 256)), "is of no known format"),
        (bytes(4096), "is of no known format"),
        (b"\xff\xd8\xff\xe0" + bytes(range(256)), "is of no known format"),
    ],
    ids=["empty", "text", "hdf5", "npy", "bytes", "zeros", "jpeg"],
)
def test_not_a_model(tmp_path: Path, content: bytes, expected: str):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    assert expected in refusal(path)


def test_python_file_asks_for_the_name_in_it(tmp_path: Path):
    path = tmp_path / "model.py"
    path.write_text("from torch import nn\n")
    assert f"{path}:NAME" in refusal(path)


def test_onnx_and_foreign_archives(tmp_path: Path):
    (tmp_path / "net.onnx").write_bytes(b"\x08\x07\x12\x07pytorch" + bytes([200, 1, 2]))
    assert "is an ONNX model" in refusal(tmp_path / "net.onnx")
    np.savez(tmp_path / "arrays.npz", x=np.zeros(3))
    assert "zip archive, but not one of torch (it holds x.npy)" in refusal(tmp_path / "arrays.npz")


def test_truncated_archive(tmp_path: Path):
    path = tmp_path / "model.pth"
    torch.save({"w": torch.zeros(1000)}, path)
    os.truncate(path, path.stat().st_size // 2)
    assert "is a truncated file" in refusal(path)


def test_random_bytes_never_raise_anything_else(tmp_path: Path):
    generator = np.random.default_rng(0)
    path = tmp_path / "model.pth"
    for _ in range(300):
        path.write_bytes(generator.bytes(int(generator.integers(0, 300))))
        with contextlib.suppress(ModelLoadError):
            assert classify(path) in (SAFETENSORS, TORCH, PICKLE, EXPORTED)
