"""Which rule holds for a linear operation: by module name, module type, operation, composite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from pytest_deepimportance.attribution.lrp.linear_rules import (
    LinearRule,
    Numbers,
    UserRule,
    make_rule,
    user_rule,
)
from pytest_deepimportance.attribution.lrp.names import LINEAR_LAYERS, PRODUCTS
from pytest_deepimportance.attribution.lrp.surroundings import modules_around
from pytest_deepimportance.errors import AttributionError, did_you_mean
from pytest_deepimportance.relevance_rules import CHOICES, RULES, composite

Rules = Mapping[type[nn.Module] | str, str | UserRule]
"""Rules of the user: a module type, a module's name or an operation's name -> rule."""

OPERATIONS = LINEAR_LAYERS | PRODUCTS


class RuleChoice:
    """Chooses the rule of each linear operation of a model.

    The first that holds: a rule for a module by its name, the innermost module first; for a module
    by its type, the innermost first; for the operation; the composite's (or the one rule's).

    Args:
        model: Names its modules.
        rule: A name in `relevance_rules.CHOICES`.
        numbers: Of the rules.
        rules: The user's.

    Attributes:
        label: What is used, for the report.
        everywhere: The rule of all operations, or None if it depends.
        asks_first: Whether it depends on what reads the model's input.

    Raises:
        AttributionError: An unknown rule, module or operation; numbers that no rule can use.
    """

    def __init__(
        self,
        model: nn.Module,
        rule: str = "epsilon",
        numbers: Numbers | None = None,
        rules: Rules | None = None,
    ) -> None:
        self._numbers = numbers or Numbers()
        _check_numbers(self._numbers)
        self._names = {id(module): name for name, module in model.named_modules()}
        self._by_name: dict[str, LinearRule] = {}
        self._by_type: dict[type[nn.Module], LinearRule] = {}
        self._by_operation: dict[str, LinearRule] = {}
        self._unused: dict[str, None] = {}
        self._composite(rule)
        for key, value in (rules or {}).items():
            self._add(key, value)
        users = (*self._by_name.values(), *self._by_type.values(), *self._by_operation.values())
        self.asks_first = self._first is not None or any(made.boxed for made in users)
        self.everywhere = None if self._depends else self._dense
        self.label = self._label(rule, rules or {})

    @property
    def unused(self) -> tuple[str, ...]:
        """Rules of the user that no operation has asked for so far, as written in `rules`."""
        return tuple(self._unused)

    def of(self, operation: str, *, is_first: bool) -> LinearRule:
        """Return the rule of an operation that the running module calls.

        Args:
            operation: Name of the torch function, as "conv2d".
            is_first: Whether it reads the model's input.
        """
        if self.everywhere is not None:
            return self.everywhere
        found = self._users_rule(operation) if self._has_users else None
        if found is None and is_first and self._first is not None:
            found = self._first
        if found is None:
            found = self._conv if operation.startswith("conv") else self._dense
        if found.boxed and not is_first:
            raise AttributionError(
                f"rule z-box is asked for at {operation}, which does not read the model's input",
                "Its bounds are those of the input; nothing bounds what another layer computes.",
                "Ask for z-box at the first layer only, or choose another rule here.",
            )
        return found

    def _users_rule(self, operation: str) -> LinearRule | None:
        around = modules_around(self._names)
        for module in around:
            name = self._names[id(module)]
            if name in self._by_name:
                return self._used(repr(name), self._by_name[name])
        for module in around:
            for kind in type(module).__mro__:
                if kind in self._by_type:
                    return self._used(kind.__name__, self._by_type[kind])
        if operation in self._by_operation:
            return self._used(repr(operation), self._by_operation[operation])
        return None

    def _used(self, key: str, rule: LinearRule) -> LinearRule:
        self._unused.pop(key, None)
        return rule

    def _composite(self, rule: str) -> None:
        if rule not in CHOICES:
            raise AttributionError(
                f"LRP rule {rule!r} cannot be used for a whole model"
                if rule in RULES
                else f"there is no LRP rule {rule!r}",
                "z-box needs the bounds of the model's input." if rule in RULES else "",
                "Use epsilon-gamma-box, or rules={'NAME OF THE FIRST LAYER': 'z-box'}."
                if rule in RULES
                else did_you_mean(rule, CHOICES) or f"Rules and composites: {', '.join(CHOICES)}.",
            )
        parts = composite(rule)
        self._dense, self._conv = self._made(parts.dense), self._made(parts.conv)
        self._first = None if parts.first is None else self._made(parts.first)

    def _made(self, name: str) -> LinearRule:
        if name == "z-box" and not (self._numbers.low and self._numbers.high):
            raise AttributionError(
                "the z-box rule needs idc_lrp_low and idc_lrp_high, the bounds of the input",
                "Taken from the batch, they would make relevance depend on the other inputs.",
                "Give the smallest and largest value an input can have after the transform, such "
                "as --idc-lrp-low 0 --idc-lrp-high 1; one number, or one for each channel.",
            )
        return make_rule(name, self._numbers)

    def _add(self, key: Any, value: Any) -> None:
        rule = user_rule(value) if callable(value) else self._named(value)
        if isinstance(key, type) and issubclass(key, nn.Module):
            self._by_type[key] = rule
            self._unused[key.__name__] = None
            return
        if isinstance(key, str):
            self._unused[repr(key)] = None
            if key in self._names.values():
                self._by_name[key] = rule
                return
            if key in OPERATIONS:
                self._by_operation[key] = rule
                return
        names = [name for name in self._names.values() if name]
        raise AttributionError(
            f"rules has the key {key!r}, which is neither a module type nor the name of a module "
            "or of a linear operation",
            "A rule that nothing asks for would change nothing.",
            did_you_mean(str(key), [*names, *OPERATIONS])
            or f"Modules: {', '.join(names[:8])}; operations: {', '.join(sorted(OPERATIONS)[:8])}.",
        )

    def _named(self, value: Any) -> LinearRule:
        if value not in RULES:
            raise AttributionError(
                f"rules has the value {value!r}, which is neither a rule nor a function",
                fix=did_you_mean(str(value), RULES) or f"Rules: {', '.join(RULES)}.",
            )
        return self._made(value)

    @property
    def _has_users(self) -> bool:
        return bool(self._by_name or self._by_type or self._by_operation)

    @property
    def _depends(self) -> bool:
        same = self._first is None and self._conv.label == self._dense.label
        return self._has_users or not same

    def _label(self, rule: str, rules: Rules) -> str:
        label = self._dense.label
        if self._first is not None or self._conv.label != label:
            parts = [f"conv {self._conv.label}", f"dense {label}"]
            if self._first is not None:
                parts.insert(0, f"first {self._first.label}")
            label = f"{rule} ({', '.join(parts)})"
        for found in (self._by_name, self._by_type, self._by_operation):
            for key, made in found.items():
                label += f"; {key.__name__ if isinstance(key, type) else key}: {made.label}"
        return label


def _check_numbers(numbers: Numbers) -> None:
    for name, least in (("epsilon", 0.0), ("gamma", 0.0), ("alpha", 1.0)):
        value = getattr(numbers, name)
        if not least <= value < float("inf"):
            raise AttributionError(
                f"idc_lrp_{name} is {value!r}", fix=f"It is a number from {least:g} upwards."
            )
    several = max(len(numbers.low), len(numbers.high))
    bounds = [b * several if len(b) == 1 else b for b in (numbers.low, numbers.high)]
    for low, high in zip(*bounds, strict=False):
        if not low < high:
            raise AttributionError(
                f"idc_lrp_low {low:g} is not below idc_lrp_high {high:g}",
                "They are the smallest and the largest value that an input can have.",
                "For example: --idc-lrp-low 0 --idc-lrp-high 1",
            )
