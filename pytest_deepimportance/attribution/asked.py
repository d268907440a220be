"""What the caller of `importance` asked for, checked before the first forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from pytest_deepimportance.data.importing import import_object
from pytest_deepimportance.errors import AttributionError
from pytest_deepimportance.formatting import an
from pytest_deepimportance.importance_settings import REDUCTIONS, TAPS
from pytest_deepimportance.parsing import seed_number

_NUMBERS = {
    "epsilon": float,
    "gamma": float,
    "alpha": float,
    "steps": int,
    "attribution_samples": int,
}
"""Settings that are one number; ranges are checked where they are used."""


def checked(model: Any, seed: Any, samples: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with `output` imported where it is given by name.

    Raises:
        AttributionError: No module, or a value of the wrong kind, which would end in an error of
            Python's or, worse, change nothing.
        SettingsError: The callable cannot be imported.
    """
    if not isinstance(model, nn.Module):
        raise AttributionError(
            f"the model is {an(type(model).__name__)}, not a torch.nn.Module",
            "Neurons are the outputs of a module's layers.",
            "Give the module itself; load_model(FILE, factory=...) returns one.",
        )
    _whole("seed", seed)
    try:
        seed_number(seed)
    except ValueError as error:
        raise AttributionError(f"seed: {error}", fix="For example: seed=0") from None
    if samples is not None:
        _whole("samples", samples)
    for name, kind in _NUMBERS.items():
        if name in settings:
            _whole(name, settings[name]) if kind is int else _number(name, settings[name])
    if settings.get("tap", "post") not in TAPS:
        raise AttributionError(
            f"tap is {settings['tap']!r}",
            "It says whether neurons are read after or before normalisation and activation.",
            "Give tap='post' or tap='pre'.",
        )
    if settings.get("reduce", "mean") not in REDUCTIONS:
        raise AttributionError(
            f"reduce is {settings['reduce']!r}",
            "It says how positions (or tokens) of one neuron become one value.",
            f"Give one of {', '.join(REDUCTIONS)}.",
        )
    rules = settings.get("rules")
    if rules is not None and not isinstance(rules, Mapping):
        raise AttributionError(
            f"rules is {rules!r}, which is no mapping",
            "It says for which module or operation each rule holds.",
            f"For the whole model: rule={rules!r}; for a part: rules={{'NAME': {rules!r}}}.",
        )
    return dict(settings, **_output(settings))


def _output(settings: Mapping[str, Any]) -> dict[str, Any]:
    given = settings.get("output")
    if given is None or callable(given):
        return {}
    if isinstance(given, str) and ":" in given:
        return {"output": import_object(given, "output")}
    raise AttributionError(
        f"output is {given!r}, which is no callable",
        "It makes class scores (N, C) of what the model returns.",
        "For example: output=lambda out: out['scores']",
    )


def _whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise AttributionError(
            f"{name} is {value!r}, which is no whole number",
            fix=f"For example: {name}=10",
        )


def _number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise AttributionError(f"{name} is {value!r}, which is no number", fix=f"{name}=0.5")
