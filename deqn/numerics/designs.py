"""Points in a box that fill it more evenly than independent draws, or lie at its edges: `[n, d]` in [0, 1).

Sources: Latin hypercubes: McKay, Beckman and Conover (1979), A comparison of three methods for selecting values of input
variables in the analysis of output from a computer code, Technometrics 21(2), 239-245; Halton (1960), On the efficiency of
certain quasi-random sequences of points in evaluating multi-dimensional integrals, Numerische Mathematik 2, 84-90, shifted at
random.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deqn.numerics.rng import Rng

DESIGNS = ("independent", "latin_hypercube", "halton")


def independent(n: int, d: int, rng: Rng) -> Tensor:
    """Uniform draws."""
    return rng.own((n, d), normal=False)


def latin_hypercube(n: int, d: int, rng: Rng) -> Tensor:
    """In each dimension, one point in each of n intervals of the same length."""
    cells = torch.stack([rng.permutation(n) for _ in range(d)], dim=-1)
    return (cells + rng.own((n, d), normal=False)) / n


def halton(n: int, d: int, rng: Rng) -> Tensor:
    """Halton's sequence, shifted by one uniform draw in each dimension."""
    from scipy.stats import qmc  # takes half a second

    points = torch.as_tensor(qmc.Halton(d, scramble=False).random(n), device=rng.device, dtype=rng.dtype)
    return (points + rng.own((d,), normal=False)) % 1.0


def to_edges(points: Tensor, share: float, width: float, rng: Rng) -> Tensor:
    """Moves a share of the points: in one dimension each, drawn at random, to within `width` of one of both ends."""
    n, d = points.shape
    draws = rng.own((n, 4), normal=False)
    moved = draws[:, 0] < share
    dimension = (draws[:, 1] * d).long().clamp(max=d - 1)
    near = width * draws[:, 3]
    end = torch.where(draws[:, 2] < 0.5, near, 1 - width + near)
    chosen = moved[:, None] & (torch.arange(d, device=points.device) == dimension[:, None])
    return torch.where(chosen, end[:, None], points)


def points(kind: str, n: int, d: int, rng: Rng, edge_share: float = 0.0, edge_width: float = 0.02) -> Tensor:
    """So many points of a design, a share of them moved to the edges."""
    found = {"independent": independent, "latin_hypercube": latin_hypercube, "halton": halton}[kind](n, d, rng)
    return to_edges(found, edge_share, edge_width, rng) if edge_share else found


def at_points(points: Tensor, shape: tuple[int, ...], normal: bool) -> Tensor:
    """What a generator gives at points of the unit box, `[n, entries]`: for `Rng.drawing_from`."""
    tiny = torch.finfo(torch.float32).eps
    numbers = torch.special.ndtri(points.clamp(tiny, 1 - tiny)) if normal else points
    return numbers.reshape(shape)
