"""Voting over attribution methods: the one whose neurons the model misses most decides.

Specified in `docs/voting.md`; the idea is the research code's "Wisdom".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from pytest_deepimportance.attribution.ballots import Electorate, alike
from pytest_deepimportance.attribution.election import Election
from pytest_deepimportance.attribution.importance import Importance
from pytest_deepimportance.attribution.importance_data import versions
from pytest_deepimportance.attribution.lrp.memory import micro_batch
from pytest_deepimportance.attribution.pruning import Loss
from pytest_deepimportance.attribution.tally import Checkpoint, Tally, chained
from pytest_deepimportance.attribution.target import Target, target_name
from pytest_deepimportance.attribution.vote_notes import doubts, refuse_nothing
from pytest_deepimportance.attribution.vote_options import VoteOptions, check_every, vote_options
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.calls import calls_of
from pytest_deepimportance.data.digests import row_digests
from pytest_deepimportance.errors import AttributionError, SettingsError
from pytest_deepimportance.formatting import plural
from pytest_deepimportance.models.fingerprint import fingerprint
from pytest_deepimportance.models.raised import naming_inputs
from pytest_deepimportance.models.sites import find_sites
from pytest_deepimportance.models.wrappers import eager, wrapper_notes
from pytest_deepimportance.votes import MethodVotes, Votes

Progress = Callable[[int, int | None], None]


def vote(
    model: nn.Module,
    batches: Any,
    methods: str | Sequence[str],
    m: int | str = 10,
    *,
    layers: Sequence[str] | None = None,
    scope: str = "global",
    mode: str = "weighted",
    points: str = "borda",
    normalize: str | None = None,
    sign: str | None = None,
    by: str = "batch",
    target: Target = "predicted",
    loss: Loss | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 20,
    progress: Progress | None = None,
    rows: int | None = None,
    memory: int = 1 << 30,
    **settings: Any,
) -> Importance:
    """Let attribution methods vote for the important neurons, batch by batch.

    Each method names its m most important neurons; these are removed (set to 0 where they are
    read), and the rise of the mean loss, the gain, says how much the model misses them.

    Args:
        model: Any eager module; it is left exactly as it was.
        batches: As for `importance`. The loss is against labels where there are any, else against
            the model's own prediction.
        methods: Names of attribution methods.
        m: Neurons on a list; "all" or -1 for every neuron.
        layers: Names of layers, None for all hidden ones.
        scope: "global" (one list over all layers), "layer" (m of each layer) or "block" (m of each
            group of layers whose names begin alike, such as `layer1`).
        mode: "weighted" (points of all methods, each by its part of the gains above 0), "winner"
            (the list of the method with the largest gain) or "wisdom" (as the research code: raw
            scores weighted by gains, ten places).
        points: "borda" (m for the first place, ... 1), "one", or "gain-weighted" (Borda times the
            gain, so that inputs that depend more on few neurons count more).
        normalize: Before layers are compared: "layer-l1" divides by the sum of the layer's absolute
            scores, "rank" takes the place within the layer, "global" divides by the sum over all
            layers, "none" compares means over positions. Default layer-l1; none for wisdom.
        sign: "positive" lists neurons that speak for the target only, "signed" all, "absolute" by
            size. Default positive; signed for wisdom.
        by: What votes: each "batch", each "sample", or each "class" within a batch.
        target: As for `importance`.
        loss: From output and labels to the loss of each row, (N,): for outputs that are no class
            scores. Default cross-entropy.
        seed: Of methods that draw random numbers.
        checkpoint: File in which the count is kept; a vote that was interrupted goes on from it and
            ends with the very result it would have had.
        checkpoint_every: Batches between two writings of it.
        progress: Called with rows done and `rows`, the number in all (None when unknown).
        memory: Bytes that activations may use: larger batches are computed in parts.
        **settings: tap, output, and those of the methods, each of which takes what it knows (rule,
            epsilon, steps, baseline, samples: see `attribution.base.accepted`).

    Returns:
        Points by layer; `.votes` says who won how often, and `.by_class` holds the points of inputs
        of one class (by sample and by class, where there are labels).

    Raises:
        AttributionError: No batch, no method that can run, or a checkpoint of another vote.
        SettingsError: An option is none of its choices.
        LayerError: A layer does not exist, or the model has no hidden one.
    """
    options = vote_options(
        methods, m, scope=scope, mode=mode, points=points, normalize=normalize, sign=sign, by=by
    )
    check_every(checkpoint_every)
    if settings.get("reduce") == "none":
        raise SettingsError(
            "reduce = none in a vote",
            "Voters name channels, and with it each position would be a neuron of its own.",
            "Leave reduce out.",
        )
    wrapped, model = wrapper_notes(model), eager(model)
    calls = calls_of(batches)
    first = next(calls, None)
    if first is None:
        raise AttributionError(
            "there is no input to vote on",
            "Methods are judged by what the model loses on inputs.",
            "Give at least one batch.",
        )
    sites = find_sites(model, first, settings.get("output"))
    names = [s.name for s in sites.hidden()] if layers is None else list(layers)
    names = [s.name for s in sites.sites if s.name in {sites.find(n).name for n in names}]
    electorate = Electorate({name: sites.find(name).units for name in names}, options.scope)
    election = Election(
        model,
        sites,
        electorate,
        options,
        target=target,
        loss=loss,
        seed=seed,
        settings=settings,
        background=first,
        rows_at_once=micro_batch(model, first, memory // 4),
    )
    notes = (*filter(None, [alike(electorate, options)]), *election.notes, *wrapped, *sites.notes)
    owner = fingerprint(model)
    held = _held(owner, electorate, options, election, target, seed, settings)
    keeper = None if checkpoint is None else Checkpoint(Path(checkpoint), held)
    tally = (keeper and keeper.read()) or Tally(np.zeros(electorate.size))
    election.resume(tally)
    for number, call, digest in _unseen(chain([first], calls), tally, keeper):
        with naming_inputs(f"batch {number}", model, call):
            election.hold(call, number, tally)
        tally.digest, tally.batches = digest, number + 1
        if progress is not None:
            progress(tally.rows, rows)
        if keeper is not None and tally.batches % checkpoint_every == 0:
            keeper.write(tally)
    if keeper is not None:
        keeper.write(tally)
    refuse_nothing(tally)
    return _elected(tally, electorate, options, election, owner, target_name(target), seed, notes)


def _held(
    owner: str,
    electorate: Electorate,
    options: VoteOptions,
    election: Election,
    target: Any,
    seed: int,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Return what two runs must have in common to be parts of one vote."""
    plain = {name: value for name, value in vars(options).items() if name != "methods"}
    return {
        "model": owner,
        "methods": sorted(election.names),
        **plain,
        "layers": dict(electorate.widths),
        "target": target_name(target),
        "loss": election.judge.name,
        "seed": seed,
        "settings": {name: str(value) for name, value in sorted(settings.items())},
        "versions": versions(),
    }


