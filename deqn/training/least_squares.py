"""A step on a minibatch by Levenberg-Marquardt, on the residuals of a model."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from deqn.configuration.schema import Config
from deqn.economy.model import Model
from deqn.errors import ConfigError, ModelError, TrainingError
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.numerics.normal_equations import Values, linearised
from deqn.training import loss
from deqn.training.compiled import compiled
from deqn.training.first_order import BadStep
from deqn.training.foresight import Foresight
from deqn.training.gradient import Gradient
from deqn.training.train_state import TrainState

_HELD_OUT = 0.5  # states that a step is not fitted to, in units of those that it is
_PERIODS = 5  # that are simulated under a step before it is taken
_FURTHER = 3.0  # how far they may leave the range of the episode's states, in units of that range
_REFUSED = 10  # steps in a row that are refused before the optimizer gives up


class Stuck(TrainingError):
    """No step leads on from here."""


class Residuals(nn.Module):
    """All residuals of a state in one row, weighted so that their squares add up to the loss.

    A row has each entry of each equation, and for each bound with a penalty the square root of penalty times the excess.

    Args:
        weights: of the equations, `[n_equations]`; None where all are 1.
    """

    def __init__(self, model: Model, weights: Tensor | None = None) -> None:
        super().__init__()
        self.model, self.weights = model, weights
        self.network = model.network

    def forward(self, states: Tensor) -> Tensor:
        """`[batch, n_states]` -> `[batch, rows]`."""
        policies = self.model.policy(states)
        residuals = self.model.equations(states, policies)
        rows = [_row(residual, states) for residual in residuals.values()]
        if self.weights is not None:
            rows = [w * row for w, row in zip(self.weights.to(states.dtype).sqrt(), rows, strict=True)]
        for _, raw, bound in loss.penalised(self.model, states, policies):
            for side in bound.penalised:
                root, excess = getattr(bound, f"penalty_{side}") ** 0.5, bound.excess(side, raw)
                each = isinstance(root, Tensor)  # entries have penalties of their own
                rows.append(_row(root * excess, states) if each else root * _row(excess, states))
        return torch.cat(rows, dim=-1) / len(residuals) ** 0.5


def _row(value: Tensor, states: Tensor) -> Tensor:
    """`[batch, ...]` -> `[batch, entries]`, divided so that squares add up to their mean over the entries."""
    flat = value.expand(len(states)).reshape(-1, 1) if value.ndim == 0 else value.reshape(len(states), -1)
    return flat / flat.shape[-1] ** 0.5


class Ahead(nn.Module):
    """The states of the next periods, each at one node of the shocks: nothing is drawn."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.network = model.network

    def forward(self, states: Tensor) -> Tensor:
        """`[batch, n_states]` -> `[periods, batch, n_states]`."""
        path = []
        for period in range(_PERIODS):
            policies = self.model.policy(states)
            if period == 0:
                nodes = len(self.model.expectations.probabilities(states, policies))
            states = self.model.expectations.dynamics.total_step_spec_shock(states, policies, period % nodes)
            path.append(states)
        return torch.stack(path)


