"""Rows by key, as `report.criteria` gives them: a misspelt key is answered in plain words."""

from __future__ import annotations

import difflib
from typing import NoReturn, TypeVar

_Row = TypeVar("_Row")
_ALIKE = 0.6
"""Names less alike than this are no misspelling (IDC, where only NC was measured)."""


class UnknownRowError(KeyError):
    """No row has this key; a KeyError whose text is a sentence."""

    def __str__(self) -> str:
        """Return the sentence as it is: a KeyError shows the representation of its argument."""
        return str(self.args[0])


class Rows(dict[str, _Row]):
    """A dictionary of rows that names the nearest keys when one is missing."""

    def __missing__(self, key: str) -> NoReturn:
        """Refuse a key.

        Raises:
            UnknownRowError: Always.
        """
        main = [name for name in self if "@" not in name and ":" not in name] or list(self)
        alike = [name for name in self if name.lower() == str(key).lower()]
        alike = alike or difflib.get_close_matches(str(key), list(self), 1, _ALIKE)
        hint = f"did you mean {alike[0]}? " if alike else ""
        known = ", ".join(main) or "nothing"
        raise UnknownRowError(
            f"no row {key!r}; {hint}measured: {known}; what was left out, and why, stands in the "
            "notes of the report and of its profile"
        )
