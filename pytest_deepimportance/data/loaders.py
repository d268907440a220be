"""What a DataLoader of the user does, and batches out of loaders and data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    default_collate,
    default_convert,
)

from pytest_deepimportance.data.batches import as_labels, is_array


def loader_batches(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield the batches of a loader; the lists that default collation makes are pairs (x, y)."""
    default = loader.collate_fn in (default_collate, default_convert)
    for batch in loader:
        yield tuple(batch) if default and isinstance(batch, list) else batch


def collated(items: Iterable[Any], size: int) -> Iterator[Any]:
    """Yield batches of `size` items of an iterable data set, collated as a DataLoader does."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        batch = default_collate(group)
        yield tuple(batch) if isinstance(batch, list) else batch


def is_ordered(loader: DataLoader[Any]) -> bool:
    """Whether the rows come in the data set's order."""
    plain = _plain_batching(loader)
    return plain is not None and type(plain.sampler) is SequentialSampler


def visits_all(loader: DataLoader[Any]) -> bool:
    """Whether every item is visited once, in order or shuffled (but for a dropped last batch)."""
    plain = _plain_batching(loader)
    sampler: Any = plain.sampler if plain is not None else None
    if type(sampler) is RandomSampler:
        return not sampler.replacement and len(sampler) == len(sampler.data_source)
    return type(sampler) is SequentialSampler


def loader_rows(loader: DataLoader[Any]) -> int | None:
    """Return how many rows one reading gives, None if that is not known before."""
    plain = _plain_batching(loader)
    if plain is None:
        return None
    try:
        rows = len(plain.sampler)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):
        return None
    return rows - rows % plain.batch_size if plain.drop_last else rows


def subset_loader(loader: DataLoader[Any], picks: NDArray[np.int64]) -> DataLoader[Any]:
    """Return a loader of the items `picks`, in order, batched and collated as `loader` does."""
    plain = _plain_batching(loader)
    workers: dict[str, Any] = {}
    if loader.num_workers:
        workers = {
            "prefetch_factor": loader.prefetch_factor,
            "multiprocessing_context": loader.multiprocessing_context,
        }
    return DataLoader(
        Subset(loader.dataset, picks.tolist()),
        batch_size=plain.batch_size if plain is not None else 1,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        generator=loader.generator,
        **workers,
    )


def generators_of(loader: DataLoader[Any]) -> list[torch.Generator]:
    """Return the random generators of its own that a loader draws from."""
    plain = _plain_batching(loader)
    sampler = loader.sampler if plain is None else plain.sampler
    found = (loader.generator, getattr(sampler, "generator", None))
    unique = {id(item): item for item in found if isinstance(item, torch.Generator)}
    return list(unique.values())


def class_names_of(dataset: Any) -> tuple[str, ...]:
    """Return the class names a data set (or what it wraps) declares as `classes`, else ()."""
    if isinstance(dataset, ConcatDataset):
        return class_names_of(dataset.datasets[0])
    if isinstance(dataset, Subset):
        return class_names_of(dataset.dataset)
    names = getattr(dataset, "classes", None)
    if not isinstance(names, (list, tuple)):
        return ()
    # ImageNet gives a tuple of synonyms per class.
    return tuple(str(name[0] if isinstance(name, tuple) and name else name) for name in names)


def is_map_style(source: Any) -> bool:
    """Whether `source` is read by index: a torch Dataset, or anything with length and items."""
    if isinstance(source, (type, list, tuple, str, Mapping)) or is_array(source):
        return False
    return hasattr(source, "__getitem__") and hasattr(source, "__len__")


def is_item(value: Any) -> bool:
    """Whether `value` looks like one item (input, class) rather than a batch."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    label = value[1]
    return isinstance(label, (int, np.integer)) or (is_array(label) and label.ndim == 0)


def is_pair(source: Any) -> bool:
    """Whether `source` is (x, y) as a whole and not a sequence of batches."""
    if not isinstance(source, (tuple, list)) or not source:
        return False
    first, second = source[0], source[1] if len(source) > 1 else None
    if isinstance(source, tuple):
        return is_array(first) or (isinstance(first, Mapping) and not isinstance(second, Mapping))
    if len(source) != 2 or not (is_array(first) and is_array(second)):
        return False
    matching = first.ndim > 1 and second.ndim == 1 and len(first) == len(second)
    return matching and as_labels(second, len(second)) is not None


def _plain_batching(loader: DataLoader[Any]) -> BatchSampler | None:
    """Return the loader's batch sampler unless it is a class of the user's own."""
    found = loader.batch_sampler
    return found if type(found) is BatchSampler else None
