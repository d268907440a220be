"""Small data sets that behave like the users'."""

import struct

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset

from pytest_deepimportance.settings import from_keywords

X = torch.arange(80.0).reshape(20, 4)
Y = torch.arange(20) % 3


class Items(Dataset):
    """Map-style, with labels in `targets`; `noise` makes it augmented."""

    classes = ("a", "b", "c")

    def __init__(self, x=X, y=Y, noise=False, transform=None):
        self.data, self.targets, self.noise, self.transform = x, y, noise, transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        item = self.data[index]
        if self.noise:
            item = item + torch.rand(()) + np.random.rand()
        return (item if self.transform is None else self.transform(item)), int(self.targets[index])


class Stream(IterableDataset):
    """Items one by one, without a length."""

    def __init__(self, x=X, y=Y):
        self.x, self.y = x, y

    def __iter__(self):
        yield from zip(self.x, self.y, strict=True)


def batches_of(x=X, y=Y, size=6):
    """A one-shot generator of batches."""
    for start in range(0, len(x), size):
        yield x[start : start + size], y[start : start + size]


def read(reference, size=7):
    """All rows and labels of a reference, and the sizes of its batches."""
    calls = list(reference.batches(size))
    labels = None if calls[0].labels is None else torch.cat([c.labels for c in calls])
    values = [c.args[0] if c.args else next(iter(c.kwargs.values())) for c in calls]
    return torch.cat(values), labels, [c.rows for c in calls]


def keywords(**values):
    """Settings."""
    return from_keywords(**values)


def write_mnist(root, rows=20, seed=0, name="MNIST"):
    """Write IDX files of random digits where torchvision looks for them; return the pixels."""
    generator = np.random.default_rng(seed)
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    images = generator.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
    labels = (np.arange(rows) % 10).astype(np.uint8)
    for part in ("train", "t10k"):
        head = struct.pack(">IIII", 2051, rows, 28, 28)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 2049, rows) + labels.tobytes()
        )
    return images, labels
