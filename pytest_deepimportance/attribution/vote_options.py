"""How a vote is held: its options, checked before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_deepimportance.errors import SettingsError, did_you_mean

SCOPES = ("global", "layer", "block")
MODES = ("weighted", "winner", "wisdom")
POINTS = ("borda", "one", "gain-weighted")
NORMALIZE = ("layer-l1", "none", "rank", "global")
SIGNS = ("positive", "signed", "absolute")
BY = ("batch", "sample", "class")

WISDOM_PLACES = 10
"""Places of the research code's list, whatever its m is."""


@dataclass(frozen=True)
class VoteOptions:
    """See `vote`; `m` None means all neurons of a list."""

    methods: tuple[str, ...]
    m: int | None
    scope: str
    mode: str
    points: str
    normalize: str
    sign: str
    by: str


def vote_options(
    methods: str | Sequence[str],
    m: Any,
    *,
    scope: str,
    mode: str,
    points: str,
    normalize: str | None,
    sign: str | None,
    by: str,
) -> VoteOptions:
    """Return the options with their defaults filled in.

    Raises:
        SettingsError: A value is none of its choices, or two options contradict each other.
    """
    named = methods.split(",") if isinstance(methods, str) else list(methods)
    names = [str(name).strip() for name in named if str(name).strip()]
    if not names:
        raise SettingsError(
            "no attribution method is named",
            "A vote needs somebody to vote.",
            "For example: lrp,deeplift,integrated-gradients",
        )
    _chosen("mode", mode, MODES)
    # The research code compares raw scores, whatever their sign; ranks of layers are comparable.
    raw = mode == "wisdom"
    found = VoteOptions(
        methods=tuple(names),
        m=_count(m),
        scope=_chosen("scope", scope, SCOPES),
        mode=mode,
        points=_chosen("points", points, POINTS),
        normalize=_chosen("normalize", normalize or ("none" if raw else "layer-l1"), NORMALIZE),
        sign=_chosen("sign", sign or ("signed" if raw else "positive"), SIGNS),
        by=_chosen("by", by, BY),
    )
    if raw and points != "borda":
        raise SettingsError(
            f"points = {points} in mode wisdom",
            f"That mode gives {WISDOM_PLACES} points to the first neuron, ... 1 to the last.",
            "Leave points out, or use mode weighted or winner.",
        )
    return found


def check_every(batches: int) -> None:
    """Refuse a checkpoint that is never written.

    Raises:
        SettingsError: The number of batches between two writings is not from 1.
    """
    if batches < 1:
        raise SettingsError(
            f"checkpoint_every = {batches} is not a number of batches from 1",
            "The count is written each time so many batches are done.",
            "Write --checkpoint-every 20, or leave it out.",
        )


def _chosen(name: str, value: str, choices: Sequence[str]) -> str:
    if value in choices:
        return value
    raise SettingsError(
        f"{name} = {value!r} is not known",
        "How the votes are counted decides which neurons come out.",
        did_you_mean(str(value), choices) or f"{name} is one of: {', '.join(choices)}",
    )


def _count(m: Any) -> int | None:
    text = str(m).strip().lower()
    if text in ("all", "-1"):
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise SettingsError(
        f"m = {m!r} is not a number of neurons",
        "Each method names its m most important neurons.",
        "Give a number from 1, or all (-1) for every neuron.",
    )
