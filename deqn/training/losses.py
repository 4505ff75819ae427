"""`run.loss`: other functions of the residuals than the square, and weights of the equations.

Sources: Huber (1964), Robust estimation of a location parameter, Annals of Mathematical Statistics 35(1), 73-101; log cosh:
Green (1990), Bayesian reconstructions from emission tomography data using a modified EM algorithm, IEEE Transactions on Medical
Imaging 9(1), 84-93; derivatives: Czarnecki, Osindero, Jaderberg, Swirszcz and Pascanu (2017), Sobolev training for neural
networks, NeurIPS 30; products of two draws: Maliar, Maliar and Winant (2021), Deep learning for solving dynamic economic models,
Journal of Monetary Economics 122, 76-101.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from deqn.configuration.loss_schema import Loss
from deqn.configuration.schema import Config
from deqn.economy.model import Model
from deqn.errors import ConfigError, ModelError, suggestion
from deqn.training import loss
from deqn.training.loss import LossTerms, Terms
from deqn.training.trace import along_trajectories

_MOST_ENTRIES = 64  # of residuals whose derivatives are taken, one backward pass each


def huber(x: Tensor, delta: float) -> Tensor:
    """x²/2 up to |x| = delta, and delta (|x| - delta/2) beyond (Huber 1964), as in Keras; same shape."""
    small = x.abs().clamp(max=delta)
    return small * (x.abs() - 0.5 * small)


def log_cosh(x: Tensor) -> Tensor:
    """log cosh x (Green 1990), about x²/2 near zero and |x| - log 2 far away; same shape."""
    return x.abs() + torch.nn.functional.softplus(-2 * x.abs()) - math.log(2.0)


def sobolev(x: Tensor, states: Tensor, weight: float) -> Tensor:
    """x² + weight * mean over the states k of (s_k dx/dk)² (after Czarnecki and others 2017), `[batch, entries]`.

    s_k is the standard deviation of k in the batch. The derivative is that of the residual as a function of the state alone:
    through the policy too.

    Args:
        x: residuals `[batch, ...]`; each depends on its own row of `states`.
        states: `[batch, n_states]`, which require a gradient.
    """
    scale = states.detach().std(0, correction=0)
    flat = x.reshape(len(states), -1)
    squares = []
    for column in flat.unbind(-1):
        (slope,) = torch.autograd.grad(column.sum(), states, create_graph=True, materialize_grads=True)
        squares.append((scale * slope).square().mean(-1))
    return flat.square() + weight * torch.stack(squares, dim=-1)


class Losses:
    """Loss of a model's policy at given states, as `run.loss` says.

    Args:
        settings: `run.loss`.
        weights: `[n_equations]`, in the order of the equations; changed in place by what follows the losses.
        length: periods of an episode, for the eligibility trace.
    """

    def __init__(self, settings: Loss, weights: Tensor, length: int = 1) -> None:
        self.settings, self.weights, self.length = settings, weights, length

    def __call__(self, model: Model, states: Tensor) -> LossTerms:
        """The terms at states `[batch, n_states]`."""
        settings = self.settings
        if settings.kind == "sobolev":
            with torch.enable_grad():
                return self._terms(model, states.detach().requires_grad_())
        return self._terms(model, states)

    def _terms(self, model: Model, states: Tensor) -> LossTerms:
        policies = model.policy(states)
        residuals, penalties = loss.evaluate(model, states, policies)
        again = model.equations(states, policies) if self.settings.all_in_one else residuals  # other draws
        parts = {name: loss.batch_sum(self._of(x, again[name], states)) for name, x in residuals.items()}
        for name in model.scalar_equations:  # one residual for the whole batch counts once
            parts[name] = parts[name] / len(states)
        net_loss = (self.weights * torch.stack(list(parts.values()))).sum() / len(parts)
        kept = {name: residual.detach() for name, residual in residuals.items()}
        deviations = {name: loss.squared_sum(residual) for name, residual in kept.items()}
        total = loss.with_penalties(net_loss, penalties, len(parts))
        return LossTerms(total, net_loss, deviations, penalties, kept, parts, self.weights)

    def _of(self, x: Tensor, other: Tensor, states: Tensor) -> Tensor:
        """The loss of one equation at each state."""
        settings = self.settings
        if settings.trace_decay:
            x, other = (along_trajectories(r, settings.trace_decay, min(self.length, len(states))) for r in (x, other))
        if settings.kind == "huber":
            return huber(x, settings.huber_delta)
        if settings.kind == "log-cosh":
            return log_cosh(x)
        if settings.kind == "sobolev":
            return sobolev(x, states, settings.sobolev_weight)
        return x * other


def loss_function(config: Config, weights: Tensor | None) -> Terms:
    """The function that gives the terms of the loss.

    Args:
        weights: see `Losses`; None for the plain mean square.
    """
    return loss.terms if weights is None else Losses(config.run.loss, weights, config.run.N_episode_length)


def equation_shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """Names of the equations in their order, and the shape of one state's residual."""
    before = model.rng.get_state()
    with model.context(), torch.no_grad():
        states = model.initial_states(2)
        residuals = model.equations(states, model.policy(states))
    model.rng.set_state(before)
    return {name: tuple(residual.shape[1:]) for name, residual in residuals.items()}


def check(settings: Loss, shapes: dict[str, tuple[int, ...]]) -> None:
    """What `run.loss` needs of the equations.

    Raises:
        ConfigError: where a weight is that of no equation.
        ModelError: where derivatives of too many residuals would be taken.
    """
    wrong = [
        f"run.loss.weights.{name}: there is no equation {name!r}.{suggestion(name, shapes)} Known: {', '.join(shapes)}."
        for name in settings.weights
        if name not in shapes
    ]
    if wrong:
        raise ConfigError("run.loss.weights names what Equations.py does not return", wrong)
    entries = sum(math.prod(shape) for shape in shapes.values())
    if settings.kind == "sobolev" and entries > _MOST_ENTRIES:
        raise ModelError(
            f"run.loss.kind = 'sobolev' takes a backward pass for each residual of a state, and there are {entries}; at most "
            f"{_MOST_ENTRIES} are taken. Use another loss."
        )
