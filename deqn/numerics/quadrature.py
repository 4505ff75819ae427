"""Nodes and weights for the expectation over normal shocks.

Sources: Stroud (1971), Approximate Calculation of Multiple Integrals, Prentice-Hall; Judd (1998), Numerical Methods in
Economics, MIT Press, chapter 7; the rule of degree 5: Judd, Maliar and Maliar (2011), Numerically stable and accurate stochastic
simulation approaches for solving dynamic economic models, Quantitative Economics 2(2), 173-210 (their M2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_SMALLEST = 1e-12  # eigenvalue of a covariance matrix, relative to its largest entry

Scales = float | Sequence[Any] | np.ndarray | Tensor


def _factor(scale_list: Scales, correlation: Scales | None) -> np.ndarray:
    """The matrix L, `[d, d]`, whose product with independent standard normal shocks gives the shocks."""
    scales = np.atleast_1d(_array(scale_list))
    if scales.ndim == 2:
        if correlation is not None:
            raise ValueError(
                "correlation: scale_list is a covariance matrix already. Give standard deviations, or leave it out."
            )
        return _cholesky(scales, "scale_list")
    if scales.ndim != 1:
        raise ValueError(
            f"scale_list: expected one standard deviation for each shock, [d], or a covariance matrix, [d, d], got {scale_list}."
        )
    if correlation is None:
        return np.diag(scales)
    matrix = _array(correlation)
    d = len(scales)
    if matrix.shape != (d, d) or not np.allclose(np.diagonal(matrix), 1.0):
        raise ValueError(f"correlation: expected a matrix [{d}, {d}] with ones on its diagonal, got {correlation}.")
    return scales[:, None] * _cholesky(matrix, "correlation")


def _array(values: Scales) -> np.ndarray:
    return np.asarray(values.tolist() if isinstance(values, Tensor) else values, dtype=np.float64)


def _cholesky(matrix: np.ndarray, name: str) -> np.ndarray:
    symmetric = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and np.allclose(matrix, matrix.T)
    if symmetric and np.linalg.eigvalsh(matrix).min() > _SMALLEST * np.abs(matrix).max():
        return np.linalg.cholesky(matrix)
    raise ValueError(
        f"{name}: expected a symmetric matrix with positive eigenvalues, got {matrix.tolist()}. Of shocks that are perfectly "
        "correlated, take one."
    )


def _rule(nodes: np.ndarray, weights: np.ndarray, factor: np.ndarray) -> tuple[Tensor, Tensor]:
    dtype = torch.get_default_dtype()
    return torch.tensor(nodes @ factor.T, dtype=dtype), torch.tensor(weights, dtype=dtype)


def gauss_hermite(scale_list: Scales, n_nodes: int = 5, correlation: Scales | None = None) -> tuple[Tensor, Tensor]:
    """Product Gauss-Hermite rule for normal shocks with mean zero (Judd, 1998, section 7.2).

    Args:
        scale_list: standard deviation of each of the d shocks: numbers, an array or a tensor `[d]` (one number for one shock); or
            their covariance matrix `[d, d]`.
        n_nodes: nodes of each shock.
        correlation: of the shocks, `[d, d]`; independent ones by default.

    Returns:
        shock_values `[n_nodes**d, d]` and shock_probs `[n_nodes**d]`.

    Example:
        >>> values, probs = gauss_hermite(0.1, 3)
        >>> values.shape, round(float((probs * values[:, 0] ** 2).sum()), 6)
        (torch.Size([3, 1]), 0.01)
    """
    factor = _factor(scale_list, correlation)
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    d, weights = len(factor), weights / weights.sum()
    grids = np.meshgrid(*[nodes] * d, indexing="ij")
    values = np.stack([grid.ravel() for grid in grids], axis=-1)
    products = np.meshgrid(*[weights] * d, indexing="ij")
    return _rule(values, np.prod([product.ravel() for product in products], axis=0), factor)


def monomial_rule(scale_list: Scales, degree: int = 3, correlation: Scales | None = None) -> tuple[Tensor, Tensor]:
    """Monomial rule for normal shocks with mean zero.

    Of degree 3: Stroud (1971), Judd (1998, eq. 7.5.11); of degree 5: M2 of Judd, Maliar and Maliar (2011), whose weights are
    negative for some nodes where there are more than four shocks.

    Args:
        scale_list: standard deviation of each of the d shocks: numbers, an array or a tensor `[d]` (one number for one shock); or
            their covariance matrix `[d, d]`.
        degree: of the polynomials that are integrated exactly.
        correlation: of the shocks, `[d, d]`; independent ones by default.

    Returns:
        shock_values `[nodes, d]` and shock_probs `[nodes]`: 2 d nodes, for degree 5 2 d**2 + 1.

    Example:
        >>> values, probs = monomial_rule([0.1, 0.2])
        >>> values.shape, float(probs.sum())
        (torch.Size([4, 2]), 1.0)
    """
    factor = _factor(scale_list, correlation)
    d = len(factor)
    axes = np.eye(d)
    if degree == 3:
        dtype = torch.get_default_dtype()
        points = torch.tensor(factor.T, dtype=dtype) * (d**0.5)
        return torch.cat([points, -points]), torch.full([2 * d], 1.0 / (2 * d), dtype=dtype)
    if degree != 5:
        raise ValueError(f"degree = {degree}: expected 3 or 5.")
    i, j = np.triu_indices(d, k=1)
    pairs = [a * axes[i] + b * axes[j] for a in (1, -1) for b in (1, -1)]
    far, near = (d + 2) ** 0.5 * axes, ((d + 2) / 2) ** 0.5
    nodes = np.concatenate([np.zeros((1, d)), far, -far, *(near * pair for pair in pairs)])
    weights = [2 / (d + 2), *[(4 - d) / (2 * (d + 2) ** 2)] * (2 * d), *[1 / (d + 2) ** 2] * (4 * len(i))]
    return _rule(nodes, np.array(weights), factor)
