import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_deepimportance.data.references_by_spec import load_reference
from pytest_deepimportance.errors import IdcError, ReferenceDataError
from tests.data.helpers import X, Y, keywords, read, write_mnist

vision = pytest.importorskip("torchvision")
DATA = Path(os.environ.get("IDC_DATA", Path(__file__).parents[3] / "data"))

CODE = """
import torch
from torch.utils.data import DataLoader, TensorDataset
import torchvision.transforms as T

X, Y = torch.arange(80.0).reshape(20, 4), torch.arange(20) % 3
WHOLE = TensorDataset(X, Y)

def pair(): return X, Y
def loader(): return DataLoader(WHOLE, batch_size=6, shuffle=True)
def batches():
    for i in range(0, 20, 6): yield X[i:i + 6], Y[i:i + 6]
def nothing(): pass
def failing(): raise RuntimeError("no such bucket")

def inverted(image): return 1 - T.functional.to_tensor(image)
def sized(size=4): return T.Compose([T.Resize((size, size)), T.ToTensor()])
resized = T.Compose([T.Resize((3, 3)), T.ToTensor()])
five = 5
def wrong(): return 5
"""


@pytest.fixture
def user(tmp_path, monkeypatch):
    (tmp_path / "refdata_of_user.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "refdata_of_user"
    sys.modules.pop("refdata_of_user", None)


def folder_of(root, sizes=((8, 8),)):
    from PIL import Image

    generator = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for i in range(3):
            size = sizes[i % len(sizes)]
            pixels = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{i}.png")
    return root


def refused(spec, pattern, **values):
    def use():
        list(load_reference(spec, keywords(**values)).batches(8))

    with pytest.raises(ReferenceDataError, match=pattern):
        use()


class TestObjects:
    @pytest.mark.parametrize("name", ["pair", "loader", "batches", "WHOLE"])
    @pytest.mark.parametrize("form", ["{}:{}", "{}.py:{}"])
    def test_callables_and_data(self, user, form, name):
        spec = form.format(user, name)
        reference = load_reference(spec, keywords())
        x, y, _ = read(reference)
        assert torch.equal(x, X)
        assert torch.equal(y, Y)
        assert reference.descriptor == spec

    def test_errors(self, user):
        refused(f"{user}:nothing", "nothing returned None")
        refused(f"{user}:failing", r"(?s)RuntimeError: no such bucket.*refdata_of_user.py:")
        refused(f"{user}:lodaer", "loader")

    def test_sampled_beyond_the_limit(self, user, tmp_path):
        (tmp_path / "big_of_user.py").write_text(
            "import torch\ndef data(): return torch.zeros(20000, 2), torch.arange(20000) // 15000"
        )
        reference = load_reference("big_of_user.py:data", keywords())
        y = read(reference, 4096)[1]
        assert torch.bincount(y).tolist() == [7500, 2500]
        assert reference.sampled
        whole = load_reference("big_of_user.py:data", keywords(reference_samples="all"))
        assert whole.rows == 20_000
        assert whole.fingerprint == reference.fingerprint


class TestFiles:
    def test_npz(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=X.numpy(), y=Y.numpy())
        reference = load_reference(str(tmp_path / "a.npz"), keywords())
        assert torch.equal(read(reference)[0], X)
        assert reference.available == 20

    def test_notes(self, tmp_path, user):
        np.savez(tmp_path / "a.npz", x=X.numpy(), y=np.random.rand(20))
        reference = load_reference("a.npz", keywords(transform=f"{user}:inverted"))
        read(reference)
        assert "idc_transform is not applied" in reference.notes[0]
        assert "labels of a.npz are not used" in reference.notes[1]

    def test_absent(self, tmp_path, monkeypatch):
        np.savez(tmp_path / "train.npz", x=X.numpy())
        monkeypatch.chdir(tmp_path)
        refused("trian.npz", r"(?s)no trian.npz.*Did you mean train.npz\?")
        refused("trainn", r"(?s)Did you mean train.npz\?.*A reference is one of")
        refused("gone/train.npz", "folder gone does not exist")

    @pytest.mark.parametrize("spec", ["hf:imdb:train", "s3://bucket/key", "a b:c"])
    def test_not_understood(self, spec):
        refused(spec, r"(?s)is not understood.*torchvision:NAME:SPLIT")


class TestFolders:
    def test_images(self, tmp_path):
        reference = load_reference(str(folder_of(tmp_path / "images")), keywords())
        x, y, _ = read(reference)
        dataset = vision.datasets.ImageFolder(
            str(tmp_path / "images"), vision.transforms.ToTensor()
        )
        assert torch.equal(x, torch.stack([image for image, _ in dataset]))
        assert y.tolist() == [0, 0, 0, 1, 1, 1]
        assert reference.class_names == ("cat", "dog")
        assert reference.fingerprint == load_reference(
            str(tmp_path / "images"), keywords(seed=3)
        ).fingerprint  # fmt: skip

    @pytest.mark.parametrize(("name", "side"), [("resized", 3), ("sized", 4), ("inverted", 8)])
    def test_transform_or_factory_of_one(self, user, tmp_path, name, side):
        folder_of(tmp_path / "images")
        reference = load_reference("images", keywords(transform=f"{user}:{name}"))
        x = read(reference)[0]
        assert x.shape == (6, 3, side, side)
        plain = load_reference("images", keywords())
        assert plain.fingerprint != reference.fingerprint
        if name == "inverted":
            assert torch.equal(x, 1 - read(plain)[0])

    def test_a_class_is_a_factory(self, tmp_path):
        folder = str(folder_of(tmp_path / "images"))
        reference = load_reference(folder, keywords(transform="torchvision.transforms:ToTensor"))
        assert torch.equal(read(reference)[0], read(load_reference(folder, keywords()))[0])

    @pytest.mark.parametrize("name", ["five", "wrong"])
    def test_no_transform(self, user, tmp_path, name):
        folder_of(tmp_path / "images")
        refused("images", r"gives an int, which cannot be called", transform=f"{user}:{name}")

    def test_no_class_folders(self, tmp_path):
        (tmp_path / "one.png").write_bytes(b"")
        refused(str(tmp_path), r"(?s)no folder of class folders.*CLASS/image.png; found: one.png")
        (tmp_path / "cat").mkdir()
        refused(str(tmp_path), "no folder of class folders")

    def test_images_of_different_size(self, tmp_path):
        folder = folder_of(tmp_path / "images", ((8, 8), (8, 9)))
        refused(str(folder), r"(?s)different shapes.*idc_transform")


class TestTorchvision:
    @pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST"])
    def test_equals_to_tensor(self, tmp_path, name):
        write_mnist(tmp_path, name=name)
        kind = getattr(vision.datasets, name)
        for split in ("train", "test"):
            reference = load_reference(
                f"torchvision:{name}:{split}", keywords(data_root=str(tmp_path))
            )
            dataset = kind(str(tmp_path), split == "train", vision.transforms.ToTensor())
            x, y, sizes = read(reference)
            assert torch.equal(x, torch.stack([image for image, _ in dataset]))
            assert y.tolist() == [label for _, label in dataset]
            assert sizes == [7, 7, 6]
            assert reference.class_names == tuple(dataset.classes)
            assert reference.descriptor == f"torchvision:{name}:{split}"

    def test_transform(self, user, tmp_path):
        write_mnist(tmp_path)
        values = {"data_root": str(tmp_path)}
        plain = load_reference("torchvision:MNIST", keywords(**values))
        other = load_reference(
            "torchvision:MNIST", keywords(transform=f"{user}:inverted", **values)
        )
        assert torch.equal(read(other)[0], 1 - read(plain)[0])

    def test_variant_and_split(self, monkeypatch, tmp_path):
        seen = {}

        class Fake(vision.datasets.EMNIST):
            def __init__(self, root, split, **kwargs):
                seen.update(root=root, split=split, **kwargs)
                raise RuntimeError("Dataset not found")

        class FakeSplit(vision.datasets.VisionDataset):
            def __init__(self, root, split="train", transform=None, download=False):
                seen.update(root=root, split=split, download=download)
                raise ValueError("Unknown value 'x' for argument split.")

        monkeypatch.setattr(vision.datasets, "Fake", Fake, raising=False)
        monkeypatch.setattr(vision.datasets, "FakeSplit", FakeSplit, raising=False)
        refused("torchvision:Fake:letters:test", "not found", data_root=str(tmp_path))
        assert (seen["split"], seen["train"], seen["download"]) == ("letters", False, False)
        refused("torchvision:FakeSplit:x", r"(?s)no split 'x'.*Unknown value", download=True)
        assert (seen["root"], seen["download"]) == ("data", True)

    def test_refusals(self, tmp_path):
        refused("torchvision:MNST:train", r"(?s)no data set 'MNST'.*did you mean MNIST")
        refused("torchvision:os:train", "no data set 'os'")
        refused("torchvision:MNIST:val", r"(?s)no split 'val'.*torchvision:MNIST:test")
        refused("torchvision:Caltech101:train", r"(?s)neither.*pkg.mod:callable")
        refused(
            "torchvision:MNIST:train",
            r"(?s)was not found in .*Nothing is downloaded.*--idc-data-root.*--idc-download",
            data_root=str(tmp_path),
        )

    def test_without_torchvision(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "torchvision", None)
        refused("torchvision:MNIST:train", r"(?s)not installed.*pytest-deepimportance\[vision\]")


@pytest.mark.skipif(not (DATA / "mnist/MNIST").is_dir(), reason="no unpacked MNIST (IDC_DATA)")
def test_real_mnist():
    values = {"data_root": str(DATA / "mnist")}
    reference = load_reference("torchvision:MNIST:train", keywords(**values))
    y = torch.cat([call.labels for call in reference.batches(512)])
    assert torch.bincount(y).tolist() == [987, 1124, 993, 1022, 974, 904, 986, 1044, 975, 991]
    dataset = vision.datasets.MNIST(str(DATA / "mnist"), transform=vision.transforms.ToTensor())
    call = next(reference.batches(20))
    for i in range(20):
        image, label = dataset[reference.index_of_row(i)]
        assert torch.equal(call.args[0][i], image)
        assert int(call.labels[i]) == label


def test_every_refusal_is_ours():
    for spec in ("", ":", "torchvision:", "nofile.py:f", "no.such.module:f"):
        with pytest.raises(IdcError):
            load_reference(spec, keywords())
