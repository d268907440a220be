"""One linear operation as its rule sees it: a signal, constant weights, a bias, a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pytest_deepimportance.attribution.lrp.ledger import Ledger

Apply = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class WeightedSum:
    """A linear operation in the backward pass: result = apply(signal, weight) + bias.

    Attributes:
        operation: Name of the torch function, such as "conv2d".
        signal: What it read; outside the graph, as all tensors here.
        weight: Its constant operand.
        result: What it computed, with the bias.
        bias: What it added, in a shape that broadcasts to the result's; None for nothing.
        apply: The operation without the bias, linear in both arguments (shapes of signal, weight).
        ledger: Keeps the accounts of this pass, if it has any.
        channels: Axis of the signal along which its channels or features lie.
        only_accounts: Whether the relevance of the signal is not wanted beyond its sum.
    """

    operation: str
    signal: Tensor
    weight: Tensor
    result: Tensor
    bias: Tensor | None
    apply: Apply
    ledger: Ledger | None
    channels: int
    only_accounts: bool = False

    def send_back(self, share: Tensor, weight: Tensor) -> Tensor:
        """Return the sum over j of share_j weight_ij for each value i of the signal.

        Args:
            share: One number for each value j of the result.
            weight: In the place of the operation's own, with its shape.
        """
        with torch.enable_grad():
            leaf = self.signal.detach().requires_grad_()
            reached = self.apply(leaf, weight)
        (sent,) = torch.autograd.grad(reached, leaf, share)
        return sent

    def absorb(self, account: str, relevance: Tensor) -> None:
        """Book relevance that is not passed on.

        Args:
            account: "bias" or "stabiliser".
            relevance: Shaped like the result or like the signal.
        """
        if self.ledger is not None:
            self.ledger.constant(account, relevance, 1.0)

    @cached_property
    def is_positive(self) -> bool:
        """Whether the signal holds no negative value, as after a ReLU."""
        return not bool((self.signal < 0).any())


def part_of(
    op: WeightedSum, for_positive: Tensor, for_negative: Tensor
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Return sums in which positive and negative values of the signal have weights of their own.

    Returns:
        The sums, shaped like the result; and the function that sends one share for each sum back
        to the signal, as `WeightedSum.send_back`.
    """
    signal = op.signal.detach()
    with torch.set_grad_enabled(not op.only_accounts):
        if op.is_positive:
            parts = [signal.requires_grad_(not op.only_accounts)]
            total = op.apply(parts[0], for_positive)
        else:
            parts = [
                half.requires_grad_(not op.only_accounts)
                for half in (signal.clamp(min=0), signal.clamp(max=0))
            ]
            total = op.apply(parts[0], for_positive) + op.apply(parts[1], for_negative)

    def send(share: Tensor) -> Tensor:
        sent = torch.autograd.grad(total, parts, share)
        return sent[0] if len(sent) == 1 else torch.where(op.signal >= 0, sent[0], sent[1])

    return total.detach(), send
