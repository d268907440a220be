"""What a criterion is, and the registry through which all of them are found.

A whole criterion fits in twenty lines of a user's conftest:

    @register
    class PositiveSum(Criterion):
        name, unit, needs = "POS", "ratio", ()

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1, dtype=torch.bool))

        def update(self, batch):
            for layer in batch.layers.values():
                self.seen |= (layer.values.sum(dim=1) > 0).any()

        def merge(self, other):
            self.seen |= other.seen

        def reset(self):
            self.seen.zero_()

        def compute(self):
            return (CriterionRow(self.name, self.unit, int(self.seen), 1),)
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pytest_deepimportance.criteria.plain import from_plain, to_plain
from pytest_deepimportance.data.activations import ActivationBatch
from pytest_deepimportance.errors import (
    IdcError,
    RecordingError,
    SettingsError,
    did_you_mean,
    place_of,
)
from pytest_deepimportance.results import CriterionRow
from pytest_deepimportance.settings import Settings
from pytest_deepimportance.statistics.incidence import RowItems
from pytest_deepimportance.thresholds import MEASURED

if TYPE_CHECKING:
    from typing import Self  # Python 3.11; never imported when the code runs

_REGISTRY: dict[str, type[Criterion]] = {}
_Class = TypeVar("_Class", bound="type[Criterion]")


class Criterion(nn.Module, ABC):
    """A measure of what inputs exercise, as a mergeable state.

    State of a fixed size is kept in buffers; state that grows goes through `get_extra_state` and
    `set_extra_state`, as builtins, bytes and numpy arrays only. Adding an input must never lower
    the number, and neither the order nor the grouping of inputs may change it; a criterion that
    breaks one of these rules by definition names it in `breaks`.

    Attributes:
        name: Registry name, as thresholds and reports spell it.
        unit: "ratio" (covered of total), "count" or "float".
        needs: What it needs from the reference; the names of the constructor's keywords.
        options: Settings it depends on; keywords of the constructor too.
        reads: Layers it looks at: "neurons" (all that the setting `neuron_layers` names),
            "surprise" (the layer of the setting `surprise_layer`) or "importance" (those of the
            important neurons).
        breaks: Rules broken by definition: "monotone", "order-free", "shard-free" (merged parts
            may differ from the whole), "idempotent".
    """

    name: ClassVar[str]
    unit: ClassVar[str] = "ratio"
    needs: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[str] = "neurons"
    breaks: ClassVar[tuple[str, ...]] = ()

    _made_from: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        """Keep the arguments, so that `fresh` needs nothing from a subclass."""
        made = super().__new__(cls)
        object.__setattr__(made, "_made_from", (args, keywords))
        return made

    @classmethod
    def excluded_by(cls, settings: Settings) -> str:
        """Return why these settings leave the criterion out, empty where they do not."""
        return ""

    @abstractmethod
    def update(self, batch: ActivationBatch) -> None:
        """Take in the rows of one forward pass (finite rows only)."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Take in everything that `other`, made from the same reference, has seen."""

    @abstractmethod
    def compute(self) -> tuple[CriterionRow, ...]:
        """Return the measured rows, the headline first."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything seen."""

    def items(self, batch: ActivationBatch) -> RowItems | None:
        """Return the items that each row covers, None where a row by itself covers none.

        Asked of a fresh criterion, with the rows of all inputs in their order, finite ones only.
        """
        return None

    def held(self) -> NDArray[np.int64] | None:
        """Return the items covered so far, numbered as by `items`, each once, ascending.

        None where what an input covers depends on those before it.
        """
        return None

    @property
    def by_true_class(self) -> bool:
        """Whether only inputs whose true class is known count."""
        return False

    @property
    def item_numbers(self) -> int:
        """Number below which `items` numbers its items, 0 where they are hashes."""
        return 0

    def fresh(self) -> Self:
        """Return an empty criterion made from the same reference."""
        args, keywords = self._made_from
        return type(self)(*args, **keywords)

    def export(self) -> dict[str, Any]:
        """Return the state as builtins and bytes, fit for a test report or a file."""
        extra = self.get_extra_state() if has_extra_state(self) else None
        buffers = {name: to_plain(buffer.cpu().numpy()) for name, buffer in self.named_buffers()}
        return {"criterion": self.name, "buffers": buffers, "extra": to_plain(extra)}

    def absorb(self, state: Mapping[str, Any]) -> None:
        """Merge a state that `export` made, in this process or another.

        Raises:
            RecordingError: The state belongs to another criterion.
        """
        if state["criterion"] != self.name:
            raise RecordingError(
                f"a state of {state['criterion']} cannot be merged into {self.name}",
                "The files come from different versions or settings.",
            )
        self.merge(self.restored(state))

    def restored(self, state: Mapping[str, Any]) -> Self:
        """Return a criterion with a state that `export` made."""
        other = self.fresh()
        for name, buffer in other.named_buffers():
            buffer.copy_(torch.from_numpy(from_plain(state["buffers"][name])))
        if has_extra_state(other):
            other.set_extra_state(from_plain(state["extra"]))
        return other


