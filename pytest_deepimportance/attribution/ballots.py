"""From scores to lists, from lists to points: the arithmetic of a vote.

Neurons are numbered through all layers in network order, so that ties are broken by layer order,
then index, by a stable sort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pytest_deepimportance.attribution.vote_options import WISDOM_PLACES, VoteOptions
from pytest_deepimportance.errors import SettingsError

Values = NDArray[np.float64]
Places = NDArray[np.int64]
"""Numbers of neurons, the most important first."""


@dataclass(frozen=True)
class Electorate:
    """The neurons that can be voted for.

    Attributes:
        widths: Neurons by layer, in network order.
        scope: "global" is one list over all layers, "layer" one a layer, "block" one for the
            layers whose names begin with the same part (`layer1` of `layer1.0.conv2`).
    """

    widths: Mapping[str, int]
    scope: str

    @cached_property
    def size(self) -> int:
        """Neurons in all."""
        return sum(self.widths.values())

    @cached_property
    def spans(self) -> dict[str, slice]:
        """Return by layer where its neurons stand in the numbering."""
        found, start = {}, 0
        for name, width in self.widths.items():
            found[name] = slice(start, start + width)
            start += width
        return found

    @cached_property
    def constituencies(self) -> list[Places]:
        """Return the neurons of each list, ascending."""
        groups: dict[str, list[Places]] = {}
        for name, span in self.spans.items():
            key = {"global": "", "layer": name, "block": name.partition(".")[0]}[self.scope]
            groups.setdefault(key, []).append(np.arange(span.start, span.stop))
        return [np.concatenate(parts) for parts in groups.values()]


def comparable(scores: Values, electorate: Electorate, options: VoteOptions) -> Values:
    """Return scores (T,) that may be compared across layers; what cannot be listed is NaN.

    Args:
        scores: Signed, all layers in the numbering of the electorate.
    """
    signed = np.abs(scores) if options.sign == "absolute" else scores
    found = signed.astype(np.float64)
    for span in electorate.spans.values():
        if options.normalize == "layer-l1":
            found[span] = signed[span] / (float(np.abs(scores[span]).sum()) or 1.0)
        elif options.normalize == "rank":
            below = np.searchsorted(np.sort(signed[span]), signed[span], side="left")
            found[span] = (below + 1) / len(below)
    if options.normalize == "global":
        found = signed / (float(np.abs(scores).sum()) or 1.0)
    if options.sign == "signed":
        return found
    return np.where(signed > 0, found, np.nan)


def lists_of(values: Values, groups: Sequence[Places], m: int | None) -> list[Places]:
    """Return the m best neurons of each list by (-value, number); NaN is never listed."""
    found = []
    for members in groups:
        own = members[~np.isnan(values[members])]
        order = np.argsort(-values[own], kind="stable")
        found.append(own[order][: len(own) if m is None else m])
    return found


@dataclass(frozen=True)
class Candidate:
    """What one method says of one group of inputs.

    Attributes:
        lists: Its most important neurons, a list for each constituency.
        scores: What they were ranked by, (T,).
        gain: Rise of the loss when they are removed.
    """

    lists: Sequence[Places]
    scores: Values
    gain: float


def winners_of(candidates: Mapping[str, Candidate]) -> list[str]:
    """Return the methods whose neurons raise the loss most, by name.

    Several where gains are equal; none where no gain is above 0.
    """
    most = max((candidate.gain for candidate in candidates.values()), default=0.0)
    return sorted(n for n, candidate in candidates.items() if candidate.gain == most > 0)


def alike(electorate: Electorate, options: VoteOptions) -> str:
    """Return what to say where each method's list holds every neuron; empty where it does not.

    Raises:
        SettingsError: Then no list can win.
    """
    longest = max(map(len, electorate.constituencies), default=0)
    whole = options.m is None or options.m >= longest
    if not whole or options.sign != "signed" or len(options.methods) < 2:
        return ""
    what = f"m = {'all' if options.m is None else options.m} with sign = signed: the list of every "
    what += "method holds every neuron"
    if options.mode == "winner":
        raise SettingsError(
            what,
            "Without it the model loses the same for all of them, so that none can win.",
            f"Give m below {longest}, sign = positive (each lists what speaks for the target), or "
            "mode = weighted (orders count, all alike).",
        )
    return f"{what}, so all weigh alike"


def points_of(
    candidates: Mapping[str, Candidate], electorate: Electorate, options: VoteOptions
) -> Values | None:
    """Return the points (T,) that one group of inputs gives, None when it abstains."""
    names = sorted(candidates)
    if options.mode == "wisdom":
        return _wisdom(candidates, names, electorate)
    winners = winners_of(candidates)
    if not winners:
        return None
    if options.mode == "winner":
        lists, gain = candidates[winners[0]].lists, candidates[winners[0]].gain
    else:
        lists, gain = _weighted(candidates, names, electorate, options)
    points = np.zeros(electorate.size)
    for places, group in zip(lists, electorate.constituencies, strict=True):
        points[places] += _borda(len(places), len(group) if options.m is None else options.m)
        if options.points == "one":
            points[places] = 1.0
    return points * gain if options.points == "gain-weighted" else points


def _weighted(
    candidates: Mapping[str, Candidate],
    names: Sequence[str],
    electorate: Electorate,
    options: VoteOptions,
) -> tuple[list[Places], float]:
    """Return the merged lists, cut to m, and the mean gain, each method by its gain above 0."""
    raised = {name: max(0.0, candidates[name].gain) for name in names}
    total = sum(raised.values())
    merged = np.zeros(electorate.size)
    groups = electorate.constituencies
    for name in names:
        for places, group in zip(candidates[name].lists, groups, strict=True):
            first = len(group) if options.m is None else options.m
            merged[places] += raised[name] / total * _borda(len(places), first)
    listed = np.where(merged > 0, merged, np.nan)
    mean = sum(raised[name] / total * candidates[name].gain for name in names)
    return lists_of(listed, groups, options.m), mean


def _wisdom(
    candidates: Mapping[str, Candidate], names: Sequence[str], electorate: Electorate
) -> Values | None:
    """Vote as the research code does (idc.md 3.1, items 5 and 6).

    Raw scores weighted by the gain's part of the sum of gains, which may be negative; the first of
    the ten best of all named neurons gets as many points as there are places.
    """
    total = sum(candidates[name].gain for name in names)
    if not names or total == 0:
        return None
    merged = np.full(electorate.size, np.nan)
    for name in names:
        weight = candidates[name].gain / total
        for places in candidates[name].lists:
            merged[places] = np.nan_to_num(merged[places])
            merged[places] += weight * candidates[name].scores[places]
    points = np.zeros(electorate.size)
    for places in lists_of(merged, electorate.constituencies, WISDOM_PLACES):
        points[places] = _borda(len(places), len(places))
    return points


def _borda(count: int, first: int) -> Values:
    return np.arange(first, first - count, -1, dtype=np.float64)