def _unseen(
    calls: Iterable[ModelCall], tally: Tally, keeper: Checkpoint | None
) -> Iterable[tuple[int, ModelCall, str]]:
    """Yield the batches that are not counted yet, numbered, each with the hash of all rows to it.

    Raises:
        AttributionError: The batches that are counted already were others.
    """
    done, digest, seen = tally.batches, "", 0
    for call in calls:
        digest = chained(digest, row_digests(call))
        seen += 1
        if seen == done and digest != tally.digest:
            raise _other_inputs(keeper, f"the first {plural(done, 'batch', 'batches')}")
        if seen > done:
            yield seen - 1, call, digest
    if seen < done:
        raise _other_inputs(keeper, f"there were {plural(done, 'batch', 'batches')}; the inputs")


def _other_inputs(keeper: Checkpoint | None, which: str) -> AttributionError:
    path = keeper.path if keeper is not None else ""
    return AttributionError(
        f"checkpoint {path} is of another vote: {which} were others",
        "Counts of two votes cannot be added up.",
        f"Give the same batches in the same order, or remove it to begin anew: rm {path}",
    )


def _elected(
    tally: Tally,
    electorate: Electorate,
    options: VoteOptions,
    election: Election,
    owner: str,
    target: str,
    seed: int,
    notes: Sequence[str],
) -> Importance:
    spans = electorate.spans
    shares = {name: float(tally.points[span].sum()) for name, span in spans.items()}
    total = sum(shares.values())
    shares = {name: value / total if total else 0.0 for name, value in shares.items()}
    ran = sorted(name for name in tally.methods if name not in tally.failed)
    votes = Votes(
        methods=tuple(_method(name, tally) for name in ran),
        failed=dict(sorted(tally.failed.items())),
        groups=tally.groups,
        abstained=tally.abstained,
        inputs=tally.rows,
        left_out=tally.left_out,
        non_finite=tally.non_finite,
        m=options.m,
        scope=options.scope,
        mode=options.mode,
        points=options.points,
        normalize=options.normalize,
        sign=options.sign,
        by=options.by,
        judged_by=election.judge.name,
        shares=shares,
        winners=tuple(tally.winners),
        tied=tuple(map(tuple, tally.tied)),
        gains=tuple(tuple(row) for row in tally.gains),
        group_classes=tuple(tally.group_classes),
    )
    return Importance(
        scores={name: tally.points[span].copy() for name, span in spans.items()},
        rows=tally.rows,
        method=f"vote of {', '.join(ran)}",
        target=target,
        notes=(*doubts(votes), *tally.notes, *notes),
        fingerprint=owner,
        seed=seed,
        versions=versions(),
        reference=f"rows-{tally.digest[:32]}",
        votes=votes,
        by_class={
            label: {name: own[span].copy() for name, span in spans.items()}
            for label, own in sorted(tally.by_class.items())
        },
    )


def _method(name: str, tally: Tally) -> MethodVotes:
    found = tally.methods[name]
    gain = found.gains / found.lists if found.lists else None
    return MethodVotes(
        name, found.lists, found.wins, found.tied, gain, found.failures, found.reason
    )
