"""The running count of a vote, and its checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.atomic import write_atomically
from pytest_deepimportance.attribution.ballots import Candidate, Values, winners_of
from pytest_deepimportance.errors import AttributionError

CHECKPOINT = "deepimportance-vote-checkpoint"
FORMAT = 2
"""2: methods that win alike and rows that are not finite are counted."""


@dataclass
class MethodCount:
    """One method so far; see `votes.MethodVotes`."""

    lists: int = 0
    wins: int = 0
    tied: int = 0
    gains: float = 0.0
    failures: int = 0
    reason: str = ""


@dataclass
class Tally:
    """Everything a vote has found out so far.

    Attributes:
        points: (T,), all neurons in network order.
        by_class: The same of the groups of one class.
        methods: Counts by name; `failed` holds those that are out, with the reason.
        batches, groups, abstained, rows, left_out, non_finite: Counts.
        winners, tied, gains, group_classes: Per group; see `votes.Votes`.
        digest: Hash of all rows so far, in their order.
    """

    points: Values
    by_class: dict[int, Values] = field(default_factory=dict)
    methods: dict[str, MethodCount] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    batches: int = 0
    groups: int = 0
    abstained: int = 0
    rows: int = 0
    left_out: int = 0
    non_finite: int = 0
    winners: list[str] = field(default_factory=list)
    tied: list[list[str]] = field(default_factory=list)
    gains: list[list[float | None]] = field(default_factory=list)
    group_classes: list[int | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    digest: str = ""

    def add(
        self,
        candidates: Mapping[str, Candidate],
        points: Values | None,
        label: int | None,
        gains_of: Sequence[str] = (),
    ) -> None:
        """Count one group of inputs.

        Args:
            candidates: What the methods said of it.
            points: What it gives; None where it abstains.
            label: Its class, None where it holds several.
            gains_of: Methods whose gains are kept by group.
        """
        self.groups += 1
        # Of equal gains the method that comes first by name wins; the others are kept too.
        best = winners_of(candidates)
        self.winners.append(best[0] if best else "")
        self.tied.append(best if len(best) > 1 else [])
        self.group_classes.append(label)
        for name, candidate in candidates.items():
            found = self.methods[name]
            found.lists += 1
            found.gains += candidate.gain
            found.wins += name == self.winners[-1]
            found.tied += name in self.tied[-1]
        if gains_of:
            named = (candidates.get(name) for name in gains_of)
            self.gains.append([None if c is None else c.gain for c in named])
        if label is not None:
            own = self.by_class.setdefault(label, np.zeros_like(self.points))
            own += 0.0 if points is None else points
        if points is None:
            self.abstained += 1
        else:
            self.points += points

    def note(self, *sentences: str) -> None:
        """Keep sentences for the report, each once."""
        self.notes += [s for s in sentences if s not in self.notes]


def chained(digest: str, rows: NDArray[np.uint64]) -> str:
    """Return the hash of all rows so far, with the content hashes (N,) of the next ones."""
    found = hashlib.sha256(digest.encode())
    found.update(np.asarray(rows, dtype="<u8").tobytes())
    return found.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """Where a vote keeps its count, so that it goes on after an interruption.

    Args:
        path: The file.
        held: What the vote is about: model, methods, options. Another vote's file is refused.
    """

    path: Path
    held: Mapping[str, Any]

    def write(self, tally: Tally) -> None:
        """Write the count so far; a reader sees the old file or the whole new one.

        Raises:
            AttributionError: The file cannot be written there.
        """
        data = asdict(tally)
        data["points"] = tally.points.tolist()
        data["by_class"] = {str(label): own.tolist() for label, own in tally.by_class.items()}
        whole = {"kind": CHECKPOINT, "format": FORMAT, "held": dict(self.held), "tally": data}
        try:
            write_atomically(self.path, json.dumps(whole).encode())
        except OSError as error:
            raise AttributionError(
                f"the checkpoint cannot be written to {self.path}: {error.strerror or error}",
                "Without it an interrupted vote begins anew.",
                "Give the path of a file in a folder that may be written to, or no checkpoint.",
            ) from error

    def read(self) -> Tally | None:
        """Return the count where it stopped, None where there is no file yet.

        Raises:
            AttributionError: The file is damaged, or of another vote.
        """
        if not self.path.exists():
            return None
        try:
            whole = json.loads(self.path.read_text(encoding="utf-8"))
            if whole.get("kind") != CHECKPOINT or whole.get("format") != FORMAT:
                raise ValueError(f"kind {whole.get('kind')!r}, format {whole.get('format')!r}")
            self._compare(whole["held"])
            return _rebuilt(whole["tally"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise AttributionError(
                f"{self.path} is no checkpoint of a vote, or it is damaged ({error})",
                "A vote goes on only from a count that is whole.",
                f"Remove it to begin anew: rm {self.path}",
            ) from error

    @staticmethod
    def batches_in(path: Path) -> int:
        """Return how many batches a file has counted; 0 where it is no checkpoint."""
        try:
            return int(json.loads(path.read_text(encoding="utf-8"))["tally"]["batches"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _compare(self, found: Mapping[str, Any]) -> None:
        asked = json.loads(json.dumps(dict(self.held)))
        for name in dict.fromkeys((*asked, *found)):
            if asked.get(name) != found.get(name):
                raise AttributionError(
                    f"checkpoint {self.path} is of another vote: "
                    f"{_difference(name, found.get(name), asked.get(name))}",
                    "Counts of two votes cannot be added up.",
                    f"Go on with what it was begun with, name another file, or remove it to begin "
                    f"anew: rm {self.path}",
                )


def _difference(name: str, was: Any, now: Any) -> str:
    if name == "layers" and list(was) != list(now):
        was, now = ", ".join(was), ", ".join(now)
    if not (isinstance(was, dict) and isinstance(now, dict)):
        return f"{name} was {_short(was)}, now it is {_short(now)}"
    of = "" if name == "settings" else f"{name} "
    return "; ".join(
        f"{of}{key} was {_short(was.get(key, 'not set'))}, now it is "
        f"{_short(now.get(key, 'not set'))}"
        for key in dict.fromkeys((*now, *was))
        if was.get(key) != now.get(key)
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _rebuilt(data: dict[str, Any]) -> Tally:
    arrays = {int(c): np.array(own, dtype=np.float64) for c, own in data.pop("by_class").items()}
    methods = {name: MethodCount(**own) for name, own in data.pop("methods").items()}
    points = np.array(data.pop("points"), dtype=np.float64)
    return Tally(points, by_class=arrays, methods=methods, **data)
