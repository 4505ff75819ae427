"""An economy whose state `distribution` [nE, nA] is a histogram of households, seen through what its folder offers.

The contract is docs/howto/heterogeneous_agents.md. Shapes: nE idiosyncratic states e, nA nodes of assets a, nS aggregate shocks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deqn.analysis.run import Run
from deqn.economy.model import Model
from deqn.errors import DEQNError

_CHUNK = 200  # periods of a path that are evaluated at once
_OFFERED = {  # file: what the tests call there
    "Definitions": {
        "households": "(state, policy_state): what they do, with the fields c and a_next [*batch, nE, nA]",
        "cash_on_hand": "(state, a) or (state, policy_state, a): what they have at assets a [n], [*batch, nE, n]",
        "utility": "(c): utility of consumption",
    },
    "Dynamics": {"transition": "(state, next_state): probabilities from e to e', [*batch, nE, nE]"},
}
_PARAMETERS = {"a_grid": "the nodes of assets, [nA]", "beta": "the discount factor, a number or [nE]"}


class NotOffered(DEQNError):
    """A folder lacks what a test needs, or its economy is not of the kind that the test is for."""


def has_distribution(model: Model) -> bool:
    """Whether the model has a state `distribution` with a shape."""
    return any(column.name == "distribution" and column.shape for column in model.state_columns)


@dataclass(frozen=True)
class Stretch:
    """Some consecutive periods of a path.

    Attributes:
        start: number of the first period.
        states: `[n + 1, n_states]`, the period after the last included.
        policies: `[n, n_policies]`.
        shocks: `[n + 1]`, the node of the aggregate shock of each period.
    """

    start: int
    states: Tensor
    policies: Tensor
    shocks: np.ndarray

    @property
    def now(self) -> Tensor:
        """States `[n, n_states]` without the one after the last."""
        return self.states[:-1]


class Economy:
    """A run's economy under a policy.

    Args:
        run: with its trained network.
        policy: states `[n, n_states]` -> policies `[n, n_policies]`; the network if not given.

    Attributes:
        a_grid: `[nA]`, float64.
        beta: `[nE]`, float64.
        start: the state before the first period of a path, `[1, n_states]`.
        labels: how the states e are called.

    Raises:
        NotOffered: with all that the folder lacks.
    """

    def __init__(self, run: Run, policy: Callable[[Tensor], Tensor] | None = None) -> None:
        self.run, self.model = run, run.model
        self.policy = policy or run.model.policy
        self._refuse_others()
        files = {name: run.model.linker.link(name) for name in _OFFERED if name != "Definitions"}
        self.Definitions: Any = run.model.Definitions
        self.Dynamics: Any = files["Dynamics"]
        (column,) = (c for c in run.model.state_columns if c.name == "distribution")
        self.nE, self.nA = column.shape
        self.a_grid = array(run.model.Parameters.a_grid)
        self.beta = np.broadcast_to(array(torch.as_tensor(run.model.Parameters.beta, dtype=torch.float64)), (self.nE,))
        nodes: Any = getattr(run.model.Parameters, "e_grid", None)
        self.start = self._start()
        known = nodes is not None and torch.as_tensor(nodes).shape == (self.nE,)
        self.labels = [f"e = {float(nodes[i]) if known else i:.3g}" for i in range(self.nE)]

    def _refuse_others(self) -> None:
        model = self.model
        name = model.folder.name
        column = next((c for c in model.state_columns if c.name == "distribution"), None)
        if column is None or not column.shape:
            raise NotOffered(f"{name} has no state `distribution` with a shape")
        if len(column.shape) != 2:
            raise NotOffered(
                f"{name}: `distribution` has the shape {list(column.shape)}; these tests need [nE, nA], one asset"
            )
        if model.expectations.drawn:
            raise NotOffered(f"{name}: expectations are means over draws; these tests need nodes of the shocks")
        missing = []
        for file, functions in _OFFERED.items():
            module = model.Definitions if file == "Definitions" else model.linker.link(file)
            missing += [f"{file}.{f}{what}" for f, what in functions.items() if not hasattr(module, f)]
        missing += [f"Parameters.{p}: {what}" for p, what in _PARAMETERS.items() if p not in model.Parameters]
        if missing:
            raise NotOffered(f"{name} does not offer {'; '.join(missing)} (docs/howto/heterogeneous_agents.md)")

    def _start(self) -> Tensor:
        """An initial state `[1, n_states]`, the same in each process; the model's generator stays as it is."""
        rng = self.model.rng
        before = rng.get_state()
        rng.generator.manual_seed(self.model.config.seed)
        with self.model.context(), torch.no_grad():
            state = self.model.initial_states(1)
        rng.set_state(before)
        return state

    # -- paths ----------------------------------------------------------------------------------------------------

    def path(self, draws: np.ndarray, left_out: int = 0) -> Iterator[Stretch]:
        """The economy along given draws, in stretches, from an initial state and the middle node of the shock on.

        Args:
            draws: `[left_out + T + 1]`, uniform; each picks a period's node from the cumulated probabilities.
            left_out: first periods that do not count: their stretches have numbers below zero.
        """
        before = self.start
        policy = self.policy(before)
        shock = len(self.probabilities(before, policy)) // 2
        state = self.step(before, policy, shock)
        states, policies, shocks = [state], [], [shock]
        for t in range(1, len(draws)):
            policy = self.policy(state)
            cumulated = self.probabilities(state, policy)[:, 0].cumsum()[:-1]
            shock = int((draws[t] >= cumulated).sum())
            state = self.step(state, policy, shock)
            states.append(state)
            policies.append(policy)
            shocks.append(shock)
            if len(policies) == _CHUNK or t in (left_out, len(draws) - 1):
                yield Stretch(t - left_out - len(policies), torch.cat(states), torch.cat(policies), np.array(shocks))
                states, policies, shocks = [state], [], [shock]

    def chain(self) -> tuple[np.ndarray, np.ndarray]:
        """The aggregate shock as a Markov chain: the first state that is a number at each node, `[nS]`; `[nS, nS]`.

        Raises:
            NotOffered: where the probabilities depend on more than the node.
        """
        state = self.start
        nS = len(self.probabilities(state, self.policy(state)))
        now = torch.cat([self.step(state, self.policy(state), shock) for shock in range(nS)])
        probs = self.probabilities(now, self.policy(now)).T
        later = torch.cat([self.step(now[-1:], self.policy(now[-1:]), shock) for shock in range(nS)])
        column = next((c for c in self.model.state_columns if not c.shape), None)
        if column is None:
            raise NotOffered(f"{self.model.folder.name} has no state that is a number: the shock has no size")
        nodes = array(column.raw(now))
        same = np.allclose(array(column.raw(later)), nodes) and np.allclose(
            self.probabilities(later, self.policy(later)).T, probs
        )
        if not same:
            raise NotOffered(
                f"the shock of {self.model.folder.name} is no Markov chain: its nodes depend on other states"
            )
        return nodes, probs

    def step(self, states: Tensor, policies: Tensor, shock: int) -> Tensor:
        """Next period's states at one node of the shock: `[n, n_states]`."""
        moved: Tensor = self.Dynamics.total_step_spec_shock(states, policies, shock)
        return moved

    def moved(self, states: Tensor, policies: Tensor, shocks: np.ndarray) -> Tensor:
        """Next period's states, each at a node of its own: `[n, n_states]`."""
        following = torch.empty_like(states)
        for shock in np.unique(shocks):
            here = torch.as_tensor(shocks == shock, device=states.device)
            following[here] = self.step(states[here], policies[here], int(shock))
        return following

    def probabilities(self, states: Tensor, policies: Tensor) -> np.ndarray:
        """Of each node of the shock: `[nS, n]`."""
        probs = array(self.model.expectations.probabilities(states, policies))
        return np.broadcast_to(probs, (len(probs), len(states)))

    # -- what households have and do ------------------------------------------------------------------------------

    def distribution(self, states: Tensor) -> Tensor:
        """Masses `[n, nE, nA]`."""
        masses: Tensor = self.model.State.distribution(states)
        return masses

    def wealth(self, states: Tensor) -> np.ndarray:
        """Mean assets: `[n]`."""
        return array(self.distribution(states)).sum(-2) @ self.a_grid

    def summary(self, states: Tensor) -> np.ndarray:
        """K, the number that stands for the distribution: mean assets, or Definitions.summary of the folder; `[n]`."""
        function = getattr(self.Definitions, "summary", None)
        return self.wealth(states) if function is None else array(function(states))

    def households(self, states: Tensor, policies: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Consumption and savings at each node, `[n, nE, nA]` each."""
        found = self.Definitions.households(states, policies)
        return array(found.c), array(found.a_next)

    def cash_on_hand(self, states: Tensor, policies: Tensor, a: Tensor) -> Tensor:
        """What households have at assets a `[m]`: `[n, nE, m]`."""
        function = self.Definitions.cash_on_hand
        with_policies = len(inspect.signature(function).parameters) == 3
        cash: Tensor = function(states, policies, a) if with_policies else function(states, a)
        return cash

    def gross_return(self, states: Tensor, policies: Tensor) -> np.ndarray:
        """What one more unit of assets adds to cash on hand: `[n, nE, nA]`."""
        with torch.enable_grad():
            a = self.model.Parameters.a_grid.detach().clone().requires_grad_()
            cash = self.cash_on_hand(states, policies, a)
            weight = torch.ones_like(cash).requires_grad_()
            (gradient,) = torch.autograd.grad(cash, a, weight, create_graph=True)
            # of each entry its own slope: the gradient is linear in the weights
            (slope,) = torch.autograd.grad(gradient.sum(), weight)
        return array(slope)

    def price(self, states: Tensor, policies: Tensor) -> np.ndarray:
        """Of one unit of next period's assets, today: `[n]`."""
        function = getattr(self.Definitions, "price_of_assets", None)
        return np.ones(len(states)) if function is None else array(function(states, policies))

    def transition(self, states: Tensor, next_states: Tensor) -> np.ndarray:
        """Probabilities from e to e': `[n, nE, nE]`."""
        found = array(self.Dynamics.transition(states, next_states))
        return np.broadcast_to(found, (len(states), self.nE, self.nE))

    def utility(self, c: np.ndarray) -> np.ndarray:
        """Of consumption, of its shape."""
        return array(self.Definitions.utility(torch.as_tensor(c, device=self.model.device)))


class MarginalUtility:
    """u'(c) and its inverse from the folder's utility, by logs that are linear between close nodes: exact for a power."""

    def __init__(self, utility: Callable[[Tensor], Tensor]) -> None:
        log_c = np.linspace(-18.0, 18.0, 7_201)
        c = torch.as_tensor(np.exp(log_c)).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(utility(c).sum(), c)
        slope = array(gradient)
        good = np.isfinite(slope) & (slope > 1e-300)
        self._log_c, self._log_m = log_c[good], np.log(slope[good])
        if not (np.diff(self._log_m) < 0).all():
            raise NotOffered("Definitions.utility(c): marginal utility does not fall in c")

    def __call__(self, c: np.ndarray) -> np.ndarray:
        return np.exp(np.interp(np.log(c), self._log_c, self._log_m))

    def inverse(self, m: float) -> float:
        """The consumption with this marginal utility."""
        return float(np.exp(np.interp(-np.log(m), -self._log_m, self._log_c)))


def array(values: Tensor) -> np.ndarray:
    """As NumPy, in float64."""
    return values.detach().double().cpu().numpy()
