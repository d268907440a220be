"""Slow twin of attention's and normalisation's rules: loops over one input, numpy float64.

Attention (Vaswani et al. 2017, equation 1): out_t = sum_s p_ts v_s with p_t = softmax_s(q_t k_s /
sqrt(d) + mask_ts). The weights p are constants, so a value v_s,d gets the part p_ts v_sd / out_td of
the relevance of out_td (Ali et al. 2022, "XAI for Transformers", section 3.1). Layer norm: y = w (x -
mean) / sqrt(var + eps) + b with the root held constant and the mean linear in x (section 3.2): x_j
gets the part w_i rstd (delta_ij - 1/D) x_j / y_i of the relevance of y_i.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def attention(
    query: Array, key: Array, value: Array, mask: Array | None, relevance: Array
) -> tuple[Array, Array, Array]:
    """Return output, weights and the values' relevance for one head: (T, D), (T, S), (S, D)."""
    length, sources, width = len(query), len(key), value.shape[1]
    weights = np.zeros((length, sources))
    output, given = np.zeros((length, width)), np.zeros((sources, width))
    for t in range(length):
        scores = [float(query[t] @ key[s]) / query.shape[1] ** 0.5 for s in range(sources)]
        if mask is not None:
            scores = [score + mask[t, s] for s, score in enumerate(scores)]
        top = max(scores)
        parts = [np.exp(score - top) for score in scores]
        for s in range(sources):
            weights[t, s] = parts[s] / sum(parts)
            output[t] += weights[t, s] * value[s]
        for s in range(sources):
            for d in range(width):
                given[s, d] += weights[t, s] * value[s, d] / output[t, d] * relevance[t, d]
    return output, weights, given


def layer_norm(x: Array, weight: Array, bias: Array, eps: float, relevance: Array) -> Array:
    """Return the relevance of x (D,) for that of its normalised values."""
    size = len(x)
    mean = sum(x) / size
    rstd = (sum((item - mean) ** 2 for item in x) / size + eps) ** -0.5
    given = np.zeros(size)
    for i in range(size):
        y = weight[i] * (x[i] - mean) * rstd + bias[i]
        for j in range(size):
            slope = weight[i] * rstd * ((1.0 if i == j else 0.0) - 1 / size)
            given[j] += slope * x[j] / y * relevance[i]
    return given
