"""What a vote over attribution methods decided, as plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MethodVotes:
    """One method in a vote.

    Attributes:
        lists: Groups of inputs for which it named neurons.
        wins: Groups in which removing its neurons raised the loss most (and at all); of methods
            that raised it alike the first in the alphabet has it.
        tied: Groups in which it raised the loss most, and another method exactly as much.
        gain: Mean rise of the loss when its neurons are removed, over `lists`; None without one.
        failures: Batches on which it could not run.
        reason: Why, in its own words; empty where it ran on all.
    """

    name: str
    lists: int = 0
    wins: int = 0
    tied: int = 0
    gain: float | None = None
    failures: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Votes:
    """A vote: how it was held, who won how often.

    Attributes:
        methods: Those that ran at least once, by name.
        failed: Reason by name, of methods that could not run at all.
        groups: Groups that voted: batches, inputs, or the classes within each batch (`by`).
        abstained: Groups of these in which no method's neurons raised the loss.
        inputs: Rows looked at.
        left_out: Rows whose scores are not finite, or (by class) that have no label.
        non_finite: Those of them whose scores are not finite.
        m: Neurons on one list; None means all of them.
        scope, mode, points, normalize, sign, by: As given to `vote`.
        judged_by: What the loss compares the scores with.
        shares: By layer, its part of all points.
        winners: Per group in the order of the inputs the method that won, "" where it abstained;
            by class the groups of a batch come in the order of their classes.
        tied: Per group all methods that won alike, the counted winner among them; empty where one
            won alone or the group abstained.
        gains: Per group the rise of the loss by method, in the order of `methods`; None where the
            method named no neuron. Kept by sample only.
        group_classes: Per group its class; None where it holds several.
    """

    methods: tuple[MethodVotes, ...] = ()
    failed: Mapping[str, str] | None = None
    groups: int = 0
    abstained: int = 0
    inputs: int = 0
    left_out: int = 0
    non_finite: int = 0
    m: int | None = None
    scope: str = "global"
    mode: str = "weighted"
    points: str = "borda"
    normalize: str = "layer-l1"
    sign: str = "positive"
    by: str = "batch"
    judged_by: str = ""
    shares: Mapping[str, float] | None = None
    winners: tuple[str, ...] = ()
    tied: tuple[tuple[str, ...], ...] = ()
    gains: tuple[tuple[float | None, ...], ...] = ()
    group_classes: tuple[int | None, ...] = ()
