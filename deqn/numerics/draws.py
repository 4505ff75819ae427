"""Draws of next period's shocks for expectations: independent, in antithetic pairs, or quasi-random.

`total_step_random` of a model draws from its generator; here the generator is made to give it other numbers.

Sources: antithetic pairs: Hammersley and Morton (1956), A new Monte Carlo technique: antithetic variates, Mathematical
Proceedings of the Cambridge Philosophical Society 52(3), 449-475; quasi-random: Sobol (1967), On the distribution of points in a
cube and the approximate evaluation of integrals, USSR Computational Mathematics and Mathematical Physics 7(4), 86-112, shifted at
random for each state: Cranley and Patterson (1976), Randomization of number theoretic methods for multiple integration, SIAM
Journal on Numerical Analysis 13(6), 904-914.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from deqn.numerics.rng import Rng

KINDS = ("pseudo_random", "antithetic", "quasi_random")  # of run.expectation_type that call total_step_random

Step = Callable[[], Tensor]  # one draw of next period's states


class Draws:
    """Draws of next period's states.

    Args:
        kind: one of `KINDS`.
        rng: the generator that the model's files draw from.
    """

    def __init__(self, kind: str, rng: Rng) -> None:
        self.kind, self.rng = kind, rng
        self._points: Tensor | None = None  # of a Sobol sequence, [nodes, numbers that a state draws]

    def __call__(self, step: Step, nodes: int, batch: Sequence[int]) -> list[Tensor]:
        """So many draws of a step on states `[*batch, n_states]`."""
        if self.kind == "antithetic":
            return self._antithetic(step, nodes)
        if self.kind == "quasi_random":
            return self._quasi_random(step, nodes, tuple(batch))
        return [step() for _ in range(nodes)]

    def _antithetic(self, step: Step, nodes: int) -> list[Tensor]:
        """Each second draw has the normal numbers of the one before with the other sign, and 1 - u for uniform ones."""
        states: list[Tensor] = []
        while len(states) < nodes:
            taken: list[Tensor] = []

            def take(shape: tuple[int, ...], normal: bool, taken: list[Tensor] = taken) -> Tensor:
                taken.append(self.rng.own(shape, normal))
                return taken[-1]

            with self.rng.drawing_from(take):
                states.append(step())
            left = iter(taken)

            def mirror(shape: tuple[int, ...], normal: bool, left: object = left) -> Tensor:
                number = next(left, None)  # type: ignore[call-overload]
                return _expected(-number if normal else 1 - number, shape) if number is not None else _other(shape)

            with self.rng.drawing_from(mirror):
                states.append(step())
        return states[:nodes]

    def _quasi_random(self, step: Step, nodes: int, batch: tuple[int, ...]) -> list[Tensor]:
        """For each state the points of one Sobol sequence, shifted by uniform numbers of its own."""
        shifts: list[Tensor] = []

        def first(shape: tuple[int, ...], normal: bool) -> Tensor:
            shifts.append(self.rng.own(shape, normal=False).double())
            return self.rng.own(shape, normal)

        before = self.rng.get_state()
        with self.rng.drawing_from(first):
            step()  # what it draws
        self.rng.set_state(before)
        shifts = [self.rng.own(tuple(shift.shape), normal=False).double() for shift in shifts]
        widths = [_entries(tuple(shift.shape), batch) for shift in shifts]
        points = self._sobol(nodes, sum(map(math.prod, widths)))
        return [self._at(point, shifts, widths, step) for point in points]

    def _at(self, point: Tensor, shifts: list[Tensor], widths: list[tuple[int, ...]], step: Step) -> Tensor:
        parts = iter(point.split([math.prod(width) for width in widths]))
        left = iter(zip(shifts, widths, strict=True))

        def draw(shape: tuple[int, ...], normal: bool) -> Tensor:
            shift, width = next(left, (None, ()))
            if shift is None:
                return _other(shape)
            number = (shift + next(parts).reshape(width)) % 1.0
            tiny = torch.finfo(torch.float32).eps  # neither end, whose normal quantile is infinite
            number = torch.special.ndtri(number.clamp(tiny, 1 - tiny)) if normal else number
            return _expected(number.to(self.rng.dtype), shape)

        with self.rng.drawing_from(draw):
            return step()

    def _sobol(self, nodes: int, width: int) -> Tensor:
        if self._points is None or self._points.shape != (nodes, width):
            from scipy.stats import qmc  # takes half a second

            with warnings.catch_warnings(action="ignore"):  # a number that is no power of two
                points = qmc.Sobol(width, scramble=False).random(nodes) if width else torch.zeros(nodes, 0).numpy()
            self._points = torch.as_tensor(points, device=self.rng.device)
        return self._points


def _entries(shape: tuple[int, ...], batch: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of what one state draws; all of it where the draw is the same for all states."""
    return shape[len(batch) :] if shape[: len(batch)] == batch else shape


def _expected(number: Tensor, shape: tuple[int, ...]) -> Tensor:
    return number if tuple(number.shape) == shape else _other(shape)


def _other(shape: tuple[int, ...]) -> Tensor:
    raise ValueError(
        f"total_step_random draws other numbers (of shape {list(shape)}) than in its call before: antithetic and quasi-random "
        "expectations need the same ones in each call. Use run.expectation_type=pseudo_random."
    )
