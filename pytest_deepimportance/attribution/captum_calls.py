"""A module for each call of an activation or a max pool, so that captum's DeepLIFT finds them all.

captum's rescale rule is bound to modules of a few types, each called once. Under this mode every
call, of a module or of a function, in place or not, passes through a module of our own. For
element-wise functions it is an `nn.ReLU` by type, whose forward is the function: captum's rule for
that type is the rescale rule, which is the same for every element-wise function (Shrikumar et al.
2017, equation 12).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pytest_deepimportance.attribution.captum_pools import POOLS, pool_module
from pytest_deepimportance.errors import MethodUnavailable
from pytest_deepimportance.models import functions


class OneModuleEach(TorchFunctionMode):
    """Sends each call through a module of its own, by its number within a pass.

    Attributes:
        modules: Made in the first pass; captum hooks them.
        rows: Inputs of the pass: captum halves tensors along the axis that has them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.modules = nn.ModuleList()
        self._next = 0
        self._made = False
        self.rows = 0

    def __enter__(self) -> OneModuleEach:
        """Begin a pass."""
        self._next = 0
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        """End a pass; after the first, no module is added."""
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._made = True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function, an activation or max pool through its module."""
        kwargs = dict(kwargs or {})
        name = functions.name_of(func)
        if name not in functions.ACTIVATIONS and name not in POOLS:
            return func(*args, **kwargs)
        given = list(args)
        tensor = given.pop(0) if given else kwargs.pop("input", kwargs.pop("self", None))
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            return func(*args, **kwargs)
        if name in POOLS:
            module = pool_module(name, given, kwargs)
            if module is None:
                return func(*args, **kwargs)
            return self._module(module)(tensor.clone())
        call = _Call(func, given, kwargs)
        module = self._module(nn.ReLU())
        module.forward = call
        second = self._rows_second(tensor)
        try:
            # A clone: captum's rule replaces the gradient of what it is given, and other
            # operations may read this tensor too.
            result = module((tensor.transpose(0, 1) if second else tensor).clone())
        finally:
            del module.forward
        result = result.transpose(0, 1) if second else result
        return tensor.copy_(result) if call.in_place else result

    def _rows_second(self, tensor: Tensor) -> bool:
        """Whether the inputs lie along the second axis, as in [T, N, D]."""
        return tensor.dim() > 1 and len(tensor) != self.rows == tensor.shape[1]

    def _module(self, made: nn.Module) -> nn.Module:
        number, self._next = self._next, self._next + 1
        if number < len(self.modules):
            return self.modules[number]
        if self._made:
            raise MethodUnavailable(
                "the model calls more activations for some inputs than for others",
                "DeepLIFT compares the same call for an input and its baseline.",
                "Use lrp or gradient-x-activation.",
            )
        self.modules.append(made)
        return made


class _Call:
    """An element-wise function with its further arguments.

    Attributes:
        in_place: Whether it wrote into its tensor when it ran.
    """

    def __init__(self, func: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        self._func, self._args, self._kwargs = func, args, kwargs
        self.in_place = False

    def __call__(self, tensor: Tensor) -> Any:
        before = tensor._version
        result = self._func(tensor, *self._args, **self._kwargs)
        self.in_place = tensor._version != before
        return result
