"""Statistics of histograms of wealth and of series. NumPy, float64."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike


def wealth_moments(masses: np.ndarray, a_grid: np.ndarray, n: int = 5) -> np.ndarray:
    """Mean wealth of each row, and the signed j-th roots of the central moments j = 2 .. n, in units of a: `[*batch, n]`.

    Args:
        masses: `[*batch, nA]`; rows need not sum to one.
        a_grid: `[nA]`.
    """
    share = masses / masses.sum(-1, keepdims=True)
    mean = share @ a_grid
    distance = a_grid - mean[..., None]
    weighted, moments = share * distance, []
    for _ in range(2, n + 1):  # a power of an array takes ten times as long
        weighted = weighted * distance
        moments.append(weighted.sum(-1))
    central = np.stack(moments, -1)
    roots = np.sign(central) * np.abs(central) ** (1 / np.arange(2, n + 1))
    return np.concatenate([mean[..., None], roots], -1)


def percentile(masses: np.ndarray, a_grid: np.ndarray, q: float) -> np.ndarray:
    """Assets that a share q of each row has at most: `[*batch]`. Between the nodes, the distribution function is linear.

    Args:
        masses: `[*batch, nA]`; rows need not sum to one.
    """
    reached = masses.cumsum(-1)
    reached = reached / reached[..., -1:]
    upper = (reached < q).sum(-1).clip(0, len(a_grid) - 1)[..., None]
    lower = (upper - 1).clip(0)
    at_lower, at_upper = (np.take_along_axis(reached, i, -1)[..., 0] for i in (lower, upper))
    step = np.where(at_upper > at_lower, at_upper - at_lower, 1.0)
    weight = np.where(upper[..., 0] > 0, (q - at_lower) / step, 0.0)
    found: np.ndarray = (1 - weight) * a_grid[lower[..., 0]] + weight * a_grid[upper[..., 0]]
    return found


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Of two series; zero where one of them does not move."""
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / scale) if scale > 0 else 0.0


def autocorrelation(x: np.ndarray, lag: int = 1) -> float:
    """Of a series with itself, `lag` periods apart."""
    return correlation(x[lag:], x[:-lag])


def quantiles(errors: np.ndarray, weights: np.ndarray | None = None) -> dict[str, float]:
    """Mean, p50, p90, p99, max; by weights of the same shape, if given."""
    errors = errors.ravel()
    order = errors.argsort()
    cumulated = np.ones(len(errors)) if weights is None else weights.ravel()[order].clip(0)
    mean = np.average(errors[order], weights=cumulated)
    cumulated = cumulated.cumsum()
    places = np.searchsorted(cumulated, np.array([0.5, 0.9, 0.99]) * cumulated[-1]).clip(0, len(errors) - 1)
    p50, p90, p99 = errors[order][places]
    return {"mean": float(mean), "p50": float(p50), "p90": float(p90), "p99": float(p99), "max": float(errors.max())}


def forecast(K: ArrayLike, z: ArrayLike) -> dict[str, float]:
    """The best law log K' = b0(z) + b1(z) log K on the first half of a path, and how it forecasts the second on its own.

    Source: Den Haan (2010), Assessing the accuracy of the aggregate law of motion in models with heterogeneous agents, Journal
    of Economic Dynamics and Control 34(1), 79-99.

    Args:
        K: `[T]`, positive.
        z: `[T]`, node of the aggregate shock.
    """
    log_K, z = np.log(np.asarray(K)), np.asarray(z)
    half = len(log_K) // 2
    law: dict[int, tuple[float, float]] = {}
    left = total = 0.0
    for node in np.unique(z):
        here = np.flatnonzero(z[: half - 1] == node)
        if len(here) < 3:
            continue
        now, then = log_K[here], log_K[here + 1]
        slope, constant = np.polyfit(now, then, 1)
        law[node] = (constant, slope)
        left += ((then - constant - slope * now) ** 2).sum()
        total += ((then - then.mean()) ** 2).sum()
    predicted = np.empty(len(log_K) - half)
    predicted[0] = log_K[half]
    nearest = {node: min(law, key=partial(_distance, node)) for node in np.unique(z)}
    for t in range(1, len(predicted)):
        constant, slope = law[nearest[z[half + t - 1]]]
        predicted[t] = constant + slope * predicted[t - 1]
    error = 100 * np.abs(predicted - log_K[half:])
    return {
        "R2": float(1 - left / total),
        "Den Haan max [%]": float(error.max()),
        "Den Haan mean [%]": float(error.mean()),
    }


def _distance(x: float, y: float) -> float:
    return abs(x - y)


def logs(errors: np.ndarray, weights: np.ndarray | None = None) -> dict[str, float]:
    """log10 of the quantiles; `mean log10` is the mean of log10 over the nodes with an error."""
    some = errors > 1e-11
    result = {name: float(np.log10(max(v, 1e-16))) for name, v in quantiles(errors, weights).items() if name != "mean"}
    mean = (
        np.average(np.log10(errors[some]), weights=None if weights is None else weights[some]) if some.any() else -16.0
    )
    return {"mean log10": float(mean), **result}
