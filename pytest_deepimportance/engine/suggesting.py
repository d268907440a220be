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
from pytest_deepimportance.errors import RecordingError
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
        SettingsError: The criterion has no items.
        RecordingError: The model's forward raised, or the pool holds nothing new.
    """
    one = settings.replace("suggest", criteria=(criterion,))
    measuring = new_criteria(profile, one)[criterion]
    done, total = 0, rows_in_all([*suites.values(), pool])

    def tick(rows: int) -> None:
        nonlocal done
        done += rows
        if progress is not None:
            progress(done, total)

    def rows_of(data: Reference) -> ItemRows:
        return item_rows(model, profile, data, measuring, one, tick)

    suite = [rows_of(data) for data in suites.values()]
    return _Choice(suite, rows_of(pool), measuring, profile, one, pool.descriptor).made(count)


class _Choice:
    """The table of suite and pool, and the ways to choose from the pool."""

    def __init__(
        self, suite: Sequence[ItemRows], pool: ItemRows, measuring: Criterion, profile: Profile,
        settings: Settings, name: str,
    ) -> None:  # fmt: skip
        parts = [part for rows in (*suite, pool) for part in rows.items]
        headline = measuring.fresh().compute()[0]
        table = Incidence.joined(parts, headline.total, measuring.item_numbers)
        before = sum(map(len, suite))
        known = np.concatenate([np.zeros(0, np.uint64), *(rows.digests for rows in suite)])
        first = np.sort(np.unique(pool.digests, return_index=True)[1])
        self._rows = first[~np.isin(pool.digests[first], known)]
        if not len(self._rows):
            raise RecordingError(
                f"the pool {name} holds no input that the suite lacks",
                "There is nothing to suggest from.",
                "Give other data as POOL.",
            )
        tested = np.arange(before)
        self._open = without_covered(table, tested, before + self._rows)
        self._pool, self._name, self._profile, self._settings = pool, name, profile, settings
        self._measuring, self._total = measuring.name, headline.total
        self._suite_inputs, self._covered = len(np.unique(known)), table.coverage(tested)
        sure = pool.confidence[self._rows]
        self._sure: NDArray[np.float64] = sure[:, MAX_SOFTMAX].astype(np.float64)
        self._gini: NDArray[np.float64] = sure[:, GINI].astype(np.float64)

    def made(self, count: int) -> Suggestions:
        """Return `count` suggestions and what other choices of as many inputs bring."""
        count = min(count, len(self._rows))
        wanted = preference(-self._pool.occurrences[self._rows], self._sure, self._rows)
        least_sure = preference(self._sure, self._rows)
        chosen, gains = ranked(self._open, wanted, count)
        adding = int((gains > 0).sum())
        # What adds nothing is worth a label only because the model is unsure of it.
        rest = least_sure[~np.isin(least_sure, chosen[:adding])][: count - adding]
        chosen = np.concatenate([chosen[:adding], rest])
        wrong = self._wrong()
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
            errors=None if wrong is None else int(wrong.sum()),
            chosen=tuple(
                self._suggestion(int(row), int(gain))
                for row, gain in zip(chosen, gains, strict=True)
            ),
            strategies=tuple(self._strategies(chosen, wrong)),
            notes=tuple(self._notes(wrong)),
        )

    def _strategies(self, chosen: Indices, wrong: NDArray[np.bool_] | None) -> Iterator[Strategy]:
        count = len(chosen)
        yield self._strategy("suggested", [chosen], wrong)
        generator = np.random.default_rng(self._settings.seed)
        draws = [generator.permutation(len(self._rows))[:count] for _ in range(DRAWS)]
        yield self._strategy("random", draws, wrong)
        if not np.isnan(self._sure).all():
            yield self._strategy("max-softmax", [preference(self._sure, self._rows)[:count]], wrong)
            yield self._strategy("gini", [preference(-self._gini, self._rows)[:count]], wrong)

    def _strategy(
        self, name: str, draws: list[Indices], wrong: NDArray[np.bool_] | None
    ) -> Strategy:
        new = np.array([self._open.coverage(rows) for rows in draws], dtype=np.float64)
        errors = None if wrong is None else float(np.mean([wrong[rows].sum() for rows in draws]))
        spread = float(new.std(ddof=1)) if len(draws) > 1 else None
        return Strategy(name, float(new.mean()), spread, errors, len(draws))

    def _wrong(self) -> NDArray[np.bool_] | None:
        """Return which candidates are known to be predicted wrong; None without any label."""
        labels, found = self._pool.labels[self._rows], self._pool.predictions[self._rows]
        known = (labels != UNKNOWN) & (found != UNKNOWN)
        return known & (labels != found) if known.any() else None

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

    def _notes(self, wrong: NDArray[np.bool_] | None) -> Iterator[str]:
        repeated = len(self._pool) - len(self._rows)
        if repeated:
            yield (
                f"{plural(repeated, 'row')} of the pool left out: in the suite already, or there "
                "twice"
            )
        if wrong is None:
            yield "the pool has no labels: errors found cannot be compared"
        if np.isnan(self._sure).all():
            yield "the model's scores are no distribution: nothing is known of how sure it is"
        if not self._suite_inputs:
            yield "no suite is given: everything counts as not yet covered"


def _number(value: np.floating) -> float | None:
    return None if np.isnan(value) else float(value)


def _known(value: np.integer) -> int | None:
    return None if value == UNKNOWN else int(value)
