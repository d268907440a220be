import numpy as np
import pytest
import torch
from torch.utils.data import Subset, TensorDataset

from pytest_deepimportance.data.rowsources import MemorySource
from pytest_deepimportance.data.stored import in_memory
from tests.data.helpers import Items, X, Y, write_mnist

vision = pytest.importorskip("torchvision")


def rows(memory):
    calls = list(MemorySource(memory).calls(7))
    return torch.cat([c.args[0] for c in calls]), torch.cat([c.labels for c in calls])


def items(dataset):
    pairs = [dataset[i] for i in range(len(dataset))]
    return torch.stack([x for x, _ in pairs]), torch.tensor([y for _, y in pairs])


def assert_same(memory, dataset):
    for got, expected in zip(rows(memory), items(dataset), strict=True):
        assert got.dtype == expected.dtype
        assert torch.equal(got, expected)
        assert got.is_contiguous()


@pytest.fixture
def mnist(tmp_path):
    write_mnist(tmp_path)
    return vision.datasets.MNIST(str(tmp_path), transform=vision.transforms.ToTensor())


def test_tensors():
    assert in_memory(TensorDataset(X, Y)).call.args[0] is X
    assert_same(in_memory(Subset(TensorDataset(X, Y), [3, 1])), Subset(TensorDataset(X, Y), [3, 1]))


def test_mnist_equals_to_tensor(mnist):
    assert_same(in_memory(mnist), mnist)
    part = Subset(Subset(mnist, range(5, 15)), [2, 9, 0])
    assert_same(in_memory(part), part)


def test_colour_images_equal_to_tensor(tmp_path):
    dataset = object.__new__(vision.datasets.CIFAR10)
    generator = np.random.default_rng(0)
    dataset.data = generator.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    dataset.targets = list(range(12))
    dataset.transform, dataset.target_transform = vision.transforms.ToTensor(), None
    assert_same(in_memory(dataset), dataset)


def test_default_dtype(mnist):
    torch.set_default_dtype(torch.float64)
    try:
        assert_same(in_memory(mnist), mnist)
    finally:
        torch.set_default_dtype(torch.float32)


def test_anything_else_is_read_by_item(mnist):
    class Odd(vision.datasets.MNIST):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x * 2, y

    Odd.__module__ = "torchvision.datasets.odd"
    others = [Items(), Subset(Items(), [1])]
    for change in ({"transform": None}, {"target_transform": int}, {"data": mnist.data.float()}):
        other = object.__new__(type(mnist))
        other.__dict__.update({**mnist.__dict__, **change})
        others.append(other)
    odd = object.__new__(Odd)
    odd.__dict__.update(mnist.__dict__)
    for dataset in (*others, odd):
        assert in_memory(dataset) is None
