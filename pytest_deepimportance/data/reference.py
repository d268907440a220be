"""The reference (training-side) data as the profile streams over it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
)

from pytest_deepimportance.data.batches import ModelCall, describe, is_array
from pytest_deepimportance.data.fingerprints import (
    Identity,
    content_fingerprint,
    identify,
    stable_repr,
)
from pytest_deepimportance.data.loaders import (
    class_names_of,
    collated,
    generators_of,
    is_item,
    is_map_style,
    is_ordered,
    is_pair,
    loader_batches,
    loader_rows,
    subset_loader,
    visits_all,
)
from pytest_deepimportance.data.rowsources import (
    Memory,
    MemorySource,
    OneShotSource,
    Source,
    StreamSource,
    memory_call,
    reading,
)
from pytest_deepimportance.data.sampling import (
    PrivateRandom,
    choose_rows,
    dataset_labels,
    wanted_rows,
)
from pytest_deepimportance.data.stored import in_memory
from pytest_deepimportance.data.streaming import Reference, empty
from pytest_deepimportance.errors import ReferenceDataError
from pytest_deepimportance.settings import Settings

__all__ = ["SOURCES", "Reference", "open_reference"]

SOURCES = """A reference is one of:
  (x, y) or x, arrays or tensors with one row per input
  a torch Dataset or DataLoader
  an iterable of batches, or a list of them
  a function that returns one of these"""


def open_reference(
    source: Any, settings: Settings, *, from_spec: bool = False, descriptor: str | None = None
) -> Reference:
    """Open reference data of any accepted form.

    Args:
        source: See `SOURCES`. A Reference is returned as it is.
        settings: `reference_samples`, `seed`, `reference_id`, `memory` and `class_names` are used.
        from_spec: Whether a specification named it; then more than 10,000 rows are sampled.
        descriptor: What the report calls it (default: made from the source).

    Raises:
        ReferenceDataError: The form is not accepted, or the data is empty or inconsistent.
    """
    if isinstance(source, Reference):
        return source
    opener = _Opener(settings, from_spec, descriptor)
    reference = opener.open(source)
    if reference.rows == 0:
        raise empty(reference.descriptor)
    if settings.class_names:
        reference.class_names = settings.class_names
    if reference.sampled:
        reference.notes.append(_sample_note(reference, opener.how))
    return reference


class _Opener:
    """Chooses how one source is read."""

    def __init__(self, settings: Settings, from_spec: bool, descriptor: str | None) -> None:
        self.settings, self.descriptor = settings, descriptor
        self.wanted = wanted_rows(settings, from_spec)
        self.how = "the first ones"

    def open(self, source: Any) -> Reference:
        if isinstance(source, (str, bytes, nn.Module, type(None))):
            raise self._refused(source)
        if is_array(source) or isinstance(source, Mapping) or is_pair(source):
            return self._from_memory(memory_call(source))
        if isinstance(source, DataLoader):
            return self._from_loader(source)
        if isinstance(source, IterableDataset):
            return self._from_stream(partial(collated, source), source)
        if is_map_style(source):
            return self._from_dataset(source)
        if isinstance(source, (list, tuple)):
            return self._from_list(source)
        if isinstance(source, Iterable):
            return self._from_iterable(source)
        if callable(source):
            return self._from_callable(source)
        raise self._refused(source)

    def _from_callable(self, source: Callable[[], Any]) -> Reference:
        name = stable_repr(source)

        def make() -> Any:
            with reading(f"the reference callable {name}"):
                return source()

        with PrivateRandom(self.settings.seed).active():
            made = make()
        if made is None:
            raise ReferenceDataError(
                f"the reference callable {name} returned None",
                "It must return the data.",
                f"Does it end with a return statement?\n{SOURCES}",
            )
        self.descriptor = self.descriptor or f"{name}()"
        if isinstance(made, Iterator):
            # A generator function: calling it again is what reading again means.
            return self._from_stream(lambda _: make(), made)
        return self.open(made)

    def _from_memory(self, call: ModelCall) -> Reference:
        labels = None if call.labels is None else call.labels.cpu().numpy()
        what = next((v for v in (*call.args, *call.kwargs.values()) if is_array(v)), None)
        name = describe(what).partition(" ")[2] if what is not None else f"list of {call.rows}"
        name += " with labels" if call.labels is not None else ""
        identity = Identity(content_fingerprint(call))
        source = MemorySource(Memory(call), self._picks(call.rows, labels))
        return self._reference(source, name, identity, call.rows, labelled=call.labels is not None)

    def _from_dataset(self, dataset: Any) -> Reference:
        rows, name = len(dataset), f"{type(dataset).__name__}, {len(dataset):,} rows"
        picks, identity = self._sample(dataset, name)
        source: Source | None = self._stored(dataset, name, picks)
        if source is None:
            part = dataset if picks is None else Subset(dataset, picks.tolist())

            def opened(size: int) -> Iterator[Any]:
                return loader_batches(DataLoader(part, batch_size=size, shuffle=False))

            source = StreamSource(opened, rows=len(part), picks=picks)
        return self._reference(source, name, identity, rows, dataset=dataset)

    def _from_loader(self, loader: DataLoader[Any]) -> Reference:
        dataset: Any = loader.dataset
        if isinstance(dataset, IterableDataset) or loader.batch_sampler is None:
            stream = self._from_stream(lambda _: loader_batches(loader), dataset)
            return stream.drawing_from(generators_of(loader))
        available, rows = len(dataset), loader_rows(loader)
        name = f"{type(dataset).__name__}, {available:,} rows"
        picks, identity = self._sample(dataset, name, loader.collate_fn)
        if not visits_all(loader):
            picks, self.how = None, "the first ones"
        source: Source | None = None
        stored = loader.collate_fn is default_collate and visits_all(loader)
        if stored and (picks is not None or rows == available):
            # The same rows as the loader gives, in the data set's order, without its cost.
            source = self._stored(dataset, name, picks)
        if source is None and picks is not None:
            part = subset_loader(loader, picks)
            source = StreamSource(lambda _: loader_batches(part), rows=len(picks), picks=picks)
        if source is None:
            source = StreamSource(
                lambda _: loader_batches(loader),
                rows=rows, limit=self.wanted, ordered=is_ordered(loader),
            )  # fmt: skip
        result = self._reference(source, name, identity, available, dataset=dataset)
        return result.drawing_from(generators_of(loader))

    def _stored(
        self, dataset: Any, name: str, picks: NDArray[np.int64] | None
    ) -> MemorySource | None:
        with reading(self.descriptor or name), PrivateRandom(self.settings.seed).active():
            memory = in_memory(dataset)
        return None if memory is None else MemorySource(memory, picks)

    def _from_list(self, source: Sequence[Any]) -> Reference:
        if not source:
            raise empty(self.descriptor or describe(source))
        if all(is_item(item) for item in source):
            return self._from_dataset(source)
        with reading(self.descriptor or describe(source)):
            calls = [memory_call(batch) for batch in source]
        rows = sum(call.rows for call in calls)
        stream = StreamSource(lambda _: calls, rows=rows, limit=self.wanted, random=False)
        identity = Identity(content_fingerprint(*calls))
        name = f"{len(calls)} batches, {rows:,} rows"
        labelled = all(call.labels is not None for call in calls)
        return self._reference(stream, name, identity, rows, labelled=labelled)

    def _from_iterable(self, source: Iterable[Any]) -> Reference:
        if not isinstance(source, Iterator):
            return self._from_stream(lambda _: source, source)
        name = f"{type(source).__name__} of batches"
        with reading(self.descriptor or name), PrivateRandom(self.settings.seed).active():
            once = OneShotSource(source, self.wanted, self.settings.memory // 4)
        identity = self._given_identity()
        if once.reiterable and identity is None:
            identity = Identity(content_fingerprint(*once.kept))
        return self._reference(once, name, identity, once.rows)

    def _from_stream(
        self,
        opened: Callable[[int], Iterable[Any]],
        source: Any,
    ) -> Reference:
        stream = StreamSource(opened, limit=self.wanted)
        name = f"{type(source).__name__} of batches"
        result = self._reference(stream, name, self._given_identity(), None, dataset=source)
        if self.wanted is not None:
            result.notes.append(
                f"the first {self.wanted:,} rows at most: the reference does not tell its length"
            )
        return result

    def _sample(
        self, dataset: Any, name: str, collate: Any = default_collate
    ) -> tuple[NDArray[np.int64] | None, Identity]:
        """Return the rows picked (None: all) and the identity of a map-style data set."""
        if not len(dataset):
            raise empty(self.descriptor or name)
        with reading(self.descriptor or name):
            if type(dataset) is TensorDataset:
                found = Identity(content_fingerprint(memory_call(tuple(dataset.tensors))))
            else:
                found = identify(dataset)
            picks = self._picks(len(dataset), dataset_labels(dataset))
        if collate is not default_collate:
            text = f"{found.fingerprint} {stable_repr(collate)}"
            found = Identity(hashlib.sha256(text.encode()).hexdigest(), found.augmented)
        return picks, found

    def _picks(self, available: int, labels: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
        if self.wanted is None or self.wanted >= available:
            return None
        drawn = "at random" if labels is None else "in proportion to the classes"
        self.how = f"drawn {drawn} (seed {self.settings.seed})"
        return choose_rows(available, self.wanted, labels, self.settings.seed)

    def _given_identity(self) -> Identity | None:
        name = self.settings.reference_id
        return Identity(hashlib.sha256(f"id {name}".encode()).hexdigest()) if name else None

    def _reference(
        self,
        source: Source,
        name: str,
        identity: Identity | None,
        available: int | None,
        *,
        labelled: bool | None = None,
        dataset: Any = None,
    ) -> Reference:
        return Reference(
            source, self.descriptor or name, identity, available=available, labelled=labelled,
            class_names=class_names_of(dataset), seed=self.settings.seed,
        )  # fmt: skip

    def _refused(self, source: Any) -> ReferenceDataError:
        hint = "A specification in text goes into idc_reference.\n" if type(source) is str else ""
        return ReferenceDataError(
            f"{describe(source)} is no reference data", "", f"{hint}{SOURCES}"
        )


def _sample_note(reference: Reference, how: str) -> str:
    rows = "" if reference.available is None else f" of {reference.available:,}"
    return (
        f"{reference.rows or 0:,}{rows} reference rows are used, {how}; "
        "idc_reference_samples = all uses every row"
    )