class LeastSquares:
    """Levenberg-Marquardt in float64 whatever the network's type, unless `float64: false` is among its arguments.

    Args:
        config: of the phase.
        gradient: its processes agree whether to stop.

    Attributes:
        exact: the model in the type in which steps are taken.
    """

    def __init__(
        self, model: Model, config: Config, state: TrainState, optimizer: LevenbergMarquardt, gradient: Gradient,
        terms: loss.Terms,
    ) -> None:  # fmt: skip
        self.model, self.state, self.optimizer, self.gradient, self.terms = model, state, optimizer, gradient, terms
        self.exact = model.in_float64() if optimizer.param_groups[0]["float64"] else model
        self._residuals, self._ahead = Residuals(self.exact, state.loss_weights), Ahead(self.exact)
        self._foresight = Foresight(self.exact)
        self._n_states = config.run.N_minibatch_size
        if config.run.compile:
            optimizer.linearise = compiled(linearised)
        self._held_out: Tensor
        self._range: tuple[Tensor, Tensor]

    def begin(self, states: Tensor) -> None:
        """An episode begins; `[periods, batch, n_states]`."""
        if self.exact is not self.model:  # buffers, and what a hook has changed
            self.exact.network.load_state_dict(self.model.network.state_dict())
        flat = states.flatten(0, 1)
        n = max(1, int(_HELD_OUT * min(len(flat), self._n_states)))
        self._held_out = flat[:: -(-len(flat) // n) | 1].to(self.exact.dtype)
        with torch.no_grad(), self.exact.context():
            path = self._ahead(self._held_out).flatten(0, 1)
        lower = flat.amin(0).double().minimum(path.amin(0))
        upper = flat.amax(0).double().maximum(path.amax(0))
        width = (upper - lower).clamp(min=1e-3).maximum(0.1 * lower.abs().maximum(upper.abs()))
        self._range = (lower - _FURTHER * width, upper + _FURTHER * width)

    def end(self, states: Tensor) -> None:
        """An epoch has ended."""

    def __call__(self, states: Tensor) -> loss.LossTerms:
        """One step on a minibatch `[batch, n_states]`; the loss before it.

        Raises:
            BadStep: where the loss is not finite.
            ModelError: where the model's files cannot be differentiated state by state.
            Stuck: after ten steps in a row that were refused.
        """
        with torch.no_grad():
            terms = self.terms(self.model, states)
        self.gradient.flat.zero_()
        self.gradient.average(terms.loss, self.state.step)
        training = self.model.network.training
        self.exact.network.eval()
        try:
            share = self.optimizer.param_groups[0]["foresight"]
            with self.exact.context(), self._foresight(self.optimizer.values(self._residuals), share):
                after = self.optimizer.advance(
                    self._residuals, states.to(self.exact.dtype), self._held_out, self._stays, self.gradient.comm
                )
        except (RuntimeError, NotImplementedError, TypeError) as error:
            if type(error).__module__.startswith("torch._"):  # of the compiler
                raise
            raise ModelError(
                f"{_one_by_one(self.model, 'LevenbergMarquardt', error)}\n  Use a first-order optimizer, "
                "+optimizer.optimizer_kwargs.solver=matrix_free, or write without a Python `if` on a tensor."
            ) from error
        finally:
            self.model.network.train(training)
        if not math.isfinite(after):
            raise BadStep(states)
        if self.optimizer.refused >= _REFUSED:
            raise Stuck(
                f"least squares find no way on in episode {self.state.episode + 1}: {_REFUSED} steps in a row would have thrown "
                f"the simulated states out of {_FURTHER:g} times their range, or given no finite number, or led nowhere"
            )
        return terms

    def rehearse(self, states: Tensor) -> None:
        """What takes the time of a step, without taking it."""
        with self.exact.context():
            self.optimizer.rehearse(self._residuals, states.to(self.exact.dtype))

    @torch.no_grad()
    def _stays(self, values: Values) -> Tensor:
        """Whether the next periods under these parameters stay near the episode's states."""
        path = functional_call(self._ahead, values, (self._held_out,))
        lower, upper = self._range
        return ((path >= lower) & (path <= upper)).all()


def refuse(model: Model, config: Config) -> None:
    """What does not go together with Levenberg-Marquardt, or with another optimizer that takes the Jacobian of the residuals.

    Raises:
        ConfigError: with every reason.
    """
    problems = []
    optimizer, run = config.optimizer, config.run
    if optimizer.optimizer == LevenbergMarquardt.__name__:
        for name in ("clipvalue", "clipnorm", "global_clipnorm"):
            if getattr(optimizer, name) is not None:
                problems.append(
                    f"optimizer.{name} cuts gradients, and there are none: leave it out (optimizer.{name}=null)."
                )
        if optimizer.learning_rate_schedule is not None:
            problems.append(
                "optimizer.learning_rate_schedule moves a learning rate, and the damping takes its place: leave it out."
            )
    if model.expectations.drawn:
        problems.append(
            f"run.expectation_type = {run.expectation_type!r} draws anew in each evaluation: use product or monomial."
        )
    if run.loss.kind != "mse" or run.loss.trace_decay:
        problems.append(
            "run.loss: least squares take squares of residuals, with weights or without: leave out kind and trace_decay."
        )
    if run.N_episodes_of_small_shocks is not None:
        problems.append("run.N_episodes_of_small_shocks changes shocks that the steps do not see: leave it out.")
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.network.modules()):
        problems.append(
            "batch normalisation ties the states of a batch to each other: no state has a Jacobian of its own."
        )
    if problems:
        raise ConfigError(f"optimizer.optimizer = {optimizer.optimizer!r} cannot be used here", problems)


def linearise(model: Model, weights: Tensor | None) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Gives residuals whose squares add up to the loss, and their Jacobian: `[batch, n_states]` -> `[n]`, `[n, parameters]`.

    Raises:
        ModelError: where the model's files cannot be differentiated state by state.
    """
    rows = Residuals(model, weights)

    def at(states: Tensor) -> tuple[Tensor, Tensor]:
        values = {name: p.detach() for name, p in rows.named_parameters() if p.requires_grad}
        try:
            return linearised(rows, values, states)
        except (RuntimeError, NotImplementedError, TypeError) as error:
            raise ModelError(
                f"{_one_by_one(model, 'this optimizer', error)}\n  Use another one, or write without a Python `if` on a tensor."
            ) from error

    return at


def _one_by_one(model: Model, what: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:300]
    return (
        f"{model.folder}: the residuals cannot be differentiated state by state (torch.func.vmap), which {what} needs: "
        f"{reason}"
    )
