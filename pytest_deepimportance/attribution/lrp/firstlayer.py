"""Which operations read the model's input: no other linear operation lies between."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class FirstLayer:
    """Follows the graph back from what an operation reads."""

    def __init__(self) -> None:
        # Nodes are compared by identity, which Python keeps only while somebody holds them.
        self._inputs: set[Any] = set()
        self._results: set[Any] = set()

    def add_input(self, tensor: Tensor) -> None:
        """Note an input of the model, where the graph begins."""
        self._inputs.add(tensor.grad_fn)

    def add_result(self, tensor: Tensor) -> None:
        """Note the result of a linear operation."""
        self._results.add(tensor.grad_fn)

    def reads_input(self, tensor: Tensor) -> bool:
        """Whether `tensor` comes from inputs alone, without a linear operation on the way."""
        seen: set[Any] = set()
        waiting, reached = [tensor.grad_fn], False
        while waiting:
            node = waiting.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if node in self._results:
                return False
            if node in self._inputs:
                reached = True
                continue
            waiting += [following for following, _ in node.next_functions]
        return reached
