"""One batch of a vote: what the methods say, and what the model loses without their neurons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pytest_deepimportance.attribution.ballots import (
    Candidate,
    Electorate,
    Places,
    Values,
    comparable,
    lists_of,
    points_of,
)
from pytest_deepimportance.attribution.base import Attribution, accepted, create, method_name
from pytest_deepimportance.attribution.judging import Judge, Judged
from pytest_deepimportance.attribution.lrp.running import device_of
from pytest_deepimportance.attribution.pruning import Loss
from pytest_deepimportance.attribution.shrinking import Shrinking
from pytest_deepimportance.attribution.tally import MethodCount, Tally
from pytest_deepimportance.attribution.target import Target, parse_target
from pytest_deepimportance.attribution.vote_options import VoteOptions
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.batches import ModelCall
from pytest_deepimportance.data.sampling import PrivateRandom
from pytest_deepimportance.errors import (
    AttributionError,
    IdcError,
    MethodUnavailable,
    SettingsError,
)
from pytest_deepimportance.models.sitemap import SiteMap

_STRIDE = 1_000_003
"""Between the seeds of two batches, so that no two votes share a sequence by accident."""


class Election:
    """Holds the vote of one batch after another.

    Attributes:
        names: The methods by their own names.
        judge: Says what the model loses.
        notes: What must be said of how the methods were made.
    """

    def __init__(
        self,
        model: nn.Module,
        sites: SiteMap,
        electorate: Electorate,
        options: VoteOptions,
        *,
        target: Target,
        loss: Loss | None,
        seed: int,
        background: ModelCall,
        rows_at_once: int,
        settings: Mapping[str, Any],
    ) -> None:
        self._model, self._electorate, self._options = model, electorate, options
        self._seed, layers = seed, list(electorate.widths)
        goal = parse_target(target)
        # Elsewhere the number of positions is the same factor for all that is compared.
        means = options.normalize in ("none", "global") and options.mode != "wisdom"
        self.judge = Judge(
            model,
            sites,
            electorate,
            tap=str(settings.get("tap", "post")),
            output=settings.get("output"),
            loss=loss,
            target=goal if callable(goal) else None,
            count_positions=means,
        )
        self.judge.part = rows_at_once
        self._voters: dict[str, Attribution] = {}
        self._refused: dict[str, str] = {}
        self.notes: list[str] = []
        common = {"model": model, "sites": sites, "layers": layers, "target": target}
        # Samples come from the first batch also where a vote goes on from a checkpoint.
        drawn = {"seed": seed, "background": background, "rows_at_once": rows_at_once}
        names = _distinct(options.methods)
        for name in names:
            known = accepted(name)
            # What one method has no use for is another's setting; of no use to all is a mistake.
            foreign = {other for rest in names for other in accepted(rest)} - known
            own = {key: value for key, value in settings.items() if key not in foreign}
            own |= {key: value for key, value in drawn.items() if key in known}
            try:
                voter = create(name, **common, **own)
            except MethodUnavailable as error:
                self._refused[name] = error.what
                continue
            self._voters[name] = Shrinking(voter)
            if getattr(voter, "draws", False):
                self.notes.append(
                    f"{voter.name}: the sample of inputs is drawn from the first batch alone"
                )
        self.names = names

    def resume(self, tally: Tally) -> None:
        """Go on from a count."""
        tally.failed |= self._refused
        for name in self._voters:
            tally.methods.setdefault(name, MethodCount())

    def hold(self, call: ModelCall, number: int, tally: Tally) -> None:
        """Count the votes of batch `number`.

        Raises:
            AttributionError: The output is no class score, or no method is left that can run.
        """
        call = call.to(device_of(self._model, call))
        first = self.judge.judge(call)
        usable = np.isfinite(first.losses)
        groups = list(self._groups(call, usable, tally))
        tally.rows += call.rows
        tally.non_finite += int((~usable).sum())
        tally.left_out += call.rows - sum(len(rows) for rows, _ in groups)
        said: dict[str, list[Candidate]] = {}
        for name, voter in sorted(self._voters.items()):
            if name in tally.failed:
                continue
            relevance = self._relevance(name, voter, call, number, tally)
            if relevance is not None:
                scores = relevance / first.positions
                said[name] = self._candidates(scores, groups, call, first)
        if not said and all(name in tally.failed for name in self._voters):
            raise _nobody(tally)
        kept: list[str] = []
        if self._options.by == "sample":
            kept = [name for name in sorted(self._voters) if name not in tally.failed]
        for place, (_, label) in enumerate(groups):
            own = {name: every[place] for name, every in said.items() if _listed(every[place])}
            tally.add(own, points_of(own, self._electorate, self._options), label, kept)

    def _groups(
        self, call: ModelCall, usable: NDArray[np.bool_], tally: Tally
    ) -> Iterator[tuple[NDArray[np.int64], int | None]]:
        """Yield the rows that vote together, and their class where they have one in common."""
        rows = np.flatnonzero(usable)
        labels = None if call.labels is None else call.labels.cpu().numpy()
        if labels is None or (labels == UNKNOWN).all():
            if self._options.by == "class":
                raise AttributionError(
                    "by = class needs labels, and a batch has none",
                    "Inputs are grouped by their true class.",
                    "Give batches (x, y), or by=batch.",
                )
            tally.note("inputs without labels: the loss is against the model's own prediction")
        if self._options.by == "batch":
            if len(rows):
                yield rows, None
        elif self._options.by == "sample":
            for row in rows:
                known = labels is not None and labels[row] != UNKNOWN
                yield rows[rows == row], int(labels[row]) if known and labels is not None else None
        elif labels is not None:
            for label in np.unique(labels[rows][labels[rows] != UNKNOWN]).tolist():
                yield rows[labels[rows] == label], int(label)

    def _relevance(
        self, name: str, voter: Attribution, call: ModelCall, number: int, tally: Tally
    ) -> Values | None:
        """Return the relevance of each row, (N, T), None where the method could not run."""
        try:
            with PrivateRandom(self._seed + _STRIDE * number).active():
                parts = [voter.attribute(part).relevance for part in call.split(self.judge.part)]
        except Exception as error:
            # Whatever goes wrong in one method: the others vote without it, and it is said.
            what = error.what if isinstance(error, IdcError) else f"{type(error).__name__}: {error}"
            reason = " ".join(what.split())
            count = tally.methods[name]
            count.failures, count.reason = count.failures + 1, reason
            if not count.lists and count.failures == number + 1:
                tally.failed[name] = reason
            return None
        notes = voter.notes
        tally.note(*(n if n.startswith(name) else f"{name}: {n}" for n in notes))
        return np.concatenate([self._columns(part) for part in parts])

    def _columns(self, relevance: Mapping[str, Tensor]) -> Values:
        names = self._electorate.widths
        columns = [relevance[name].detach().cpu().numpy() for name in names]
        return np.concatenate(columns, axis=1).astype(np.float64)

    def _candidates(
        self,
        scores: Values,
        groups: list[tuple[NDArray[np.int64], int | None]],
        call: ModelCall,
        first: Judged,
    ) -> list[Candidate]:
        """Return what one method says of each group: all groups are pruned in one pass.

        A group whose loss is not finite without the neurons gets no list.
        """
        constituencies = self._electorate.constituencies
        removed = np.zeros((call.rows, self._electorate.size), dtype=bool)
        lists: list[list[Places]] = []
        summed = [scores[rows].sum(axis=0) for rows, _ in groups]
        for (rows, _), own in zip(groups, summed, strict=True):
            values = comparable(own, self._electorate, self._options)
            lists.append(lists_of(values, constituencies, self._options.m))
            removed[np.ix_(rows, np.concatenate(lists[-1]))] = True
        after = self.judge.judge(call, removed, first).losses
        before = first.losses
        found = []
        for own, total, (rows, _) in zip(lists, summed, groups, strict=True):
            gain = float(after[rows].mean() - before[rows].mean())
            # A loss of the user's own may be infinite without some neurons: that weighs nothing.
            found.append(Candidate(own if np.isfinite(gain) else [], total, gain))
        return found


def _distinct(methods: Sequence[str]) -> list[str]:
    names = [method_name(method) for method in methods]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"attribution method {name} is named twice",
                "It would have two votes.",
                "Name each method once.",
            )
    return names


def _listed(candidate: Candidate) -> bool:
    return any(len(places) for places in candidate.lists)


def _nobody(tally: Tally) -> AttributionError:
    reasons = "; ".join(f"{name}: {reason}" for name, reason in sorted(tally.failed.items()))
    return AttributionError(
        f"no method can run on this model: {reasons}",
        "Without a vote there is no importance.",
        "Name other methods, or the layers they can run on: layers = [...]",
    )
