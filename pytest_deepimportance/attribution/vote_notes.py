"""What must be said of a vote: nobody who could vote, nobody who won, layers that dominate."""

from __future__ import annotations

from pytest_deepimportance.attribution.tally import Tally
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.formatting import count, percent, plural
from pytest_deepimportance.votes import Votes

DOMINATED = 0.6
"""An early layer with more than this part of all points is said."""


def refuse_nothing(tally: Tally) -> None:
    """Refuse a vote in which nobody could vote.

    Raises:
        AttributionError: No row is usable.
    """
    if tally.groups:
        return
    others = ", the others have no label" if tally.non_finite < tally.rows else ""
    raise AttributionError(
        f"none of {plural(tally.rows, 'input')} can vote: {count(tally.non_finite)} give scores "
        f"with NaN or infinity{others}",
        "Methods are judged by what the model loses on inputs.",
        "Check the inputs, their scale and labels, and the weights.",
    )


def doubts(votes: Votes) -> list[str]:
    """Say what makes the result doubtful."""
    said = [f"{name} did not vote: {reason}" for name, reason in (votes.failed or {}).items()]
    if votes.non_finite:
        said.append(f"{plural(votes.non_finite, 'row')} with NaN or infinity left out")
    if votes.abstained == votes.groups:
        said.append("nobody voted: removing the neurons of any method never raised the loss")
    if tied := sum(map(bool, votes.tied)):
        said.append(
            f"in {tied:,} of {plural(votes.groups, 'group')} the model loses the same without the "
            "neurons of several methods: the first of them by name counts as the winner"
        )
    shares = votes.shares or {}
    early = list(shares)[: len(shares) // 2]
    first = max(early, key=lambda name: shares[name], default="")
    if first and shares[first] > DOMINATED:
        said.append(
            f"{first}, an early layer, has {percent(shares[first], 0, ' %')} of all points: "
            "removing a channel there disturbs everything after it; scope = layer asks for m of "
            "each layer"
        )
    return said
