"""Errors of the Python API: a setting has the name of its keyword there.

Errors are worded for pytest and the command line (`--idc-lrp-epsilon 0.1`, `idc_lrp_epsilon`),
where most readers are. What is called in Python says `lrp_epsilon=0.1`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytest_deepimportance.errors import IdcError
from pytest_deepimportance.settings import TABLE

_VALUE = r"[^\s,;()]*[^\s,;:.()]"
_OPTION = re.compile(rf"--idc-([a-z][a-z-]*[a-z])(?:[ =]({_VALUE}))?")
_KEY = re.compile(rf"(?<![\w-])idc_([a-z_]*[a-z])(?: ?= ?({_VALUE}))?")
_ELSEWHERE = re.compile(r"\b((pytest|deepimportance) [^;']*|(ini|fixture) )$")
_NO_VALUE = frozenset({"and", "as", "if", "in", "is", "or", "out", "to", "with"})
_BARE = re.compile(r"-?[\d.]+(e-?\d+)?|True|False|None|\[.*\]|\".*\"")

_OF_SCORES = {
    **{name: name.removeprefix("lrp_") for name in TABLE if name.startswith("lrp_")},
    **{name: name for name in ("target", "tap", "output", "seed")},
    "attribution_steps": "steps",
    "attribution_baseline": "baseline",
    "layer": "layers",
}
_OWN: Mapping[str, Mapping[str, str]] = {
    "importance": {
        **_OF_SCORES,
        "attribution_samples": "attribution_samples",
        "importance_method": "method",
        "importance_samples": "samples",
        "reduce": "reduce",
    },
    "vote": {**_OF_SCORES, "attribution_samples": "samples"},
    "load_model": {**{name: name for name in TABLE}, "model": "spec"},
}
"""Keyword by setting, where a function takes other ones than the table's names."""


def called_in_python(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a public function with its errors in keywords."""
    known = _OWN.get(function.__name__)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with in_keywords(known):
            return function(*args, **kwargs)

    called.__module__ = __name__.partition(".")[0]  # where it is found under its name
    return called


@contextmanager
def in_keywords(known: Mapping[str, str] | None = None) -> Iterator[None]:
    """Name settings by their keywords in errors that are raised inside.

    Args:
        known: Keyword by setting; None: they are the names of the table.
    """
    try:
        yield
    except IdcError as error:
        parts = (error.what, error.why, error.fix)
        IdcError.__init__(error, *(reworded(part, known) for part in parts))
        raise


def reworded(text: str, known: Mapping[str, str] | None = None) -> str:
    """Return a text with keywords for options and ini keys.

    Those in a command, an ini file or a fixture's place stay as they are.
    """
    names = {name: name for name in TABLE} if known is None else known

    def keyword(match: re.Match[str]) -> str:
        setting, value = match[1].replace("-", "_"), match[2]
        line = match.string[: match.start()].rpartition("\n")[2]
        in_ini = match.string.startswith(" in pytest's ini", match.end())
        if setting not in names or in_ini or _ELSEWHERE.search(line):
            return match[0]
        is_option = match[0].startswith("--")
        name = names[setting]
        if is_option and TABLE[setting].is_flag:
            return f"{name}=True" + (match[0][match.end(1) - match.start() :])
        if value is None or value in _NO_VALUE:
            return name + "=" * is_option + match[0][match.end(1) - match.start() :]
        return f"{name}={value if _BARE.fullmatch(value) else chr(34) + value + chr(34)}"

    return _KEY.sub(keyword, _OPTION.sub(keyword, text))
