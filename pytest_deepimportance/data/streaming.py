"""The reference as the profile streams over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.fingerprints import AUGMENTED_NOTE, Identity
from pytest_deepimportance.data.rowsources import Source, reading
from pytest_deepimportance.data.sampling import PrivateRandom, kept_states
from pytest_deepimportance.errors import ReferenceDataError


class Reference:
    """Reference data after sampling; every reading gives the same rows in the same order.

    Attributes:
        descriptor: What it is, equal in every process of a run.
        fingerprint: Hex sha256 of its identity before sampling, None for what has none.
        rows: Rows after sampling; None while unknown (an iterable not yet read to its end).
        available: Rows before sampling, None if unknown.
        labelled: Whether rows have labels, None while unknown.
        unused: What was given as labels and holds no classes, as far as was read; "" for none.
        augmented: Whether two reads of one item differ.
        sampled: Whether rows were left out.
        class_names: By class index, empty if unknown.
        reiterable: False for an iterator too large to keep: it can be read through only once.
        notes: Sentences for the report.
        facts: Sentences on the data themselves, said of inputs to measure too.
    """

    def __init__(
        self,
        source: Source,
        descriptor: str,
        identity: Identity | None,
        *,
        available: int | None = None,
        labelled: bool | None = None,
        class_names: tuple[str, ...] = (),
        seed: int = 0,
    ) -> None:
        self._source, self._seed = source, seed
        self._generators: tuple[torch.Generator, ...] = ()
        self.descriptor = descriptor
        self.fingerprint = identity.fingerprint if identity else None
        self.augmented = identity is not None and identity.augmented
        self.available, self.labelled, self.class_names = available, labelled, class_names
        self.facts: list[str] = []
        self.notes: list[str] = [AUGMENTED_NOTE] if self.augmented else []
        self.unused = ""
        self.rows = source.rows

    @property
    def reiterable(self) -> bool:
        """Whether it can be read through more than once."""
        return self._source.reiterable

    @property
    def sampled(self) -> bool:
        """Whether rows were left out (for an iterable: as far as it was read)."""
        return self._source.cut

    def drawing_from(self, generators: Sequence[torch.Generator]) -> Reference:
        """Let every reading give these generators of the user their states back; return self."""
        self._generators = tuple(generators)
        return self

    def index_of_row(self, row: int) -> int | None:
        """Return the number of `row` in the data the user gave, None where it has none."""
        return self._source.original(row)

    def batches(self, batch_size: int) -> Iterator[ModelCall]:
        """Yield all rows in calls of at most `batch_size` rows.

        The random states of Python, numpy and torch are untouched between and after the calls.

        Raises:
            ReferenceDataError: No rows, rows that cannot be read or stacked, or a second reading
                of an iterator that could only be read once.
        """
        private, done = PrivateRandom(self._seed), 0
        calls = self._source.calls(batch_size)
        with kept_states(self._generators):
            while True:
                with reading(self.descriptor):
                    if self._source.random:
                        with private.active():
                            call = next(calls, None)
                    else:
                        call = next(calls, None)
                if call is None:
                    break
                if self.labelled is None:
                    self.labelled = call.labels is not None
                if call.unused and not self.unused:
                    self.unused = call.unused
                    self.notes.append(
                        f"labels of {self.descriptor} are not used: {no_classes(call)}"
                    )
                done += call.rows
                yield call
        self.rows = done
        if not done:
            raise empty(self.descriptor)


def no_classes(given: ModelCall | Reference) -> str:
    """Return why what was given as labels is not used."""
    return (
        f"{given.unused} holds no classes, which are whole numbers, one a row (y.long() where "
        "these are classes)"
    )


def empty(what: str) -> ReferenceDataError:
    """Return the error for a reference without rows."""
    return ReferenceDataError(
        f"the reference is empty: {what}",
        "Without reference data there is nothing to compare the tests with.",
        "Give the training data: --idc-reference, ini idc_reference, or the fixture idc_reference.",
    )
