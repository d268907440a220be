"""Exceptions, and how a message is made: what happened, why it matters, what to type next."""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

_LIBRARIES = re.compile(r"[/\\](?:site-packages|pytest_deepimportance)[/\\]")


class IdcError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        what: What happened, with the actual value.
        why: Why it matters (one sentence, may be empty).
        fix: What to type or change next (may span lines, may be empty).
    """

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        super().__init__("\n".join(part for part in (what, why, fix) if part))

    def __reduce__(self) -> tuple[type[IdcError], tuple[str, str, str]]:
        """Pickle by the three parts, so that workers can send errors."""
        return type(self), (self.what, self.why, self.fix)


class SettingsError(IdcError):
    """A setting is unknown, malformed, or contradicts another one."""


class ModelLoadError(IdcError):
    """A model could not be loaded from its specification."""


class ReferenceDataError(IdcError):
    """The reference data cannot be used."""


class BatchError(IdcError):
    """A batch or a model output has a form that is not understood."""


class LayerError(IdcError):
    """A layer does not exist or cannot be measured."""


class AttributionError(IdcError):
    """Importance could not be computed faithfully."""


class ForwardError(AttributionError):
    """The user's own forward raised; that exception is its `__cause__`."""


class MethodUnavailable(AttributionError):
    """An attribution method cannot run on this model; another one may."""


class ProfileError(IdcError):
    """A profile file is missing, damaged, or does not belong to this model."""


class RecordingError(IdcError):
    """The recorder was used in a way that cannot give a right number."""


class GateError(IdcError):
    """A threshold is malformed or names something that does not exist."""


class DataFileError(IdcError):
    """A data file is missing, damaged, of another format, or does not belong to another one."""


class ReportError(IdcError):
    """A report file cannot be written, or is not one that this version reads."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to `count` of the `known` names that look most like `name`."""
    pool = sorted(set(known))
    close = difflib.get_close_matches(name, pool, n=count, cutoff=0.4)
    folded = {key.lower(): key for key in pool}
    if name.lower() in folded and folded[name.lower()] not in close:
        close.insert(0, folded[name.lower()])
    return close[:count]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean A or B?" for an unknown `name`, or an empty string."""
    close = nearest(name, known)
    return f"did you mean {' or '.join(close)}?" if close else ""


def place_of(error: Exception) -> str:
    """Return where a raised error comes from: the innermost line of the user's own code, if any."""
    return own_place_of(error) or _place(traceback.extract_tb(error.__traceback__)[-1])


def own_place_of(error: Exception) -> str:
    """Return the innermost line of the user's own code that a raised error comes from, or ""."""
    return own_place_in(traceback.extract_tb(error.__traceback__))


def own_place_in(frames: Sequence[traceback.FrameSummary]) -> str:
    """Return the innermost of these frames that is the user's own code, or ""."""
    own = [frame for frame in frames if not _LIBRARIES.search(frame.filename)]
    return _place(own[-1]) if own else ""


def _place(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{frame.lineno}, in {frame.name}"
