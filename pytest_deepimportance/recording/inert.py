"""Hook objects that a copy or a pickle of the user's model never carries along."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

from torch.utils.hooks import RemovableHandle


class InertHook:
    """Base of every hook object put on a user's module or tensor.

    A deep copy or a pickle holds `contextlib.nullcontext().__exit__` in its place: callable with
    any positional arguments, without effect, and loadable where this package is not installed.
    """

    __torch_unserializable__ = True
    """Keeps torch from warning that this hook is not saved with a tensor."""

    @property
    def __name__(self) -> str:
        # Asked for by torch.jit.script, which would compile every hook along with the model.
        raise AttributeError(
            "torch.jit.script cannot compile the hooks that pytest-deepimportance has on this "
            "model while a test runs: script a newly built instance with the same weights instead"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., Any]:
        return nullcontext().__exit__

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return getattr, (nullcontext(), "__exit__")


def last_of_each(handles: Iterable[RemovableHandle]) -> list[RemovableHandle]:
    """Return of the hooks just put on modules those that are the last of their module's."""
    return [*{id(handle.hooks_dict_ref()): handle for handle in handles}.values()]


def undisturbed(last: Iterable[RemovableHandle]) -> bool:
    """Whether these hooks are still the last ones: none came behind them, none was taken off."""
    for handle in last:
        hooks = handle.hooks_dict_ref()
        if not hooks or next(reversed(hooks)) != handle.id:
            return False
    return True
