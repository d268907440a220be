"""State dicts: finding them in checkpoints, fitting them to a network, and saying how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from pytest_deepimportance.errors import ModelLoadError

PREFERRED = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
"""Keys under which checkpoints keep a model, in the order in which they are tried."""

PREFIXES = ("module.", "model.", "_orig_mod.", "net.")
"""Prefixes that wrappers (DataParallel, Lightning, torch.compile) put before a network's keys."""

_OTHER = ("optim", "sched", "scaler", "callbacks", "loops")
_SHOWN = 3

Shapes = Mapping[str, "tuple[int, ...] | None"]
"""Shape of each entry; None where any shape fits (a lazy parameter, extra state)."""


@dataclass(frozen=True)
class Found:
    """A state dict found in a file: the path of keys to it, and its entries."""

    where: tuple[str, ...]
    state: dict[str, Any]

    def note(self, file: str) -> tuple[str, ...]:
        """Return how it was unwrapped, nothing if it was not."""
        if not self.where:
            return ()
        keys = "".join(f"[{key!r}]" for key in self.where)
        return (f"The weights were taken from {keys} of the checkpoint {file}.",)


@dataclass(frozen=True)
class Fit:
    """How the entries of a file compare with those of a network."""

    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    shapes: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def distance(self) -> int:
        """Number of entries that do not fit."""
        return len(self.missing) + len(self.unknown) + len(self.shapes)


def find_module(value: Any) -> tuple[nn.Module, tuple[str, ...]] | None:
    """Return a whole module in `value` (itself, or under a usual key) and how it was found."""
    if isinstance(value, nn.Module):
        return value, ()
    if isinstance(value, Mapping):
        for key in PREFERRED:
            if isinstance(value.get(key), nn.Module):
                return value[key], (f"The module was taken from [{key!r}] of the checkpoint.",)
    return None


def find_states(value: Any) -> list[Found]:
    """Return the state dicts in `value`, the most likely one first."""
    found = list(_walk(value, ()))
    if not found and isinstance(value, Mapping):
        # Weights at the top level between other entries such as the epoch.
        state = {str(key): entry for key, entry in value.items() if isinstance(entry, Tensor)}
        if state:
            found.append(Found((), state))
    return found


def _walk(value: Any, where: tuple[str, ...]) -> Iterator[Found]:
    if not isinstance(value, Mapping) or not value or len(where) > 3:
        return
    if all(isinstance(key, str) for key in value) and _is_state(value):
        yield Found(where, dict(value))
        return
    order = sorted(
        (key for key in value if isinstance(key, str) and not key.lower().startswith(_OTHER)),
        key=lambda key: PREFERRED.index(key) if key in PREFERRED else len(PREFERRED),
    )
    for key in order:
        yield from _walk(value[key], (*where, key))


def _is_state(value: Mapping[str, Any]) -> bool:
    return any(isinstance(entry, Tensor) for entry in value.values()) and all(
        isinstance(entry, Tensor) or key.endswith("_extra_state") for key, entry in value.items()
    )


def shapes_of(state: Mapping[str, Any]) -> dict[str, tuple[int, ...] | None]:
    """Return the shape of each entry of a state dict."""
    return {
        key: tuple(entry.shape) if isinstance(entry, Tensor) and not is_lazy(entry) else None
        for key, entry in state.items()
    }


