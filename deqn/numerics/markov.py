"""Markov chains: discretised autoregressions, the stationary distribution, matrices from files. In NumPy, for Calibration.py.

Sources: Tauchen (1986), Finite state Markov-chain approximations to univariate and vector autoregressions, Economics Letters
20(2), 177-181; Rouwenhorst (1995), Asset pricing implications of equilibrium business cycle models, in Cooley (ed.), Frontiers of
Business Cycle Research; Kopecky and Suen (2010), Finite state Markov-chain approximations to highly persistent processes, Review
of Economic Dynamics 13(3), 701-714.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

_SUM = 1e-8  # how far from one a row may sum
_SINGULAR = 1e-10  # singular value of P' - I that counts as zero


def rouwenhorst(rho: float, sigma: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """x' = rho x + sigma eps' on n equally spaced nodes, with the autoregression's mean, variance and persistence exactly.

    The conditional mean is exact at every node, too; for a persistent x this chain is better than Tauchen's (Kopecky and Suen,
    2010, section 2).

    Args:
        rho: persistence, between -1 and 1.
        sigma: standard deviation of the innovation.
        n: nodes, two or more.

    Returns:
        The nodes `[n]`, around zero, and the probabilities `[n, n]` from row to column.

    Example:
        >>> nodes, P = rouwenhorst(0.8, 0.6, 2)
        >>> nodes.round(6).tolist(), P.round(6).tolist()
        ([-1.0, 1.0], [[0.9, 0.1], [0.1, 0.9]])
    """
    _refuse(rho, sigma, n)
    p = (1 + rho) / 2
    P = np.ones((1, 1))
    for size in range(2, n + 1):
        before, P = P, np.zeros((size, size))
        P[:-1, :-1] += p * before
        P[:-1, 1:] += (1 - p) * before
        P[1:, :-1] += (1 - p) * before
        P[1:, 1:] += p * before
        P[1:-1] /= 2
    farthest = sigma * ((n - 1) / (1 - rho**2)) ** 0.5
    return np.linspace(-farthest, farthest, n), P


def tauchen(rho: float, sigma: float, n: int, width: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """x' = rho x + sigma eps' on n equally spaced nodes; each has the normal probability of what is nearest to it.

    Args:
        rho: persistence, between -1 and 1.
        sigma: standard deviation of the innovation.
        n: nodes, two or more.
        width: the outermost node, in standard deviations of x.

    Returns:
        The nodes `[n]`, around zero, and the probabilities `[n, n]` from row to column.

    Example:
        >>> nodes, P = tauchen(0.0, 1.0, 3, width=2.0)
        >>> nodes.tolist(), P[0].round(4).tolist()
        ([-2.0, 0.0, 2.0], [0.1587, 0.6827, 0.1587])
    """
    _refuse(rho, sigma, n)
    if not width > 0:
        raise ValueError(f"width = {width}: expected what is above zero.")
    farthest = width * sigma / (1 - rho**2) ** 0.5
    nodes = np.linspace(-farthest, farthest, n)
    edges = (nodes[1:] + nodes[:-1]) / 2
    below = ndtr((edges - rho * nodes[:, None]) / sigma)
    return nodes, np.diff(below, axis=1, prepend=0.0, append=1.0)


def stationary(P: ArrayLike) -> np.ndarray:
    """The distribution pi with pi = pi P: `[n, n]` -> `[n]`.

    Raises:
        ValueError: where P is no matrix of probabilities, or where there are several: parts between which there is no way.

    Example:
        >>> stationary([[0.9, 0.1], [0.3, 0.7]]).round(6).tolist()
        [0.75, 0.25]
    """
    P = probabilities(P)
    gap = P.T - np.eye(len(P))
    if (np.linalg.svd(gap, compute_uv=False) < _SINGULAR).sum() > 1:
        raise ValueError(
            "stationary: the chain has parts between which there is no way, and so several stationary distributions. Take one "
            "part, or give a way out."
        )
    pi = np.linalg.lstsq(np.vstack([gap, np.ones(len(P))]), np.append(np.zeros(len(P)), 1.0), rcond=None)[0]
    pi = np.maximum(pi, 0.0)
    return pi / pi.sum()


def probabilities(P: ArrayLike, where: str = "P") -> np.ndarray:
    """P as an array `[n, n]`, after a look at it.

    Args:
        P: probabilities from row to column.
        where: what an error calls it.

    Raises:
        ValueError: where it is not square, has an entry that is negative or no number, or a row that does not sum to one.

    Example:
        >>> probabilities([[0.9, 0.9], [0.4, 0.6]], "constants.P")
        Traceback (most recent call last):
            ...
        ValueError: constants.P: row 1 sums to 1.8, not 1 (its entries: 0.9, 0.9). Rows are today's state, columns tomorrow's.
    """
    array = np.asarray(P, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise ValueError(f"{where}: expected a square matrix of probabilities, got the shape {list(array.shape)}.")
    for i, row in enumerate(array, start=1):
        entries = ", ".join(f"{x:.6g}" for x in row[:6]) + (", ..." if len(row) > 6 else "")
        if not (np.isfinite(row) & (row >= 0)).all():
            raise ValueError(
                f"{where}: row {i} has an entry that is negative or not a number (its entries: {entries})."
            )
        if abs(row.sum() - 1) > _SUM:
            raise ValueError(
                f"{where}: row {i} sums to {row.sum():.10g}, not 1 (its entries: {entries}). Rows are today's state, columns "
                "tomorrow's."
            )
    return array


def conditional(P: ArrayLike, n_z: int, where: str = "P") -> np.ndarray:
    """A chain of an agent's e that depends on the aggregate state of today and tomorrow, after a look at it.

    Args:
        P: `[nZ, nZ, nE, nE]`, from e to e' on the way from Z to Z'; or `[nE, nE]`, the same whatever they are.
        n_z: nodes of Z.
        where: what an error calls it.

    Returns:
        `[nZ, nZ, nE, nE]`.

    Raises:
        ValueError: where a part is no matrix of probabilities.

    Example:
        >>> conditional([[0.9, 0.1], [0.3, 0.7]], n_z=3).shape
        (3, 3, 2, 2)
    """
    array = np.asarray(P, dtype=np.float64)
    if array.ndim == 2:
        return np.tile(probabilities(array, where), (n_z, n_z, 1, 1))
    if array.ndim != 4 or array.shape[:2] != (n_z, n_z):
        raise ValueError(f"{where}: expected the shape [{n_z}, {n_z}, nE, nE] or [nE, nE], got {list(array.shape)}.")
    for z, next_z in np.ndindex(n_z, n_z):
        probabilities(array[z, next_z], f"{where}[{z}, {next_z}]")
    return array


def joint(P_z: ArrayLike, P_e: ArrayLike) -> np.ndarray:
    """The chain of (Z, e), with e last: `[nZ nE, nZ nE]`.

    Args:
        P_z: `[nZ, nZ]`.
        P_e: as in `conditional`.

    Raises:
        ValueError: where either is no such thing.
    """
    P_z = probabilities(P_z, "P_z")
    P_e = conditional(P_e, len(P_z), "P_e")
    n = len(P_z) * P_e.shape[-1]
    return np.einsum("zy,zyef->zeyf", P_z, P_e).reshape(n, n)


def average(P_z: ArrayLike, P_e: ArrayLike) -> np.ndarray:
    """The chain of e as it is on average over Z and Z', given e, in the long run: `[nE, nE]`.

    Without aggregate shocks agents may be given this one. Source: Sunakawa (2020), Applying the explicit aggregation algorithm to
    heterogeneous macro models, Computational Economics 55, 845-874.

    Args:
        P_z, P_e: as in `joint`.

    Example:
        >>> average([[0.5, 0.5], [0.5, 0.5]], [[[[1, 0], [0, 1]]] * 2, [[[0, 1], [1, 0]]] * 2]).round(6).tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    both = joint(P_z, P_e)
    n_z = len(np.asarray(P_z))
    flows = (stationary(both)[:, None] * both).reshape(n_z, len(both) // n_z, n_z, -1).sum((0, 2))
    return flows / flows.sum(-1, keepdims=True)


def read_probabilities(file: str | os.PathLike[str], delimiter: str = ",") -> np.ndarray:
    """The matrix of probabilities `[n, n]` in a text file, a row a line; lines that begin with # are left out.

    Raises:
        ValueError: where it is none, with file and row; a file that is missing raises OSError.
    """
    try:
        rows = np.loadtxt(file, delimiter=delimiter, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{os.fspath(file)}: expected numbers with {delimiter!r} between them: {error}") from error
    return probabilities(rows, os.fspath(file))


def _refuse(rho: float, sigma: float, n: int) -> None:
    if not -1 < rho < 1:
        raise ValueError(f"rho = {rho}: expected a number between -1 and 1; a chain has no unit root.")
    if not sigma > 0:
        raise ValueError(f"sigma = {sigma}: expected a standard deviation above zero.")
    if int(n) != n or n < 2:
        raise ValueError(f"n = {n}: expected two nodes or more.")
