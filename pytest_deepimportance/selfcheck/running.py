"""Run every check with a known answer, and say what they ran on."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from pytest_deepimportance import __version__
from pytest_deepimportance.checks import Check, SelfCheck
from pytest_deepimportance.selfcheck import criteria_cases, digits, golden

_PARTS: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
    ("IDC by hand", golden.golden),
    ("digits", digits.digits),
    ("criteria", criteria_cases.criteria),
    ("statistics", criteria_cases.statistics),
)
_LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "safetensors", "pytest")


def selfcheck() -> SelfCheck:
    """Run all checks; a part that raises is one failed check, and the others still run."""
    checks = tuple(check for name, part in _PARTS for check in _checked(name, part))
    return SelfCheck(versions(), checks, digest(checks))


def _checked(name: str, part: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from part()
    except Exception as error:  # whatever a broken installation raises
        said = str(error).partition("\n")[0]
        yield Check(f"{name}: ended early", "no error", f"{type(error).__name__}: {said}")


def digest(checks: tuple[Check, ...]) -> str:
    """Return the SHA-256 over names and found answers."""
    found = [[check.name, check.found] for check in checks]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return what the checks ran on."""
    found = {"pytest-deepimportance": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return {**found, "platform": platform.platform()}