def tied_names(module: nn.Module) -> dict[str, frozenset[str]]:
    """Return for each entry that shares its memory with others the names of all of them."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, entry in module.state_dict(keep_vars=True).items():
        if not isinstance(entry, Tensor) or is_lazy(entry) or entry.layout is not torch.strided:
            continue
        if entry.numel() and not entry.is_meta:
            place = (entry.device, entry.data_ptr(), entry.shape, entry.stride())
            groups.setdefault(place, []).append(name)
    return {name: frozenset(group) for group in groups.values() if len(group) > 1 for name in group}


def compare(file: Shapes, network: Shapes, tied: Mapping[str, frozenset[str]]) -> Fit:
    """Compare the entries of a file with those of a network, by name and shape.

    `num_batches_tracked` may be missing (older files lack it), and so may an entry that shares its
    memory with one that is there.
    """
    missing = tuple(
        name
        for name in network
        if name not in file
        and not name.endswith("num_batches_tracked")
        and not any(other in file for other in tied.get(name, ()))
    )
    unknown = tuple(name for name in file if name not in network)
    shapes = []
    for name, theirs in file.items():
        ours = network.get(name)
        if theirs is not None and ours is not None and theirs != ours:
            shapes.append((name, theirs, ours))
    return Fit(missing, unknown, tuple(shapes), {name: name for name in file})


def best_fit(file: Shapes, network: Shapes, tied: Mapping[str, frozenset[str]]) -> Fit:
    """Return the renaming of the file's entries that fits the network best.

    Tried are the names as they are, and with the usual prefixes removed (or added).
    """
    best: Fit | None = None
    for renamed, note in _renamings(list(file), list(network)):
        fit = compare({new: file[old] for new, old in renamed.items()}, network, tied)
        if best is None or fit.distance < best.distance:
            best = Fit(fit.missing, fit.unknown, fit.shapes, renamed, note)
        if best.distance == 0:
            break
    assert best is not None
    return best


def _renamings(file: Sequence[str], network: Sequence[str]) -> Iterator[tuple[dict[str, str], str]]:
    """Yield new name -> name in the file, and a sentence about it."""
    names, stripped = {name: name for name in file}, ""
    yield names, ""
    if any("._orig_mod." in name for name in file):
        names = {name.replace("_orig_mod.", ""): name for name in file}
        stripped = "_orig_mod."
        yield names, _stripped(stripped)
    while True:
        prefix = next((p for p in PREFIXES if all(name.startswith(p) for name in names)), None)
        if prefix is None:
            break
        names = {new[len(prefix) :]: old for new, old in names.items()}
        stripped += prefix
        yield names, _stripped(stripped)
    for prefix in PREFIXES:
        kept = {new[len(prefix) :]: old for new, old in names.items() if new.startswith(prefix)}
        if kept and len(kept) < len(names):
            left = [old for new, old in names.items() if not new.startswith(prefix)]
            yield kept, f"{_stripped(stripped + prefix)[:-1]}; {_some(left)} left out."
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in network):
            added = {prefix + new: old for new, old in names.items()}
            yield added, f"The prefix {prefix!r} was added to the names of the weights."


def _stripped(prefix: str) -> str:
    return f"The prefix {prefix!r} was removed from the names of the weights."


def apply(module: nn.Module, found: Sequence[Found], file: str, factory: str) -> tuple[str, ...]:
    """Load the state dict of `found` that fits `module`, and return how, as sentences.

    Raises:
        ModelLoadError: None fits: unknown or missing keys, or shapes that differ.
    """
    network, tied = shapes_of(module.state_dict()), tied_names(module)
    fits = [best_fit(shapes_of(one.state), network, tied) for one in found]
    chosen = min(range(len(fits)), key=lambda index: fits[index].distance)
    fit, one = fits[chosen], found[chosen]
    state = {new: one.state[old] for new, old in fit.renamed.items()}
    notes = [*one.note(file), *([fit.note] if fit.note else ())]
    kinds = {
        f"{entry.dtype} to {own.dtype}".replace("torch.", "")
        for name, own in module.state_dict().items()
        if isinstance(entry := state.get(name), Tensor) and entry.dtype != own.dtype
    }
    # A module may rename or reshape entries while it loads them: torch has the last word.
    problem = _load(module, state, strict=fit.distance != 0)
    if problem is not None:
        raise misfit(fit, file, factory) if fit.distance else problem
    if kinds:
        notes.append(f"Weights were converted while loading: {', '.join(sorted(kinds))}.")
    return tuple(notes)


def _load(module: nn.Module, state: dict[str, Any], *, strict: bool) -> ModelLoadError | None:
    try:
        module.load_state_dict(state, strict=strict)
    except Exception as error:
        reason = str(error).strip().splitlines()
        return ModelLoadError(f"the weights could not be loaded: {' '.join(reason)[:400]}")
    return None


def misfit(fit: Fit, file: str, factory: str) -> ModelLoadError:
    """Return the error for a file that does not fit the network."""
    if fit.shapes and not fit.missing and not fit.unknown:
        lines = [
            f"{name} is {theirs} in the file and {ours} in the network"
            for name, theirs, ours in fit.shapes[:_SHOWN]
        ]
        more = f" (and {len(fit.shapes) - _SHOWN} more)" if len(fit.shapes) > _SHOWN else ""
        return ModelLoadError(
            f"the shapes in {file} differ from those of {factory}: {'; '.join(lines)}{more}",
            "The names fit, so the network was probably built with another size.",
            "Let the factory build it with the size of the file, for example by a function: "
            "def build(): return Net(num_classes=10)",
        )
    parts = []
    if fit.missing:
        parts.append(f"{_some(fit.missing)} missing in the file")
    if fit.unknown:
        parts.append(f"{_some(fit.unknown)} unknown to the network")
    if fit.shapes:
        name, theirs, ours = fit.shapes[0]
        parts.append(f"{name} is {theirs} in the file and {ours} in the network")
    return ModelLoadError(
        f"{file} does not fit {factory}: {'; '.join(parts)}",
        "Weights that are not loaded would stay random, so nothing was measured.",
        "Name the class or function that built the saved network: "
        "--idc-factory app.model:Classifier",
    )


def _some(names: Iterable[str]) -> str:
    """Return "3 entries (a, b, c)" with the first few names."""
    listed = list(names)
    shown = ", ".join(listed[:_SHOWN]) + (", ..." if len(listed) > _SHOWN else "")
    return f"{len(listed)} {'entry' if len(listed) == 1 else 'entries'} ({shown})"
