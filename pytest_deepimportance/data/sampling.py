"""Seeded samples of the reference, and reading it without disturbing the user's random state."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, Subset

from pytest_deepimportance.data.batches import as_labels, is_array
from pytest_deepimportance.errors import BatchError
from pytest_deepimportance.settings import Settings

AUTO_ROWS = 10_000
"""Rows of a reference given by a specification, unless `reference_samples` says otherwise."""

_LABEL_ATTRIBUTES = ("targets", "labels", "_labels", "y")


def wanted_rows(settings: Settings, from_spec: bool) -> int | None:
    """Return how many reference rows to use at most, None for all of them."""
    wanted = settings.reference_samples
    if wanted == "auto":
        return AUTO_ROWS if from_spec else None
    return None if wanted == "all" else int(wanted)


def choose_rows(
    available: int, wanted: int, labels: NDArray[np.int64] | None, seed: int
) -> NDArray[np.int64]:
    """Return `wanted` of `available` row numbers, ascending; the same for the same seed.

    With `labels` (available,) each class gets its proportional part, rounded by largest remainder
    (equal remainders: the smaller label first), and rows are drawn without replacement within it.
    """
    if wanted >= available:
        return np.arange(available, dtype=np.int64)
    generator = torch.Generator().manual_seed(seed)
    if labels is None:
        return np.sort(shuffled(available, generator)[:wanted])
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    drawn = [
        rows[shuffled(len(rows), generator)[:quota]]
        for rows, quota in zip(members, _quotas(counts, wanted), strict=True)
    ]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def shuffled(count: int, generator: torch.Generator) -> NDArray[np.int64]:
    """Return the numbers below `count` in random order, whatever torch's default device is."""
    order: NDArray[np.int64] = torch.randperm(count, generator=generator, device="cpu").numpy()
    return order


def _quotas(counts: NDArray[np.int64], wanted: int) -> list[int]:
    total = int(counts.sum())
    # Integers, because proportions in floating point can turn a tie of remainders either way.
    shares = [divmod(int(count) * wanted, total) for count in counts]
    missing = wanted - sum(quota for quota, _ in shares)
    order = sorted(range(len(shares)), key=lambda i: -shares[i][1])
    extra = set(order[:missing])
    return [quota + (i in extra) for i, (quota, _) in enumerate(shares)]


def dataset_labels(dataset: Any) -> NDArray[np.int64] | None:
    """Return the labels of a map-style data set without reading its items, None if unknown.

    Looked for in `targets`, `labels`, `y` and the last of `tensors`; `Subset` and `ConcatDataset`
    are looked through.
    """
    if isinstance(dataset, Subset):
        inner = dataset_labels(dataset.dataset)
        return None if inner is None else inner[np.asarray(dataset.indices, dtype=np.int64)]
    if isinstance(dataset, ConcatDataset):
        parts = [dataset_labels(part) for part in dataset.datasets]
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if known and len(known) == len(parts) else None
    candidates = [getattr(dataset, name, None) for name in _LABEL_ATTRIBUTES]
    tensors = getattr(dataset, "tensors", None)
    if isinstance(tensors, Sequence) and len(tensors) > 1:
        candidates.append(tensors[-1])
    for candidate in candidates:
        found = _plain_labels(candidate, len(dataset))
        if found is not None:
            return found
    return None


def _plain_labels(value: Any, rows: int) -> NDArray[np.int64] | None:
    if not is_array(value) and not isinstance(value, (list, tuple)):
        return None
    try:
        labels = as_labels(value, rows)
    except BatchError:
        return None
    return None if labels is None or len(labels) != rows else labels.cpu().numpy()


class PrivateRandom:
    """The random states of Python, numpy and torch that belong to one reading of the reference.

    A shuffled loader, a random augmentation or a callable that draws its data then gives the same
    rows at every read, and the user's tests see the random numbers they would see without us.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._state: tuple[Any, ...] | None = None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Use the private states inside, and the user's own again afterwards."""
        outer = _capture()
        try:
            if self._state is None:
                _seed_all(self._seed)
            else:
                _restore(self._state)
            yield
        finally:
            self._state = _capture()
            _restore(outer)


def _capture() -> tuple[Any, ...]:
    # Only where CUDA is in use: torch.manual_seed would also reseed a device not yet started.
    cuda = torch.cuda.get_rng_state_all() if _cuda_runs() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda


def _cuda_runs() -> bool:
    cuda: Any = torch.cuda  # its is_initialized has no annotations
    return bool(cuda.is_initialized())


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.default_generator.manual_seed(seed)
    if _cuda_runs():
        torch.cuda.manual_seed_all(seed)


def _restore(state: tuple[Any, ...]) -> None:
    python, numpy_state, cpu, cuda = state
    random.setstate(python)
    np.random.set_state(numpy_state)
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)


@contextmanager
def kept_states(generators: Sequence[torch.Generator]) -> Iterator[None]:
    """Give the generators that a DataLoader draws from their states back afterwards."""
    states = [generator.get_state() for generator in generators]
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
