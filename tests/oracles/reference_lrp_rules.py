"""Slow twins of the rules of linear operations: one neuron, one input at a time.

Each rule divides R_j, the relevance of one neuron j with z_j = sum_i x_i w_ij + b_j, among the
inputs i that it is connected to, as the papers write it:

- z, epsilon: Bach et al. 2015, equations 56 and 58.
- alpha-beta: equation 60 there, alpha - beta = 1, with z+ and z- the positive and the negative
  contributions x_i w_ij (so that inputs of any sign fit).
- gamma: Montavon et al. 2019, table 10.1, for x >= 0. For any sign (Andeol et al. 2021): where z_j
  is positive the positive contributions count 1 + gamma times, where it is negative the negative.
- flat: Lapuschkin et al. 2019: every connected input gets the same.
- box: Montavon et al. 2017, z-B rule: x_i w_ij - l_i max(0, w_ij) - h_i min(0, w_ij); no bias.

A denominator of zero divides nothing. The stabiliser has the sign of what it is added to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Rule = Callable[[Sequence[float], Sequence[float], Sequence[bool], float, float], list[float]]
"""(x, w, connected, b, R_j) -> R of each input, and at the end what the bias takes."""


def _over(part: float, whole: float, eps: float) -> float:
    return 0.0 if whole == 0 else part / (whole + (eps if whole >= 0 else -eps))


def epsilon(eps: float) -> Rule:
    def divide(x, w, connected, b, relevance):
        z = sum(xi * wi for xi, wi in zip(x, w, strict=True)) + b
        return [_over(part, z, eps) * relevance for part in [*map(_times, x, w), b]]

    return divide


def _times(x: float, w: float) -> float:
    return x * w


def alpha_beta(alpha: float, eps: float) -> Rule:
    beta = alpha - 1

    def divide(x, w, connected, b, relevance):
        parts = [*map(_times, x, w), b]
        positive = sum(part for part in parts if part > 0)
        negative = sum(part for part in parts if part < 0)
        result = []
        for part in parts:
            if part > 0:
                result.append(alpha * _over(part, positive, eps) * relevance)
            elif part < 0:
                result.append(-beta * _over(part, negative, eps) * relevance)
            else:
                result.append(0.0)
        return result

    return divide


def gamma(factor: float, eps: float) -> Rule:
    def divide(x, w, connected, b, relevance):
        parts = [*map(_times, x, w), b]
        z = sum(parts)
        if z == 0:
            return [0.0] * len(parts)
        raised = [part * (1 + factor) if part * z > 0 else part for part in parts]
        return [_over(part, sum(raised), eps) * relevance for part in raised]

    return divide


def flat() -> Rule:
    def divide(x, w, connected, b, relevance):
        inputs = max(1, sum(connected))
        return [relevance / inputs if is_one else 0.0 for is_one in connected] + [0.0]

    return divide


def box(low: Sequence[float], high: Sequence[float], eps: float) -> Rule:
    """Bounds for each input."""

    def divide(x, w, connected, b, relevance):
        parts = [
            xi * wi - li * max(0.0, wi) - hi * min(0.0, wi)
            for xi, wi, li, hi in zip(x, w, low, high, strict=True)
        ]
        return [_over(part, sum(parts), eps) * relevance for part in parts] + [0.0]

    return divide
