"""A folder that holds images themselves, not a folder for each class: rows without labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from pytest_deepimportance.formatting import plural


class FlatImages(Dataset[Any]):
    """The images of one folder in the order of their names, each without a label.

    Args:
        files: Paths of the images.
        transform: Makes an input of an image.
        load: Reads an image.
    """

    def __init__(
        self, files: list[str], transform: Callable[[Any], Any], load: Callable[[str], Any]
    ) -> None:
        self.files, self.transform, self._load = files, transform, load

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.files)

    def __getitem__(self, index: int) -> Any:
        """Return image `index` as an input."""
        return self.transform(self._load(self.files[index]))


def flat_images(folder: Path, transform: Callable[[Any], Any]) -> FlatImages | None:
    """Return the images that lie in `folder` itself, None where there are none."""
    from torchvision.datasets.folder import IMG_EXTENSIONS as KNOWN
    from torchvision.datasets.folder import default_loader, has_file_allowed_extension

    files = [
        str(entry)
        for entry in sorted(folder.iterdir())
        if entry.is_file() and has_file_allowed_extension(entry.name, KNOWN)
    ]
    return FlatImages(files, transform, default_loader) if files else None


def fact(images: FlatImages, folder: Path) -> str:
    """Say how the folder is read."""
    return (
        f"{folder} has no class folders: its {plural(len(images), 'image')} are read in the order "
        "of their names, without labels"
    )