def has_extra_state(criterion: Criterion) -> bool:
    """Return whether the criterion keeps growing state."""
    return type(criterion).get_extra_state is not nn.Module.get_extra_state


def register(criterion: _Class) -> _Class:
    """Add a criterion to the registry (class decorator).

    Raises:
        SettingsError: The name is missing or belongs to another criterion.
    """
    name = getattr(criterion, "name", "")
    if not name:
        raise SettingsError(
            f"{criterion.__name__} has no name", fix='Add a class attribute: name = "MINE".'
        )
    known = _REGISTRY.get(name)
    # Reloading a module (a notebook, a conftest read twice) defines the same class again.
    if known is not None and known.__qualname__ != criterion.__qualname__:
        raise SettingsError(
            f"two criteria are called {name!r}: {known.__module__}.{known.__qualname__} and "
            f"{criterion.__module__}.{criterion.__qualname__}",
            fix="Rename one of them.",
        )
    _REGISTRY[name] = criterion
    return criterion


def names() -> tuple[str, ...]:
    """Return the names of all registered criteria: ours in the order of the table, then others."""
    _import_own()
    own = list(MEASURED)
    return tuple(sorted(_REGISTRY, key=lambda n: (own.index(n) if n in own else len(own), n)))


def get(name: str) -> type[Criterion]:
    """Return the criterion called `name`.

    Raises:
        SettingsError: There is none; the message names the nearest.
    """
    known = names()
    if name not in known:
        raise SettingsError(
            f"unknown criterion {name!r}",
            fix=did_you_mean(name, known) or f"criteria: {', '.join(known)}",
        )
    return _REGISTRY[name]


def create(name: str, provided: Mapping[str, Any], settings: Settings | None = None) -> Criterion:
    """Return a new, empty criterion, made from what the reference provides.

    Args:
        provided: By name, at least what the criterion `needs`.
        settings: Hold the criterion's options; None: their defaults.

    Raises:
        SettingsError: There is no such criterion, or the profile lacks what it needs.
    """
    criterion = get(name)
    missing = [need for need in criterion.needs if need not in provided]
    if missing:
        raise SettingsError(
            f"criterion {name} needs {', '.join(missing)}, which this profile does not hold",
            fix=f"Build the profile again with {name} among the criteria.",
        )
    settings = settings or Settings()
    options = {option: getattr(settings, option) for option in criterion.options}
    with naming(name):
        return criterion(**{need: provided[need] for need in criterion.needs}, **options)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Say which criterion raised: it may be a user's own.

    Raises:
        RecordingError: Anything but an error of ours was raised inside.
    """
    try:
        yield
    except IdcError:
        raise
    except Exception as error:
        raise RecordingError(
            f"criterion {name} raised {type(error).__name__}: {error} ({place_of(error)})",
            "Without it there is no number to show.",
            "Correct the criterion, or leave it out with --idc-criteria.",
        ) from error


@cache
def _import_own() -> None:
    """Import every module of this room once, so that registering is all a criterion has to do."""
    package = importlib.import_module(__name__.rpartition(".")[0])
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
