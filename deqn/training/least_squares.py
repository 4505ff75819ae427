"""Levenberg-Marquardt on the residuals of a model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deqn.configuration.schema import Config
from deqn.economy.model import Model
from deqn.errors import ConfigError, ModelError
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.processes.comm import Comm
from deqn.training import loss

LARGEST = 200_000_000  # entries of the Jacobian, in float64: 1.6 GB


class Residuals(nn.Module):
    """All residuals of a state in one row, weighted so that their squares add up to the loss.

    A row has each entry of each equation, and for each bound with a penalty the square root of penalty times the excess.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.network = model.network

    def forward(self, states: Tensor) -> Tensor:
        """`[batch, n_states]` -> `[batch, rows]`."""
        policies = self.model.policy(states)
        residuals = self.model.equations(states, policies)
        rows = [_row(residual, states) for residual in residuals.values()]
        for _, raw, bound in loss.penalised(self.model, states, policies):
            if bound.lower is not None and bound.penalty_lower:
                rows.append(bound.penalty_lower**0.5 * _row((bound.lower - raw).clamp(min=0), states))
            if bound.upper is not None and bound.penalty_upper:
                rows.append(bound.penalty_upper**0.5 * _row((raw - bound.upper).clamp(min=0), states))
        return torch.cat(rows, dim=-1) / len(residuals) ** 0.5


def _row(value: Tensor, states: Tensor) -> Tensor:
    """`[batch, ...]` -> `[batch, entries]`, divided so that squares add up to their mean over the entries."""
    flat = value.expand(len(states)).reshape(-1, 1) if value.ndim == 0 else value.reshape(len(states), -1)
    return flat / flat.shape[-1] ** 0.5


def refuse(model: Model, config: Config) -> None:
    """What does not go together with Levenberg-Marquardt.

    Raises:
        ConfigError: with every reason.
    """
    problems = []
    optimizer, run = config.optimizer, config.run
    if optimizer.clipvalue is not None:
        problems.append(
            "optimizer.clipvalue cuts gradients, and there are none: leave it out (optimizer.clipvalue=null)."
        )
    if optimizer.learning_rate_schedule is not None:
        problems.append(
            "optimizer.learning_rate_schedule moves a learning rate, and the damping takes its place: leave it out."
        )
    if run.compile:
        problems.append("run.compile: the Jacobian is not compiled; give run.compile=false.")
    if run.expectation_type == "pseudo_random":
        problems.append(
            "run.expectation_type = 'pseudo_random' draws anew in each evaluation: use product or monomial."
        )
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.network.modules()):
        problems.append(
            "batch normalisation ties the states of a batch to each other: no state has a Jacobian of its own."
        )
    n = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
    with torch.no_grad(), model.context():
        rows = run.N_minibatch_size * Residuals(model)(model.initial_states(2)).shape[-1]
    if n * rows > LARGEST:
        problems.append(
            f"{n:,} parameters times {rows:,} residuals of a minibatch are {n * rows:.1e} entries of a Jacobian, at most "
            f"{LARGEST:.0e} are held: use a smaller network or run.N_minibatch_size, or a first-order optimizer."
        )
    if problems:
        raise ConfigError("optimizer.optimizer = 'LevenbergMarquardt' cannot be used here", problems)


def advance(optimizer: LevenbergMarquardt, model: Model, states: Tensor, comm: Comm) -> None:
    """A step on the model's residuals, without dropout.

    Raises:
        ModelError: where its files cannot be differentiated state by state.
    """
    training = model.network.training
    model.network.eval()
    try:
        optimizer.advance(Residuals(model), states, None if comm.size == 1 else comm.sum_)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{model.folder}: the residuals cannot be differentiated state by state (torch.func.vmap), which LevenbergMarquardt "
            f"needs: {reason}\n  Use a first-order optimizer, or write without a Python `if` on a tensor."
        ) from error
    finally:
        model.network.train(training)
