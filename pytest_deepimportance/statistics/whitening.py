"""The linear map that turns a covariance into the identity."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def whitening(covariance: Floats) -> tuple[Floats, float] | None:
    """Return W (d, d) with covariance^-1 = W W', and the log determinant of the covariance.

    None where the covariance has no Cholesky factor, so is not positive definite in floating point.
    """
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    identity = torch.eye(len(lower), dtype=torch.float64, device="cpu")
    inverse = torch.linalg.solve_triangular(torch.from_numpy(lower), identity, upper=False)
    whiten: Floats = np.ascontiguousarray(inverse.numpy().T)
    return whiten, 2 * float(np.log(np.diag(lower)).sum())
