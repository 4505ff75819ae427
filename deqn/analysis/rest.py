"""Where the economy comes to rest when no shock comes, although all fear one; and whether it returns there.

Source: the stochastic (or risky) steady state: Coeurdacier, Rey and Winant (2011), The risky steady state, American Economic
Review 101(3), 398-401.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from deqn.analysis.ergodic import ergodic_states
from deqn.economy.linear import without_bounds
from deqn.economy.model import Model
from deqn.economy.shocks import not_disabled
from deqn.economy.steady_state import LARGEST, jacobian

if TYPE_CHECKING:
    from deqn.analysis.trained import Trained

STARTS = 50
PERIODS = 20_000  # after which an economy that still moves is given up
_STILL = 1e-9  # relative change in a period, in float64
_SAME = 1e-4  # relative distance between starts that have come to the same place


@dataclass(frozen=True)
class Rest:
    """The stochastic steady state under the trained policy.

    Attributes:
        state: `[n_states]`, the mean over starts; float64, on the CPU.
        spread: largest distance between starts in any entry, relative to its size or to a tenth.
        periods: until nothing moved any more.
        root: largest modulus of an eigenvalue of next period's state by today's, without bounds; None where there are too many
            states. Below one, the economy returns after a small push.
    """

    state: Tensor
    spread: float
    periods: int
    root: float | None

    @property
    def common(self) -> bool:
        """Whether all starts have come to the same place."""
        return self.spread <= _SAME

    def __str__(self) -> str:
        where = f"all {STARTS} starts come to it within {self.periods:,} periods" if self.common else (
            f"starts come to different places, up to {100 * self.spread:.2g} % apart"
        )  # fmt: skip
        root = (
            ""
            if self.root is None
            else f"; largest eigenvalue there {self.root:.6f}"
            + ("" if self.root < 1 else ": the economy does not return to it")
        )
        return f"stochastic steady state: {where}{root}"


class NoRest(Exception):
    """There is no stochastic steady state, for the reason given."""


def stochastic_steady_state(run: Trained, starts: int = STARTS) -> Rest:
    """Simulates without shocks, under the policy that was trained with them, from states of the ergodic distribution.

    Raises:
        NoRest: with the reason: shocks cannot be switched off, or the economy does not come to rest.

    Example:
        print(run.stochastic_steady_state())
    """
    generator = run.model.rng.get_state()
    try:
        begin = ergodic_states(run, starts).double().cpu()
        copy = _in_float64(run.model)
        with copy.context(), torch.no_grad(), _no_shocks(copy):
            remarks = not_disabled(copy)
            if remarks:
                raise NoRest(remarks[0])
            states, periods = _run_down(copy, begin)
            size = states.abs().amax(0).clamp(min=0.1)
            spread = float(((states.amax(0) - states.amin(0)) / size).max())
            state = states.mean(0)
        return Rest(state, spread, periods, _largest_root(copy, state))
    finally:
        run.model.rng.set_state(generator)


def _run_down(model: Model, states: Tensor) -> tuple[Tensor, int]:
    for period in range(PERIODS):
        following = model.step(states)
        if not bool(torch.isfinite(following).all()):
            raise NoRest(f"without shocks the economy is not finite after {period + 1:,} periods")
        change = (following - states).abs() / states.abs().clamp(min=0.1)
        states = following
        if bool((change < _STILL).all()):
            return states, period + 1
    raise NoRest(
        f"without shocks the economy still moves after {PERIODS:,} periods, by {float(change.max()):.1g} in one"
    )


def _largest_root(model: Model, state: Tensor) -> float | None:
    if model.n_states > LARGEST:
        return None
    without_bounds(model)
    with model.context(), _no_shocks(model):
        slopes = jacobian(lambda rows: model.expectations.dynamics.total_step_random(rows, model.policy(rows)), state)
    return float(np.abs(np.linalg.eigvals(slopes.numpy())).max())


def _in_float64(model: Model) -> Model:
    """The model with its trained network, in float64, on the CPU."""
    copy = model.linked_in_float64("cpu")
    copy.network.load_state_dict(model.network.state_dict())
    copy.network.eval()
    return copy


@contextmanager
def _no_shocks(model: Model) -> Iterator[None]:
    switches = model.Globals.__dict__
    before, switches["DISABLE_SHOCKS"] = switches["DISABLE_SHOCKS"], True
    try:
        yield
    finally:
        switches["DISABLE_SHOCKS"] = before
