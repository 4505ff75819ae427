"""The deterministic steady state of any model: states and policies that stay where they are when no shock comes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deqn.economy.columns import Column
from deqn.economy.model import Model
from deqn.economy.rehearsal import starting_states

LARGEST = 200  # entries of states and policies up to which it is looked for: the Jacobian is dense
_SOLVED = {torch.float32: 1e-4, torch.float64: 1e-7}  # largest entry of the equations that counts as zero
_ZERO = 1e-12  # what is smaller is zero up to rounding
_SAME = 0.01  # relative distance up to which two solutions are one


@dataclass(frozen=True)
class SteadyState:
    """Where the economy rests.

    Attributes:
        state: `[1, n_states]`.
        policy: `[1, n_policies]`.
        residual: largest |residual| of the equations and of the law of motion there.
    """

    state: Tensor
    policy: Tensor
    residual: float


def steady_state(model: Model, near: Tensor | None = None) -> SteadyState | None:
    """Solves law of motion and equations for a state and a policy that repeat themselves, with shocks off.

    Shocks are off in the law of motion where the model heeds `Globals.DISABLE_SHOCKS`, and are replaced by the mean over
    its nodes elsewhere; under expectations, next period is that state. Least squares (Branch, Coleman and Li, 1999) from several
    starts: the means and the outer deciles of the initial states, and states `near`.

    Args:
        near: `[n, n_states]`, states where one may be too, such as simulated ones.

    Returns:
        The steady state where all starts that reach one agree on it, within all bounds; None elsewhere, and for
        models with more than `LARGEST` entries.
    """
    if model.n_states + model.n_policies > LARGEST:
        return None
    generator = model.rng.get_state()
    with model.context():
        starts = _starts(model, near)
    model.rng.set_state(generator)
    found = [solution for start in starts if (solution := steady_state_near(model, start)) is not None]
    best = min(found, key=lambda solution: solution.residual, default=None)
    if best is None or not all(_close(best.state, other.state) for other in found):
        return None
    return best


def _starts(model: Model, near: Tensor | None) -> list[Tensor]:
    """`[1, n_states]` each."""
    drawn = starting_states(model, 256)
    low, high = (torch.quantile(drawn, q, 0, keepdim=True) for q in (0.1, 0.9))
    starts = [drawn.mean(0, keepdim=True), low, high]
    if near is not None:
        starts.append(near.mean(0, keepdim=True))
    return starts


def steady_state_near(model: Model, state: Tensor, policy: Tensor | None = None) -> SteadyState | None:
    """As `steady_state`, from one start `[1, n_states]`, with the network's policy there or the given one `[1, n_policies]`."""
    generator = model.rng.get_state()
    training = model.network.training
    model.network.eval()
    try:
        with model.context():
            if policy is None:
                with torch.no_grad():
                    policy = model.policy(state)
            with without_shocks(model):
                return _solve(model, state, policy)
    finally:
        model.network.train(training)
        model.rng.set_state(generator)


def _solve(model: Model, start: Tensor, policy: Tensor) -> SteadyState | None:
    from scipy.optimize import least_squares

    n = model.n_states
    x0 = torch.cat([start, policy], dim=-1)[0]
    scale = x0.abs().clamp(min=0.1)
    held: list[Tensor] = []

    def equations(x: Tensor) -> Tensor:
        """`[rows, n_states + n_policies]` -> change of the states and residuals, `[rows, entries]`."""
        state, own = (x * scale).split([n, model.n_policies], dim=-1)
        held[:] = [own]
        step = model.expectations.next_states(state, own, 1)[0]
        return torch.cat([(step - state) / scale[:n], residuals(model, state, own)], dim=-1)

    def value(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            result = equations(torch.as_tensor(x).to(x0)[None])[0]
        return torch.nan_to_num(result, nan=1e6, posinf=1e6, neginf=-1e6).double().cpu().numpy()

    def slopes(x: np.ndarray) -> np.ndarray:
        matrix = jacobian(equations, torch.as_tensor(x).to(x0))
        return torch.nan_to_num(matrix, nan=0.0, posinf=0.0, neginf=0.0).double().cpu().numpy()

    with replaced_policy(model, lambda states: held[0]):
        try:
            result = least_squares(
                value, (x0 / scale).double().cpu().numpy(), slopes, xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=100
            )
        except (ValueError, np.linalg.LinAlgError, IndexError):  # nothing is finite; no row of a table for such a state
            return None
        entries = torch.as_tensor(result.x).to(x0) * scale
        entries = torch.where(entries.abs() < _ZERO, 0.0, entries)
        state, policy = _bounded(model.state_columns, entries[:n]), _bounded(model.policy_columns, entries[n:])
        # a state at rest beyond a bound, where the model sees the bound, is not at rest
        residual = float(np.abs(value((torch.cat([state, policy]) / scale).double().cpu().numpy())).max())
    return SteadyState(state[None], policy[None], residual) if residual < _SOLVED[model.dtype] else None


def _bounded(columns: list[Column], x: Tensor) -> Tensor:
    """Entries `[n]` as the model sees them, cut to the bounds."""
    return torch.cat([column.bounded(x).flatten() for column in columns])


def residuals(model: Model, state: Tensor, policy: Tensor) -> Tensor:
    """All residuals, an entry a column: `[rows, entries]`."""
    return torch.cat([value.reshape(len(state), -1) for value in model.equations(state, policy).values()], dim=-1)


def jacobian(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Derivatives `[outputs, inputs]` at `[inputs]` of a function of rows, in one backward pass: a row for each output."""
    with torch.no_grad():
        outputs = function(x[None]).shape[-1]
    rows = x.expand(outputs, -1).clone().requires_grad_()
    return torch.autograd.grad(function(rows).diagonal().sum(), rows)[0]


@contextlib.contextmanager
def replaced_policy(model: Model, rule: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Wherever the network is asked, a rule answers: states `[*batch, n_states]` to what broadcasts to `[*batch, n_policies]`.

    Where the nodes of each state are rows that follow each other, as in a step to all nodes at once, it may answer with a row
    a state.
    """

    def answer(_: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        own = rule(inputs[0])
        if own.ndim == output.ndim == 2 and len(own) > 1:
            own = own.repeat_interleave(len(output) // len(own), 0)
        return own.expand(*output.shape)

    hook = model.network.register_forward_hook(answer)
    try:
        yield
    finally:
        hook.remove()


@contextlib.contextmanager
def without_shocks(model: Model) -> Iterator[None]:
    """Next period is one state, whatever the shock, under expectations and outside of them."""
    expectations, switches = model.expectations, model.Globals.__dict__
    before, disabled = expectations.next_states, switches["DISABLE_SHOCKS"]
    switches["DISABLE_SHOCKS"] = True

    def still(state: Tensor, policy_state: Tensor, nodes: int) -> Tensor:
        step = expectations.dynamics.total_step_random
        one, other = step(state, policy_state), step(state, policy_state)
        if not torch.equal(one, other):  # the model draws all the same
            probs = expectations.probabilities(state, policy_state)
            one = (probs[..., None] * before(state, policy_state, probs.shape[0])).sum(0)
        return one.expand(nodes, *state.shape)

    expectations.next_states = still  # type: ignore[method-assign]
    try:
        yield
    finally:
        del expectations.next_states
        switches["DISABLE_SHOCKS"] = disabled


def _close(one: Tensor, other: Tensor) -> bool:
    return bool(((one - other).abs() <= _SAME * torch.maximum(one.abs(), other.abs()).clamp(min=0.1)).all())
