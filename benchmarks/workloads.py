"""Models and data that the benchmarks run on, and where they are found."""

from __future__ import annotations

import argparse
import gzip
import os
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Workload:
    """A trained model, its training images (the reference) and its test images.

    Images are (N, C, H, W) float32 in 0..1, labels (N,) int64.
    """

    title: str
    model: nn.Module
    reference: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where models and data sets are."""
    parser.add_argument(
        "--shared", type=Path, help="folder with data/models (default: IDC_SHARED, else ../shared)"
    )
    parser.add_argument(
        "--data", type=Path, help="folder with mnist/ and cifar10/ (default: IDC_DATA)"
    )
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")


def find(options: argparse.Namespace) -> tuple[Path, Path | None]:
    """Return the shared folder and the data folder (None when it is not named)."""
    shared = options.shared or Path(os.environ.get("IDC_SHARED", ROOT.parent / "shared"))
    data = options.data or (Path(os.environ["IDC_DATA"]) if "IDC_DATA" in os.environ else None)
    return shared, data


def lenet5(channels: int, side: int) -> nn.Sequential:
    """LeNet-5 with the module names of the paper's weights: conv1 .. relu4, fc3."""
    last = ((side - 4) // 2 - 4) // 2
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 6, 5), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(), fc1=nn.Linear(16 * last * last, 120), relu3=nn.ReLU(),
            fc2=nn.Linear(120, 84), relu4=nn.ReLU(), fc3=nn.Linear(84, 10),
        )
    )  # fmt: skip


def _trained(model: nn.Module, weights: Path) -> nn.Module:
    model.load_state_dict(load_file(weights))
    return model.eval()


def lenet1() -> nn.Sequential:
    """LeNet-1 with the module names of the paper's weights: conv1 .. pool2, fc1."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 4, 5), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(4, 12, 5), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(), fc1=nn.Linear(192, 10),
        )
    )  # fmt: skip


def mnist_lenet5(shared: Path, data: Path | None, reference: int = 60_000) -> Workload | None:
    """Return the paper's LeNet-5 on MNIST, None when weights or images are absent.

    Args:
        reference: Training images to use, the first ones.
    """
    return _mnist("LeNet-5", lenet5(1, 28), shared, data, reference)


def mnist_lenet1(shared: Path, data: Path | None, reference: int = 60_000) -> Workload | None:
    """Return the paper's LeNet-1 on MNIST, None when weights or images are absent."""
    return _mnist("LeNet-1", lenet1(), shared, data, reference)


def _mnist(
    name: str, model: nn.Module, shared: Path, data: Path | None, reference: int
) -> Workload | None:
    file = f"deepimportance_{name.lower().replace('-', '')}_mnist.safetensors"
    weights = shared / "data" / "models" / file
    folders = [folder / "MNIST" / "raw" for folder in _mnist_folders(shared, data)]
    raw = next((folder for folder in folders if folder.is_dir()), None)
    if raw is None or not weights.exists():
        return None
    return Workload(
        f"the paper's {name} on MNIST ({reference:,} and 10,000 images)",
        _trained(model, weights),
        (_mnist_images(raw, "train")[:reference], _mnist_labels(raw, "train")[:reference]),
        (_mnist_images(raw, "t10k"), _mnist_labels(raw, "t10k")),
    )


def _mnist_folders(shared: Path, data: Path | None) -> list[Path]:
    packed = shared / "data" / "mnist"
    return [packed] if data is None else [data / "mnist", packed]


def _mnist_images(raw: Path, part: str) -> Tensor:
    pixels = np.frombuffer(_idx(raw, f"{part}-images-idx3-ubyte"), np.uint8, offset=16)
    return torch.from_numpy(pixels.reshape(-1, 1, 28, 28).astype(np.float32) / 255)


def _mnist_labels(raw: Path, part: str) -> Tensor:
    labels = np.frombuffer(_idx(raw, f"{part}-labels-idx1-ubyte"), np.uint8, offset=8)
    return torch.from_numpy(labels.astype(np.int64))


def _idx(raw: Path, name: str) -> bytes:
    plain = raw / name
    return (
        plain.read_bytes() if plain.exists() else gzip.decompress((raw / f"{name}.gz").read_bytes())
    )


def cifar10_lenet5(shared: Path, data: Path | None) -> Workload | None:
    """Return the LeNet-5 for CIFAR-10 (JPEG), None when weights or images are absent."""
    weights = shared / "data" / "models" / "cifar10_lenet5.safetensors"
    folder = None if data is None else data / "cifar10"
    if folder is None or not (folder / "train").is_dir() or not weights.exists():
        return None
    return Workload(
        "LeNet-5 on CIFAR-10 (JPEG; 50,000 and 10,000 images)",
        _trained(lenet5(3, 32), weights),
        _image_folder(folder / "train"),
        _image_folder(folder / "test"),
    )


def _image_folder(folder: Path) -> tuple[Tensor, Tensor]:
    """Decode folder/CLASS/NUMBER.jpg in sorted order, classes numbered alphabetically."""
    from PIL import Image

    files = [
        (file, label)
        for label, part in enumerate(sorted(folder.iterdir()))
        for file in sorted(part.iterdir())
    ]
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB")) for file, _ in files])
    images = torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    return images, torch.tensor([label for _, label in files])


def digits_lenet() -> Workload:
    """Return the sample project's network and digits: always there, too small to time."""
    sys.path.insert(0, str(ROOT / "sample_project"))
    from app.data import load_reference, load_test
    from app.model import load_classifier

    return Workload(
        "the sample project's LeNet on scikit-learn's digits (1,300 and 497 images)",
        load_classifier(ROOT / "fixtures" / "digits_lenet.safetensors"),
        load_reference(),
        load_test(),
    )


def random_resnet18(reference: int, test: int, *, full: bool = True) -> Workload:
    """Return a ResNet18 for ten classes with random weights, on random images of CIFAR-10's size.

    What a measurement costs depends on the shapes alone.

    Args:
        full: As it is trained on CIFAR-10, at full resolution (a first convolution of 3 x 3 without
            stride, no pooling after it); otherwise torchvision's own, which shrinks the images to
            8 x 8 before its first block and needs a fifteenth of the operations.
    """
    model = _untrained("resnet18", num_classes=10)
    if full:
        model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        model.maxpool = nn.Identity()
        model.eval()
    kind = "full resolution" if full else "torchvision's"
    return Workload(
        f"ResNet18 ({kind}), random weights, 3 x 32 x 32 ({reference:,} and {test:,} images)",
        model,
        _noise(reference, 32),
        _noise(test, 32),
    )


def random_resnet50() -> Workload:
    """Return a ResNet50 with random weights and a handful of images: for sizes, not for times."""
    title = "ResNet50, random weights, 3 x 224 x 224"
    return Workload(title, _untrained("resnet50"), _noise(24, 224), _noise(4, 224))


def _untrained(name: str, **arguments: int) -> nn.Module:
    import torchvision

    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None, **arguments).eval()


def _noise(images: int, side: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(images)
    labels = torch.randint(0, 10, (images,), generator=generator)
    # Brightness varies from image to image, or every neuron would be the same for all of them.
    light = torch.rand(images, 3, 1, 1, generator=generator)
    return light * torch.rand(images, 3, side, side, generator=generator), labels
