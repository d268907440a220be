"""How a torch function was spelled: its name, whether it writes its first argument, its order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pytest_deepimportance.models.functions import name_of

_IN_PLACE_OPERATORS = frozenset(
    {"__iadd__", "__isub__", "__imul__", "__itruediv__", "__idiv__", "__ipow__", "__setitem__"}
)
_NUMBERS = frozenset(
    {"__float__", "__int__", "__bool__", "__index__", "__complex__", "__format__", "item", "tolist"}
)
_REVERSED = frozenset({"rsub", "__rsub__", "__rdiv__", "__rtruediv__", "__rpow__"})


@dataclass(frozen=True)
class Spelling:
    """One callable of torch, read.

    Attributes:
        name: Name that all spellings share (`models.functions.name_of`); "number" where a tensor
            becomes a Python number.
        writes: Whether it always changes its first argument (`relu_`, `+=`, `x[...] = y`).
        reversed: Whether its operands come in reverse order (`1 - x`).
        getter: Whether it reads a property.
    """

    name: str
    writes: bool
    reversed: bool
    getter: bool


@lru_cache(maxsize=4096)
def spelling(func: Any) -> Spelling:
    """Read `func`, as a torch function mode receives it."""
    raw = str(getattr(func, "__name__", type(func).__name__))
    name = name_of(func)
    return Spelling(
        name="number" if raw in _NUMBERS else name.strip("_"),
        writes=raw in _IN_PLACE_OPERATORS or (raw.endswith("_") and not raw.endswith("__")),
        reversed=raw in _REVERSED,
        getter=raw == "__get__",
    )


def asks_in_place(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an activation may have been called with `inplace=True`, by name or by position.

    Another flag by position (`training`) looks the same: the answer may be too careful, which
    costs a copy, never a wrong value.
    """
    return bool(kwargs.get("inplace")) or any(item is True for item in args[1:])
