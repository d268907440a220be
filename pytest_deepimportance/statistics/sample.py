"""A seeded sample of rows that does not depend on the order in which they come.

Each row has a key, a hash of its content digest and the seed, and the rows with the smallest keys
are kept. Order, batch size and sharding make no difference: the smallest keys of a union are among
the smallest keys of its parts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.errors import ProfileError

Keys = NDArray[np.uint64]

_WORD = (1 << 64) - 1


class SeededSample:
    """The rows with the smallest keys, ascending by key, rows of equal keys by content.

    A row that comes twice counts twice.

    Args:
        limit: Rows kept at most.
        seed: Chooses the sample.

    Attributes:
        seen: Rows that came in all, kept or not.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self.limit, self.seed, self.seen = limit, seed, 0
        self._salt = splitmix64(np.array([seed & _WORD], dtype=np.uint64))
        self._parts: list[tuple[Keys, NDArray[Any]]] = []
        self._pending = 0
        self._largest = _WORD

    @classmethod
    def restored(
        cls, limit: int, seed: int, seen: int, keys: Keys, rows: NDArray[Any]
    ) -> SeededSample:
        """Return a sample as it was: `keys` (S,) and `rows` (S, d) in its own order."""
        sample = cls(limit, seed)
        sample.seen = seen
        sample._keep(keys, rows)
        return sample

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def keys(self) -> Keys:
        """Keys of the kept rows, ascending, (S,)."""
        return self._settled()[0]

    @property
    def rows(self) -> NDArray[Any]:
        """The kept rows, (S, d)."""
        return self._settled()[1]

    def update(self, digests: Keys, rows: NDArray[Any]) -> None:
        """Take in rows (N, d) with their content digests (N,); both are copied."""
        self._add(splitmix64(digests ^ self._salt), rows, len(rows))

    def merge(self, other: SeededSample) -> None:
        """Take in the rows of `other`.

        Raises:
            ProfileError: `other` has another limit or seed.
        """
        if (self.limit, self.seed) != (other.limit, other.seed):
            raise ProfileError(
                f"samples of {other.limit} rows (seed {other.seed}) and of {self.limit} rows "
                f"(seed {self.seed}) cannot be merged",
                "The smaller one lacks rows that the union needs.",
                "Build all parts with the same settings.",
            )
        self._add(other.keys, other.rows, other.seen)

    def _add(self, keys: Keys, rows: NDArray[Any], seen: int) -> None:
        self.seen += seen
        # Most rows of a long stream come too late: a full sample has smaller keys only.
        chosen = keys <= np.uint64(self._largest)
        self._parts.append((keys[chosen], rows[chosen]))
        self._pending += int(chosen.sum())
        if self._pending > self.limit:
            self._settled()

    def _settled(self) -> tuple[Keys, NDArray[Any]]:
        """Return the kept keys and rows, having put all parts together."""
        if len(self._parts) > 1 or self._pending:
            keys = np.concatenate([keys for keys, _ in self._parts])
            rows = np.concatenate([rows for _, rows in self._parts])
            chosen = _canonical_order(keys, rows)[: self.limit]
            self._keep(keys[chosen], rows[chosen])
        nothing = np.zeros(0, dtype=np.uint64), np.zeros((0, 0), dtype=np.float32)
        return self._parts[0] if self._parts else nothing

    def _keep(self, keys: Keys, rows: NDArray[Any]) -> None:
        """Make these, in canonical order, all that is kept."""
        self._parts, self._pending = [(keys, rows)], 0
        if len(keys) == self.limit:
            self._largest = int(keys[-1])


def splitmix64(values: Keys) -> Keys:
    """Return the values of the splitmix64 hash (a bijection of 64-bit integers), (N,)."""
    with np.errstate(over="ignore"):
        z = values + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        result: Keys = z ^ (z >> np.uint64(31))
        return result


def _canonical_order(keys: Keys, rows: NDArray[Any]) -> NDArray[np.int64]:
    """Return the order by key, and by content where keys are equal."""
    order = np.argsort(keys, kind="stable")
    repeats = keys[order[1:]] == keys[order[:-1]]
    if repeats.any():
        tied = np.zeros(len(keys), dtype=bool)
        tied[1:] |= repeats
        tied[:-1] |= repeats
        chosen = order[tied]
        # As bit patterns, 0.0 and -0.0 differ: equal sets of rows then give equal bytes.
        bits = np.ascontiguousarray(rows[chosen]).view(f"u{rows.itemsize}")
        order[tied] = chosen[np.lexsort((*bits.T[::-1], keys[chosen]))]
    return order
