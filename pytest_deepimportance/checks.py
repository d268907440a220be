"""The outcome of a check with a known answer, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: What was computed.
        expected, found: The known answer and the one of this machine, as text.
    """

    name: str
    expected: str
    found: str

    @property
    def passed(self) -> bool:
        """Whether they are the same."""
        return self.expected == self.found


@dataclass(frozen=True)
class SelfCheck:
    """All checks of one machine.

    Attributes:
        versions: By name: this package, Python, the libraries, the platform.
        digest: SHA-256 over names and found answers; equal on machines that compute the same.
    """

    versions: dict[str, str]
    checks: tuple[Check, ...]
    digest: str

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)
