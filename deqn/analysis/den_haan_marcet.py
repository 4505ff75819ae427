"""The test of Den Haan and Marcet: whether what the equations miss from one simulated period to the next can be foreseen.

Sources: Den Haan and Marcet (1994), Accuracy in simulations, Review of Economic Studies 61(1), 3-17. Many paths in place of
one, and the shares of their statistics beyond the 5 % points: the same, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deqn.analysis.ergodic import ergodic_states
from deqn.economy.columns import Column
from deqn.economy.model import Model

if TYPE_CHECKING:
    import pandas as pd

    from deqn.analysis.trained import Trained

PATHS, PERIODS = 400, 300
_ENTRIES = 20  # of an equation or a state with a shape
_INSTRUMENTS = 10
_NEW = 1e-3  # standard deviation of what other instruments do not explain, of an instrument with one of 1
_ROUNDING = 1e-6
_LINEAR = 1e-3  # how far the mean of the errors over nodes may be from the residual, relative to their spread


def den_haan_marcet(run: Trained, paths: int = PATHS, periods: int = PERIODS) -> pd.DataFrame:
    """For each equation, or entry of one: on how many paths its errors can be foreseen.

    The error of a period is the residual with the state that came in place of the expectation. It has mean zero, whatever is
    known before, where the policy is right and the equation is linear in its expectation. On each path, its products with a
    constant and up to ten entries of the states give a chi-squared statistic with as many degrees of freedom as there are
    instruments; what follows from others, or does not move, is left out.

    Args:
        paths, periods: of the simulation, after 200 periods that do not count.

    Returns:
        A row an equation, or an entry of one that has no more than 20: `below` and `above`, percent of the statistics below the
        lower and above the upper 5 % point of the chi-squared distribution, about 5 each for an exact solution; `freedom`, its
        degrees of freedom; `linear`, whether the equation is linear in its expectation. Where it is not the test does not
        apply, and the row has no numbers; neither has it where errors do not depend on the shock, up to rounding: `linear` is
        None, as of a market that clears within the period.

    Example:
        run.den_haan_marcet()
    """
    import pandas as pd
    from scipy.stats import chi2

    model = run.model
    generator = model.rng.get_state()
    try:
        with model.context(), torch.no_grad():
            states = ergodic_states(run, paths)
            instruments = _Instruments(model, run.cloud())
            linear = _linear(model, states)
            k = instruments.number
            sums = {name: [states.new_zeros(paths, k, dtype=torch.float64), states.new_zeros(paths, k, k, dtype=torch.float64)]
                    for name, is_linear in linear.items() if is_linear}  # fmt: skip
            for _ in range(periods):
                policies = model.policy(states)
                following = model.expectations.dynamics.total_step_random(states, policies)
                with _only_this(model, following):
                    errors = _errors(model, states, policies)
                h = instruments(states)
                for name, (products, squares) in sums.items():
                    product = errors[name].double()[:, None] * h
                    products += product
                    squares += product[:, :, None] * product[:, None, :]
                states = following
    finally:
        model.rng.set_state(generator)
    low, high = (float(x) for x in chi2.ppf([0.05, 0.95], k))
    rows = {}
    for name, is_linear in linear.items():
        rows[name] = {"below": float("nan"), "above": float("nan"), "freedom": k, "linear": is_linear}
        if is_linear:
            products, squares = sums[name]
            solved = torch.linalg.lstsq(squares.cpu(), products.cpu()[..., None], driver="gelsd").solution[..., 0]
            statistics = (products.cpu() * solved).sum(-1)
            rows[name] |= {
                f"{side}": 100 * float(share.double().mean())
                for side, share in (("below", statistics < low), ("above", statistics > high))
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("equation")


class _Instruments:
    """A constant and entries of the states, in units of their standard deviation; what follows from others is left out."""

    def __init__(self, model: Model, cloud: Tensor) -> None:
        states = cloud.double()
        known = [torch.ones(len(states), dtype=torch.float64, device=states.device)]
        entries = [
            i for column in model.state_columns if column.size <= _ENTRIES for i in range(column.start, column.stop)
        ]
        kept: list[int] = []
        self.mean, self.std = states.mean(0), states.std(0)
        for i in entries:
            if len(kept) == _INSTRUMENTS or not float(self.std[i]) > 1e-6 * float(states[:, i].abs().max()):
                continue
            unit = (states[:, i] - self.mean[i]) / self.std[i]
            basis = torch.stack(known, -1)
            left = unit - basis @ torch.linalg.lstsq(basis, unit[:, None]).solution[:, 0]
            if float(left.std()) > _NEW:
                known.append(unit)
                kept.append(i)
        self.kept = torch.tensor(kept, dtype=torch.long, device=states.device)

    @property
    def number(self) -> int:
        return 1 + len(self.kept)

    def __call__(self, states: Tensor) -> Tensor:
        """`[n, n_states]` -> `[n, number]`, float64."""
        units = (states.double() - self.mean) / self.std
        return torch.cat([torch.ones_like(units[:, :1]), units[:, self.kept]], -1)


@contextmanager
def _only_this(model: Model, following: Tensor) -> Iterator[None]:
    """Under expectations, next period is `following` `[n, n_states]`, with probability one."""
    expectations = model.expectations
    next_states, probabilities = expectations.next_states, expectations.probabilities
    expectations.next_states = lambda state, policy_state, nodes: following[None]  # type: ignore[method-assign]
    expectations.probabilities = lambda state, policy_state: state.new_ones(1, len(state))  # type: ignore[method-assign]
    try:
        yield
    finally:
        expectations.next_states = next_states  # type: ignore[method-assign]
        expectations.probabilities = probabilities  # type: ignore[method-assign]


def _linear(model: Model, states: Tensor) -> dict[str, bool | None]:
    """By equation: whether it is the mean over nodes of what it is at each; None where it is the same at all nodes."""
    policies = model.policy(states)
    found = _errors(model, states, policies)
    weights = model.expectations.probabilities(states, policies)
    nodes = model.expectations.next_states(states, policies, len(weights))
    weights = weights.expand(len(nodes), len(states))
    means = {name: torch.zeros_like(value) for name, value in found.items()}
    spreads = {name: torch.zeros_like(value) for name, value in found.items()}
    for weight, node in zip(weights, nodes, strict=True):
        with _only_this(model, node):
            for name, value in _errors(model, states, policies).items():
                means[name] += weight * value
                spreads[name] += weight.abs() * (value - found[name]).abs()
    judged: dict[str, bool | None] = {}
    digits = torch.finfo(states.dtype).eps  # residuals are differences of numbers near one
    for name, value in found.items():
        spread, off = float(spreads[name].mean()), float((means[name] - value).abs().mean())
        judged[name] = None if spread <= max(_ROUNDING, 50 * digits) else off <= _LINEAR * spread + 8 * digits
    return judged


def _errors(model: Model, states: Tensor, policies: Tensor) -> dict[str, Tensor]:
    """By equation or entry of one, `[n]`; equations with many entries are left out."""
    found: dict[str, Tensor] = {}
    for name, value in model.equations(states, policies).items():
        entries = Column(name, 0, tuple(value.shape[1:]))
        if entries.size <= _ENTRIES:
            found |= dict(zip(entries.labels, value.reshape(len(value), -1).unbind(-1), strict=True))
    return found
