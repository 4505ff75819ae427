"""Expectations that are held while the network is fitted to the policy that they imply: a fixed-point iteration.

The gradient of squared residuals goes through expectations, too. Where expectations feed on themselves, residuals move little
with an error of the policy that is common to today and tomorrow: if the iteration here multiplies such an error by rho, they
are (1 - rho) times it, and the gradient has that factor squared. Here, instead, each minibatch's expectations are taken once,
and a number of gradient steps is taken with these. So the error is multiplied by about rho with each minibatch. There is no
guarantee that rho is below one, nor any where the fit is poor.

Sources: Den Haan and Marcet (1990), Solving the stochastic growth model by parameterizing expectations, Journal of Business and
Economic Statistics 8(1), 31-34; Coleman (1990), the same issue, 27-29, on time iteration.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from deqn.configuration.schema import Config
from deqn.economy.model import Model
from deqn.errors import ConfigError, ModelError
from deqn.numerics.beyond_gradient import BeyondGradient
from deqn.numerics.expectations import Expectation, Function
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.training.loss import LossTerms


class Held:
    """Expectations of a model's equations at one minibatch.

    Args:
        model: the one whose equations are evaluated.
    """

    def __init__(self, model: Model) -> None:
        self._expectations = model.expectations
        self._values: list[Tensor] = []
        self._next = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Inside, expectations are taken without gradient when they are first asked for, and are the same after `again`."""
        taken = self._expectations.E_t_gen
        self._values, self._next = [], 0

        def E_t_gen(state: Tensor, policy_state: Tensor) -> Expectation:
            operator: list[Expectation] = []

            def E_t(function: Function) -> Tensor:
                if self._next == len(self._values):
                    with torch.no_grad():
                        if not operator:
                            operator.append(taken(state, policy_state))
                        self._values.append(operator[0](function))
                self._next += 1
                return self._values[self._next - 1]

            return E_t

        self._expectations.E_t_gen = E_t_gen  # type: ignore[method-assign]
        try:
            yield
        finally:
            del self._expectations.E_t_gen
            self._values = []

    def again(self) -> None:
        """The equations are evaluated once more: they ask for the same expectations in the same order."""
        self._next = 0


def refuse(config: Config, optimizer: torch.optim.Optimizer) -> None:
    """What does not go together with expectations that are held.

    Raises:
        ConfigError: with every reason.
    """
    if config.optimizer.N_steps_per_expectation is None:
        return
    problems, others = [], (LevenbergMarquardt, BeyondGradient, torch.optim.LBFGS)
    if isinstance(optimizer, others):
        problems.append(
            f"optimizer.optimizer = {config.optimizer.optimizer!r}: take Adam, or another that takes gradients."
        )
    if config.run.compile:
        problems.append("run.compile: leave it out.")
    if config.run.loss.kind == "sobolev" or config.run.loss.all_in_one:
        problems.append("run.loss: leave out kind = 'sobolev' and all_in_one, which ask for other expectations.")
    if problems:
        raise ConfigError("optimizer.N_steps_per_expectation cannot be used here", problems)


def refuse_constant(model: Model, terms: LossTerms) -> None:
    """An equation that no step can change while its expectations are held.

    Raises:
        ModelError: with its name.
    """
    for name, part in terms.parts.items():
        if not part.requires_grad:
            raise ModelError(
                f"{model.folder}: equation {name!r} depends on today's policy only inside an expectation, which "
                "optimizer.N_steps_per_expectation holds. Write what belongs to today outside of E_t(...)."
            )
