"""Thresholds that stand in a configuration file, and those to put there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_deepimportance.errors import GateError
from pytest_deepimportance.parsing import NONE
from pytest_deepimportance.thresholds import RANDOM, parse_threshold

_COMMENT = re.compile(r"\s+#.*$", re.DOTALL)


@dataclass
class Gate:
    """What to write.

    Attributes:
        m: Number of important neurons.
        thresholds: Such as "share=0.9".
        lower: Whether a stricter threshold that stands there is replaced too (m changes, so it is
            about other numbers).
        said: What was changed, for the user.
    """

    m: int
    thresholds: Sequence[str]
    lower: bool = False
    said: list[str] = field(default_factory=list)

    def say_m(self, old: str | None) -> None:
        """Note that idc_m is written; `old`: what stood there, None for nothing."""
        was = "new" if old is None else "as it was" if old == str(self.m) else f"was {old}"
        self.said.insert(0, f"idc_m = {self.m}   ({was})")

    def merged(self, entries: Sequence[str]) -> list[str]:
        """Return the entries with the new thresholds in place; new ones follow at the end.

        Thresholds on something else stay, and so do comments behind a threshold; the word none,
        for no threshold, does not.
        """
        result, missing = [], list(self.thresholds)
        for entry in (text for text in entries if text.lower() != NONE):
            wanted = next((text for text in missing if _same_subject(text, entry)), None)
            if wanted is None:
                result.append(entry)
                continue
            missing.remove(wanted)
            result.append(self._replaced(entry, wanted))
        self.said += [f"{text}   (new)" for text in missing]
        return result + missing

    def _replaced(self, entry: str, wanted: str) -> str:
        comment = _COMMENT.search(entry)
        body = entry[: comment.start()] if comment else entry
        old, new = parse_threshold(body).value, parse_threshold(wanted).value
        assert not isinstance(old, str)
        assert not isinstance(new, str)
        if old == new:
            self.said.append(f"{body}   (as it was)")
            return entry
        if old > new and not self.lower:
            self.said.append(f"{body}   (kept: stricter than {wanted})")
            return entry
        self.said.append(f"{wanted}   (was {body})")
        return wanted + (comment[0] if comment else "")


def _same_subject(wanted: str, entry: str) -> bool:
    """Whether an entry bounds the same number; one that cannot be read bounds another."""
    try:
        there = parse_threshold(entry)
    except GateError:
        return False
    return there.value != RANDOM and there.subject == parse_threshold(wanted).subject
