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


def all_last(handles: Iterable[RemovableHandle]) -> bool:
    """Whether of each module's hooks ours are still the last: none was put behind, none removed."""
    last = {id(hooks := handle.hooks_dict_ref()): (hooks, handle.id) for handle in handles}
    return all(hooks and next(reversed(hooks)) == number for hooks, number in last.values())
