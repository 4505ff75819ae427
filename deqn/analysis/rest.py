"""Where the economy comes to rest when no shock comes, although all fear one; and whether it returns there.

Source: the stochastic (or risky) steady state: Coeurdacier, Rey and Winant (2011), The risky steady state, American Economic
Review 101(3), 398-401.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from deqn.analysis.ergodic import ergodic_states, scalar
from deqn.analysis.impulse_responses import at_node
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
_NEAR = 0.1  # of the range of a state, to the nearest value that it has in the simulation with shocks


@dataclass(frozen=True)
class Rest:
    """The stochastic steady state under the trained policy, or where the economy rests at one node of the shocks.

    Attributes:
        state: `[n_states]`, the mean over starts; float64, on the CPU.
        spread: largest distance between starts in any entry, relative to its size or to a tenth.
        periods: until nothing moved any more.
        root: largest modulus of an eigenvalue of next period's state by today's, without bounds; None where there are too many
            states. Below one, the economy returns after a small push.
        node: the node that comes each period; None where no shock comes.
        unseen: states, of those that are numbers, whose value here is far from all that the simulation with shocks has, such as
            the mean of a shock that takes two values. The network was not trained there.
    """

    state: Tensor
    spread: float
    periods: int
    root: float | None
    node: int | None = None
    unseen: tuple[str, ...] = ()

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
        unseen = "" if not self.unseen else (
            f"; the network was not trained at this {', '.join(self.unseen)}: trust neither the point nor the eigenvalue"
            + (" (node=0 asks where the economy rests at a node of its shocks)" if self.node is None else "")
        )  # fmt: skip
        what = "stochastic steady state" if self.node is None else f"rest where node {self.node} comes each period"
        return f"{what}: {where}{root}{unseen}"


class NoRest(Exception):
    """There is no stochastic steady state, for the reason given."""


def stochastic_steady_state(run: Trained, starts: int = STARTS, node: int | None = None) -> Rest:
    """Simulates without shocks, under the policy that was trained with them, from states of the ergodic distribution.

    Args:
        node: the node of `total_step_spec_shock` that comes each period in place of no shock: for shocks that take a few values,
            none of which is their mean.

    Raises:
        NoRest: with the reason: shocks cannot be switched off, or the economy does not come to rest.
        NoShock: where the model has no such node.

    Example:
        print(run.stochastic_steady_state())
        print(run.stochastic_steady_state(node=0))
    """
    generator = run.model.rng.get_state()
    try:
        begin = ergodic_states(run, starts).double().cpu()
        copy = _in_float64(run.model)
        with copy.context(), torch.no_grad(), _no_shocks(copy):
            remarks = not_disabled(copy) if node is None else []
            if remarks:
                raise NoRest(remarks[0])
            step = copy.step if node is None else partial(at_node, copy, node=node)
            states, periods = _run_down(step, begin)
            size = states.abs().amax(0).clamp(min=0.1)
            spread = float(((states.amax(0) - states.amin(0)) / size).max())
            state = states.mean(0)
        return Rest(state, spread, periods, _largest_root(copy, state, node), node, _unseen(run, state))
    finally:
        run.model.rng.set_state(generator)


def _run_down(step: Callable[[Tensor], Tensor], states: Tensor) -> tuple[Tensor, int]:
    for period in range(PERIODS):
        following = step(states)
        if not bool(torch.isfinite(following).all()):
            raise NoRest(f"the economy is not finite after {period + 1:,} periods")
        change = (following - states).abs() / states.abs().clamp(min=0.1)
        states = following
        if bool((change < _STILL).all()):
            return states, period + 1
    raise NoRest(f"the economy still moves after {PERIODS:,} periods, by {float(change.max()):.1g} in one")


def _largest_root(model: Model, state: Tensor, node: int | None) -> float | None:
    if model.n_states > LARGEST:
        return None
    without_bounds(model)
    dynamics = model.expectations.dynamics

    def following(rows: Tensor) -> Tensor:
        if node is None:
            return dynamics.total_step_random(rows, model.policy(rows))
        return dynamics.total_step_spec_shock(rows, model.policy(rows), node)

    with model.context(), _no_shocks(model):
        slopes = jacobian(following, state)
    return float(np.abs(np.linalg.eigvals(slopes.numpy())).max())


def _unseen(run: Trained, state: Tensor) -> tuple[str, ...]:
    cloud = run.cloud().double().cpu()
    names = []
    for column in scalar(run.model.state_columns):
        seen, here = column.raw(cloud), column.raw(state)
        if (seen - here).abs().min() > _NEAR * (seen.max() - seen.min()) + 1e-6 * seen.abs().max():
            names.append(column.name)
    return tuple(names)


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
