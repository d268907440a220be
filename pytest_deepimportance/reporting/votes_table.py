"""What `deepimportance vote` prints: one page about who won, what came out, what to do next."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from pytest_deepimportance.formatting import clean, count, listed, percent, plural, significant
from pytest_deepimportance.reporting.layers_table import columns
from pytest_deepimportance.votes import Votes

_MOST_LAYERS = 10
_MOST_NEURONS = 20


def render(
    votes: Votes,
    model: str,
    reference: str,
    top: Sequence[tuple[str, int, float]],
    widths: Mapping[str, int],
    notes: Sequence[str],
) -> list[str]:
    """Return the lines.

    Args:
        model, reference: As they are to be named.
        top: The best neurons: layer, index, points.
        widths: Neurons by layer, in network order.
        notes: Sentences that must be known.
    """
    lists = "all neurons" if votes.m is None else f"m = {votes.m}"
    if votes.mode == "wisdom":
        lists += " for each method's list (ten places count whatever m is)"
    raised = votes.groups - votes.abstained
    voted = f"{plural(votes.groups, _noun(votes.by), _noun(votes.by, many=True))} voted"
    if votes.abstained:
        voted += f", {count(votes.abstained)} of them abstained (no list raised the loss)"
    lines = [
        *_labelled("model", clean(model)),
        *_labelled("reference", f"{clean(reference)}, {plural(votes.inputs, 'input')}"),
        *_labelled("vote", f"{lists}, mode {votes.mode}, scope {votes.scope}, {votes.normalize}, "
                   f"{votes.sign} scores; judged by {clean(votes.judged_by)}"),
        *_labelled("", voted),
        "",
        *_methods(votes, raised),
        "",
        *_layers(votes, widths),
        "",
    ]  # fmt: skip
    shown = [f"{clean(layer)}[{index}] {_points(score)}" for layer, index, score in top if score]
    lines += _labelled("top", listed(shown, _MOST_NEURONS) or "no neuron has a point")
    for note in notes:
        lines += _labelled("note", clean(note))
    return lines


def _noun(by: str, *, many: bool = False) -> str:
    one, several = {
        "batch": ("batch", "batches"),
        "sample": ("input", "inputs"),
        "class": ("class of a batch", "classes of batches"),
    }[by]
    return several if many else one


def _methods(votes: Votes, raised: int) -> list[str]:
    tied = any(votes.tied)
    rows = [("method", "wins", "", *(("tied",) if tied else ()), "loss without its neurons", "")]
    ranked = sorted(votes.methods, key=lambda found: (-found.wins, found.name))
    for found in ranked:
        gain = (
            "-" if found.gain is None else f"{'+' * (found.gain >= 0)}{significant_of(found.gain)}"
        )
        part = percent(found.wins / raised if raised else None, 0, " %")
        failed = f"did not run on {plural(found.failures, 'batch', 'batches')}"
        alike = (count(found.tied),) if tied else ()
        rows.append(
            (found.name, count(found.wins), part, *alike, gain, failed if found.failures else "")
        )
    dashes = ("-",) * (4 if tied else 3)
    rows += [(name, *dashes, "cannot run: see below") for name in votes.failed or {}]
    return columns(rows, right={1, 2, 3, 4} if tied else {1, 2, 3})


def significant_of(value: float) -> str:
    """Write a signed number with three significant digits."""
    return f"{'-' * (value < 0)}{significant(abs(value))}"


def _layers(votes: Votes, widths: Mapping[str, int]) -> list[str]:
    shares = votes.shares or {}
    rows = [("layer", "neurons", "points")]
    shown = sorted(shares, key=lambda name: -shares[name])[:_MOST_LAYERS]
    for name in (name for name in widths if name in shown):
        rows.append((clean(name), count(widths[name]), percent(shares[name], 1, " %")))
    lines = columns(rows, right={1, 2})
    hidden = len(shares) - len(shown)
    return [*lines, f"and {plural(hidden, 'layer')} with fewer points"] if hidden > 0 else lines


def _points(score: float) -> str:
    return count(int(score)) if float(score).is_integer() else significant_of(score)


def _labelled(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, 80, initial_indent=f"{label:<11}", subsequent_indent=" " * 11, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip
