"""Accounts of one backward pass: who took how much of the target, row by row."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_deepimportance.attribution.base import Conservation

ACCOUNTS = ("input", "bias", "shift", "stabiliser")


class Ledger:
    """Sums relevance by account and row, on the device, without synchronising.

    Args:
        rows: N, the rows of the batch.
        device: Where the sums are kept.
        rows_first: Whether inputs lie along the first axis throughout the model; otherwise, as in
            [T, N, D], only the sums over the batch are right.
    """

    def __init__(self, rows: int, device: torch.device, *, rows_first: bool = True) -> None:
        # float64 is unknown to Apple's GPUs; sums of at most 1,024 rows survive float32 there.
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self.rows, self._rows_first = rows, rows_first
        self._sums = {name: torch.zeros(rows, dtype=dtype, device=device) for name in ACCOUNTS}
        self._loose = torch.zeros((), dtype=dtype, device=device)
        self._dtype = dtype

    def dot(self, account: str, gradient: Tensor, value: Tensor, factor: float = 1.0) -> None:
        """Add `factor * gradient * value`, summed over each row; equal shapes."""
        if self._has_rows(gradient):
            shape = (self.rows, -1)
            sums = torch.linalg.vecdot(gradient.reshape(shape), value.reshape(shape))
            self._add(account, sums, factor)
        else:
            self._add_loose(account, (gradient * value).sum(), factor)

    def constant(self, account: str, gradient: Tensor, value: float) -> None:
        """Add `gradient * value`, summed over each row, for one number."""
        if self._has_rows(gradient):
            self._add(account, gradient.reshape(self.rows, -1).sum(1), value)
        else:
            self._add_loose(account, gradient.sum(), value)

    def channels(
        self, account: str, gradient: Tensor, value: Tensor, axis: int, less: str | None = None
    ) -> None:
        """Add `gradient * value`, summed over each row, for one value per channel along `axis`.

        Args:
            less: Another account, from which the same is taken.
        """
        axis %= gradient.dim()
        if axis == 0 or gradient.shape[0] != self.rows or not self._rows_first:
            shape = [1] * gradient.dim()
            shape[axis] = -1
            value = value.view(shape).expand_as(gradient)
            self.dot(account, gradient, value)
            if less:
                self.dot(less, gradient, value, -1.0)
            return
        if axis + 1 < gradient.dim():
            gradient = gradient.flatten(axis + 1).sum(-1)
        if axis > 1:
            gradient = gradient.flatten(1, axis - 1).sum(1)
        sums = gradient @ value.to(gradient.dtype)
        self._add(account, sums, 1.0)
        if less:
            self._add(less, sums, -1.0)

    def lose_rows(self) -> None:
        """From now on (the backward pass comes later), only sums over the batch are right."""
        self._rows_first = False

    def _has_rows(self, gradient: Tensor) -> bool:
        """Whether a row's numbers lie together; a first axis of N x T holds tokens of N rows."""
        return self._rows_first and gradient.dim() > 1 and gradient.shape[0] % self.rows == 0

    def _add(self, account: str, sums: Tensor, factor: float) -> None:
        self._sums[account].add_(sums.to(self._dtype), alpha=factor)

    def _add_loose(self, account: str, total: Tensor, factor: float) -> None:
        """Spread what cannot be told by rows; the batch as a whole still balances."""
        self._loose += 1
        self._sums[account] += total.to(self._dtype) * (factor / self.rows)

    def table(self, target: Tensor) -> Tensor:
        """Return (6, N): target, the four accounts, and whether rows could not be told apart."""
        return torch.stack(
            [
                target.detach().to(self._dtype),
                *self._sums.values(),
                self._loose.expand(self.rows),
            ]
        )


def conservation(table: Tensor, usable: Tensor) -> Conservation:
    """Sum a ledger's table (6, N, on the CPU) over the `usable` rows (N,) bool."""
    table = table[:, usable].double()
    if not table.shape[1]:
        return Conservation()
    target, accounts = table[0], table[1:-1]
    # What cannot be counted explains nothing: the whole target is then unaccounted for.
    accounts = torch.where(torch.isfinite(accounts).all(0), accounts, 0.0)
    residual = target - accounts.sum(0)
    loose = bool(table[-1, 0] > 0)
    sums = dict(zip(ACCOUNTS, accounts.sum(1).tolist(), strict=True))
    return Conservation(
        target=float(target.sum()),
        target_abs=float(target.abs().sum()),
        residual_abs=float(residual.sum().abs() if loose else residual.abs().sum()),
        rows=table.shape[1],
        **sums,
    )
