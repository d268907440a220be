import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pytest_deepimportance.data.arrayfiles import read_arrays
from pytest_deepimportance.errors import ReferenceDataError
from tests.data.helpers import X, Y


def write(path, **arrays):
    if path.suffix == ".npz":
        np.savez(path, **{k: v.numpy() for k, v in arrays.items()})
    else:
        save_file({k: v.contiguous() for k, v in arrays.items()}, path)
    return path


@pytest.fixture(params=[".npz", ".safetensors"])
def file(request, tmp_path):
    return tmp_path / f"data{request.param}"


def refused(path, pattern):
    with pytest.raises(ReferenceDataError, match=pattern) as caught:
        read_arrays(path)
    return caught.value


def test_x_and_y(file):
    x, y = read_arrays(write(file, x=X, y=Y, extra=X + 1))
    assert torch.equal(x, X)
    assert torch.equal(torch.as_tensor(y), Y)


def test_x_alone(file):
    (x,) = read_arrays(write(file, x=X))
    assert torch.equal(x, X)


def test_uint8(file):
    images = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    refused(write(file, x=images, y=Y[:3]), r"(?s)\(3, 1, 4, 4\) uint8.*255.*float32.*pkg.mod:call")


def test_no_x(file):
    refused(write(file, images=X, y=Y), r"(?s)no array named 'x' \(it holds: images, y\).*savez")


def test_a_near_name(file):
    refused(write(file, X=X, y=Y), r"did you mean X\?")


def test_different_length(file):
    refused(write(file, x=X, y=Y[:19]), r"\(20, 4\) and y of shape \(19,\)")


def test_truncated(file):
    write(file, x=X, y=Y)
    file.write_bytes(file.read_bytes()[:100])
    refused(file, r"(?s)cannot be read as \..*truncated")


def test_something_else(file):
    file.write_bytes(b"hello, this is not an archive of arrays")
    refused(file, "cannot be read as")


def test_git_lfs_pointer(file):
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\n")
    refused(file, r"(?s)Git LFS pointer.*git lfs pull")


class Boom:
    def __reduce__(self):
        return os.mkdir, (os.environ["IDC_BOOM"],)


def test_objects_are_never_unpickled(tmp_path, monkeypatch):
    boom = tmp_path / "boom"
    monkeypatch.setenv("IDC_BOOM", str(boom))
    np.savez(tmp_path / "a.npz", x=np.array([Boom(), Boom()], dtype=object))
    refused(tmp_path / "a.npz", r"(?s)array of Python objects.*pickle can run code.*Stack")
    for content in (pickle.dumps(Boom()), pickle.dumps(np.array([Boom()], dtype=object))):
        (tmp_path / "b.npz").write_bytes(content)
        refused(tmp_path / "b.npz", "cannot be read as")
    assert not boom.exists()


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "a.npy", X.numpy())
    Path(tmp_path / "a.npy").rename(tmp_path / "a.npz")
    refused(tmp_path / "a.npz", "single array")


def test_text(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array(["a", "b"]))
    refused(tmp_path / "a.npz", "dtype <U1")
