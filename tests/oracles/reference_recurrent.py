"""LRP of one LSTM or GRU layer, number by number, from Arras et al. 2017, section 3.1.

A weighted sum z_j = sum_i w_ji a_i + b_j hands back w_ji a_i / (z_j + eps sign z_j) of R_j; of a
product of a gate and a signal, all goes to the signal; tanh hands on what it gets. A sum of two
signals is shared in proportion to them.
"""

from __future__ import annotations

import math

import numpy as np


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _weighted(weight, values, bias):
    return [
        sum(float(w) * float(a) for w, a in zip(row, values, strict=True)) + float(b)
        for row, b in zip(weight, bias, strict=True)
    ]


def _back(weight, values, sums, relevance, epsilon):
    """Relevance of the values of one weighted sum."""
    found = [0.0] * len(values)
    for row, z, r in zip(weight, sums, relevance, strict=True):
        divisor = z + (epsilon if z >= 0 else -epsilon)
        for i, (w, a) in enumerate(zip(row, values, strict=True)):
            found[i] += float(w) * float(a) / divisor * r
    return found


def lstm(x, weights, start, epsilon):
    """Relevance of the inputs (T, I) when the last state h (H,) has relevance `start`(h) (H,).

    weights: w_ih (4H, I), w_hh (4H, H), b_ih (4H,), b_hh (4H,) in the order i, f, g, o.
    """
    w, v, b, d = weights
    size = len(v[0])
    h, c, steps = [0.0] * size, [0.0] * size, []
    for row in x:
        joined = np.concatenate([row, h])
        both = np.concatenate([w, v], 1)
        z = _weighted(both, joined, b + d)
        i, f, o = ([_sigmoid(s) for s in z[k * size : (k + 1) * size]] for k in (0, 1, 3))
        g = [math.tanh(s) for s in z[2 * size : 3 * size]]
        new = [f[k] * c[k] + i[k] * g[k] for k in range(size)]
        steps.append((joined, both[2 * size : 3 * size], z[2 * size : 3 * size], i, f, g, c, new))
        c = new
        h = [o[k] * math.tanh(c[k]) for k in range(size)]
    r_h, r_c = start(h), [0.0] * size
    found = []
    for joined, both, z, i, f, g, old, new in reversed(steps):
        r_c = [r_c[k] + r_h[k] for k in range(size)]
        r_g = [i[k] * g[k] / new[k] * r_c[k] for k in range(size)]
        r_c = [f[k] * old[k] / new[k] * r_c[k] for k in range(size)]
        back = _back(both, joined, z, r_g, epsilon)
        found.append(back[: len(joined) - size])
        r_h = back[len(joined) - size :]
    return np.array(found[::-1])


def gru(x, weights, start, epsilon):
    """The same for a GRU: rows of the weights in the order r, z, n."""
    w, v, b, d = weights
    size = len(v[0])
    h, steps = [0.0] * size, []
    for row in x:
        left, right = _weighted(w, row, b), _weighted(v, h, d)
        r, z = (
            [_sigmoid(left[k * size + j] + right[k * size + j]) for j in range(size)]
            for k in (0, 1)
        )
        p, q = left[2 * size :], right[2 * size :]
        total = [p[k] + r[k] * q[k] for k in range(size)]
        n = [math.tanh(value) for value in total]
        new = [(1 - z[k]) * n[k] + z[k] * h[k] for k in range(size)]
        steps.append((row, h, p, q, r, z, n, total, new))
        h = new
    relevance = start(h)
    found = []
    for row, old, p, q, r, z, n, total, new in reversed(steps):
        r_n = [(1 - z[k]) * n[k] / new[k] * relevance[k] for k in range(size)]
        kept = [z[k] * old[k] / new[k] * relevance[k] for k in range(size)]
        r_p = [p[k] / total[k] * r_n[k] for k in range(size)]
        r_q = [r[k] * q[k] / total[k] * r_n[k] for k in range(size)]
        found.append(_back(w[2 * size :], row, p, r_p, epsilon))
        back = _back(v[2 * size :], old, q, r_q, epsilon)
        relevance = [kept[k] + back[k] for k in range(size)]
    return np.array(found[::-1])
