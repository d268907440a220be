"""Rank the inputs of a pool by what they would add to a suite, beside other ways of choosing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance import __version__
from pytest_deepimportance.criteria.base import Criterion
from pytest_deepimportance.data.activations import UNKNOWN
from pytest_deepimportance.data.confidence import GINI, MAX_SOFTMAX
from pytest_deepimportance.data.reference import Reference
from pytest_deepimportance.engine.intake import rows_in_all
from pytest_deepimportance.engine.item_rows import ItemRows, item_rows
from pytest_deepimportance.engine.states import new_criteria
from pytest_deepimportance.errors import RecordingError, SettingsError
from pytest_deepimportance.formatting import count as counted
from pytest_deepimportance.formatting import plural
from pytest_deepimportance.profile.accumulate import Progress
from pytest_deepimportance.profile.model import Profile
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.choosing import preference, ranked, without_covered
from pytest_deepimportance.statistics.incidence import Incidence, Indices
from pytest_deepimportance.suggestions import Strategy, Suggestion, Suggestions

DRAWS = 20
"""Seeded random choices that the suggested one is compared with."""


def suggest(
    model: nn.Module,
    profile: Profile,
    suites: Mapping[str, Reference],
    pool: Reference,
    count: int,
    settings: Settings,
    *,
    criterion: str = "IDC",
    progress: Progress | None = None,
) -> Suggestions:
    """Rank the inputs of `pool` by the items they add to what `suites` cover.

    Greedy: each suggestion adds the most items still open. Among equals the one whose combination
    most reference inputs have, then the one the model is least sure of; where nothing is left to
    add, the least sure ones follow.

    Args:
        model: The profiled model.
        suites: What is tested already, by name; may be empty.
        count: Inputs to suggest, at most as many as the pool has.
        criterion: Whose items count; one of which an input by itself covers items.

    Raises:
        SettingsError: The criterion has no items, or they depend on the order of the inputs.
        RecordingError: The model's forward raised, the pool holds nothing new, or labels are
            missing that the criterion needs.
    """
    one = settings.replace("suggest", criteria=(criterion,))
    measuring = _addable(new_criteria(profile, one), criterion)
    done, total = 0, rows_in_all([*suites.values(), pool])

    def tick(rows: int) -> None:
        nonlocal done
        done += rows
        if progress is not None:
            progress(done, total)

    def rows_of(data: Reference) -> ItemRows:
        return item_rows(model, profile, data, measuring, one, tick)

    suite = [rows_of(data) for data in suites.values()]
    rows = rows_of(pool)
    if measuring.by_true_class:
        for name, own in [*zip(suites, suite, strict=True), ("the pool", rows)]:
            _check_labels(name, own, measuring.name)
    facts = [fact for data in (*suites.values(), pool) for fact in data.facts]
    return _Choice(suite, rows, measuring, profile, one, pool.descriptor, facts).made(count)


def _addable(measured: Mapping[str, Criterion], asked: str) -> Criterion:
    """Return the one criterion asked for, if what inputs add to it can be summed up.

    Raises:
        SettingsError: Several are asked for, or what an input adds depends on those before it.
    """
    criterion, *more = measured.values()
    if more:
        raise SettingsError(
            f"--criterion {asked} names more than one criterion",
            "Inputs are ranked by the items of one.",
            "For example: --criterion IDC",
        )
    if "order-free" in criterion.breaks:
        raise SettingsError(
            f"what an input adds to {criterion.name} depends on the inputs before it",
            "Inputs are ranked by the items they add, and these would promise more than they keep.",
            "Choose another criterion: --criterion IDC",
        )
    return criterion


def _check_labels(name: str, rows: ItemRows, criterion: str) -> None:
    """Refuse rows of which none can cover anything.

    Raises:
        RecordingError: No row has a label.
    """
    if (rows.labels == UNKNOWN).all():
        raise RecordingError(
            f"no row of {name} has a label, and {criterion} counts inputs by their true class",
            "Without labels they would add nothing, whatever they show.",
            "Give labels, a profile of all classes together, or another --criterion.",
        )


class _Choice:
    """The table of suite and pool, and the ways to choose from the pool."""

    def __init__(
        self, suite: Sequence[ItemRows], pool: ItemRows, measuring: Criterion, profile: Profile,
        settings: Settings, name: str, facts: Sequence[str],
    ) -> None:  # fmt: skip
        self._facts = facts
        parts = [part for rows in (*suite, pool) for part in rows.items]
        headline = measuring.fresh().compute()[0]
        table = Incidence.joined(parts, headline.total, measuring.item_numbers)
        before = sum(map(len, suite))
        self._suite = suite
        known = np.concatenate([np.zeros(0, np.uint64), *(rows.digests for rows in suite)])
        first = np.sort(np.unique(pool.digests, return_index=True)[1])
        self._rows = first[~np.isin(pool.digests[first], known)]
        if not len(self._rows):
            unusable = plural(pool.unusable, "other row")
            raise RecordingError(
                f"the pool {name} holds no input that the suite lacks",
                f"There is nothing to suggest from; {unusable} with NaN or infinity do not count."
                if pool.unusable
                else "There is nothing to suggest from.",
                "Give other data as POOL.",
            )
        tested = np.arange(before)
        self._open = without_covered(table, tested, before + self._rows)
        self._pool, self._name, self._profile, self._settings = pool, name, profile, settings
        self._measuring, self._total = measuring.name, headline.total
        self._by_true_class = measuring.by_true_class
        labels, found = pool.labels[self._rows], pool.predictions[self._rows]
        self._labelled = (labels != UNKNOWN) & (found != UNKNOWN)
        self._wrong = self._labelled & (labels != found)
        self._suite_inputs, self._covered = len(np.unique(known)), table.coverage(tested)
        sure = pool.confidence[self._rows]
        self._sure: NDArray[np.float64] = sure[:, MAX_SOFTMAX].astype(np.float64)
        self._gini: NDArray[np.float64] = sure[:, GINI].astype(np.float64)

    def made(self, count: int) -> Suggestions:
        """Return `count` suggestions and what other choices of as many inputs bring."""
        self._asked = count
        count = min(count, len(self._rows))
        wanted = preference(-self._pool.occurrences[self._rows], self._sure, self._rows)
        least_sure = preference(self._sure, self._rows)
        chosen, gains = ranked(self._open, wanted, count)
        adding = int((gains > 0).sum())
        # What adds nothing is worth a label only because the model is unsure of it.
        rest = least_sure[~np.isin(least_sure, chosen[:adding])][: count - adding]
        chosen = np.concatenate([chosen[:adding], rest])
        return Suggestions(
            version=__version__,
            model=self._profile.model.spec,
            profile=self._profile.fingerprint,
            criterion=self._measuring,
            suite_inputs=self._suite_inputs,
            covered=self._covered,
            total=self._total,
            pool=self._name,
            pool_inputs=len(self._rows),
            addable=len(self._open.keys),
            labelled=int(self._labelled.sum()),
            errors=int(self._wrong.sum()) if self._labelled.any() else None,
            chosen=tuple(
                self._suggestion(int(row), int(gain))
                for row, gain in zip(chosen, gains, strict=True)
            ),
            strategies=tuple(self._strategies(chosen)),
            notes=(*self._facts, *self._notes()),
        )

    def _strategies(self, chosen: Indices) -> Iterator[Strategy]:
        count = len(chosen)
        yield self._strategy("suggested", [chosen])
        generator = np.random.default_rng(self._settings.seed)
        draws = [generator.permutation(len(self._rows))[:count] for _ in range(DRAWS)]
        yield self._strategy("random", draws)
        if not np.isnan(self._sure).all():
            yield self._strategy("max-softmax", [preference(self._sure, self._rows)[:count]])
            yield self._strategy("gini", [preference(-self._gini, self._rows)[:count]])

    def _strategy(self, name: str, draws: list[Indices]) -> Strategy:
        new = np.array([self._open.coverage(rows) for rows in draws], dtype=np.float64)
        errors = None
        if self._labelled.any():
            errors = float(np.mean([self._wrong[rows].sum() for rows in draws]))
        spread = float(new.std(ddof=1)) if len(draws) > 1 else None
        return Strategy(name, float(new.mean()), spread, errors, len(draws))

    def _suggestion(self, row: int, gain: int) -> Suggestion:
        at, pool = int(self._rows[row]), self._pool
        occurrences = int(pool.occurrences[at])
        return Suggestion(
            index=int(pool.index[at]),
            new_items=gain,
            reference_rows=None if occurrences < 0 else occurrences,
            max_softmax=_number(self._sure[row]),
            gini=_number(self._gini[row]),
            predicted=_known(pool.predictions[at]),
            label=_known(pool.labels[at]),
        )

    def _notes(self) -> Iterator[str]:
        repeated = len(self._pool) - len(self._rows)
        if repeated:
            yield (
                f"{plural(repeated, 'row')} of the pool left out: in the suite already, or there "
                "twice"
            )
        for what, parts in (("pool", [self._pool]), ("suite", self._suite)):
            unusable = sum(part.unusable for part in parts)
            if unusable:
                yield f"{plural(unusable, 'row')} of the {what} with NaN or infinity left out"
            unlabelled = sum(int((part.labels == UNKNOWN).sum()) for part in parts)
            if unlabelled and self._by_true_class:
                yield (
                    f"{plural(unlabelled, 'row')} of the {what} without a label: they cover "
                    f"nothing of {self._measuring}, which counts inputs by their true class"
                )
        unlabelled = len(self._rows) - int(self._labelled.sum())
        if unlabelled == len(self._rows):
            yield "the pool has no labels: errors found cannot be compared"
        elif unlabelled:
            yield (
                f"{plural(unlabelled, 'new input')} of the pool without a label: errors among "
                "them are not counted"
            )
        if len(self._rows) < self._asked:
            yield (
                f"{counted(self._asked)} were asked for, but the pool holds only "
                f"{plural(len(self._rows), 'new input')}"
            )
        if np.isnan(self._sure).all():
            yield "the model's scores are no distribution: nothing is known of how sure it is"
        if not self._suite_inputs:
            yield "no suite is given: everything counts as not yet covered"


def _number(value: np.floating) -> float | None:
    return None if np.isnan(value) else float(value)


def _known(value: np.integer) -> int | None:
    return None if value == UNKNOWN else int(value)
