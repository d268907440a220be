"""What a setting is: everything about one row of the table but its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pytest_deepimportance.parsing import boolean


@dataclass(frozen=True)
class Setting:
    """Everything about one setting but its value.

    Attributes:
        parse: Turns text (or an already typed value) into the value; raises ValueError.
        native: Types that a TOML ini file may use for it directly.
        profile: Whether the profile depends on it (it is then part of the profile's fingerprint).
        cli, ini: Where it may be given.
        many: Whether it may be repeated (a tuple of values).
    """

    name: str
    default: Any
    help: str
    parse: Callable[[Any], Any]
    metavar: str
    native: tuple[type, ...]
    profile: bool
    cli: bool
    ini: bool
    many: bool

    @property
    def option(self) -> str:
        """Command-line spelling."""
        return "--idc-" + self.name.replace("_", "-")

    @property
    def key(self) -> str:
        """Ini spelling."""
        return "idc_" + self.name

    @property
    def is_flag(self) -> bool:
        """Whether the command-line form takes no value."""
        return self.parse is boolean


def shown(value: Any) -> str:
    """Write the value of a setting; nothing for None."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def setting(
    default: Any,
    parse: Callable[[Any], Any],
    help: str,
    *,
    metavar: str = "TEXT",
    native: tuple[type, ...] = (str,),
    profile: bool = False,
    cli: bool = True,
    ini: bool = True,
    many: bool = False,
) -> Any:
    """Return the dataclass field of one setting; see `Setting`."""
    details = {
        "help": help, "parse": parse, "metavar": metavar, "native": native,
        "profile": profile, "cli": cli, "ini": ini, "many": many,
    }  # fmt: skip
    return field(default=default, metadata=details)
