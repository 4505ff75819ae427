"""Residuals of the equilibrium conditions and bound penalties -> the loss.

Source: Azinovic, Gaegauf and Scheidegger (2022), "Deep Equilibrium Nets", International Economic Review 63(4), 1471-1525; the
scale of the loss and the penalties are those of the TensorFlow DEQN library of Scheidegger and co-authors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deqn.economy.bounds import Bound

if TYPE_CHECKING:
    from deqn.economy.model import Model


@dataclass
class LossTerms:
    """What one minibatch gives; every tensor is a scalar except `residuals`.

    Attributes:
        loss: (sum of deviations + sum of penalties) / number of equations.
        net_loss: the same without penalties.
        deviations: by equation, the sum over the batch of the squared residual (its mean over the entries of a residual
            with a shape).
        penalties: by bound, the sum over the batch of penalty * (raw - bounded)**2.
        residuals: by equation, `[batch, ...]`, without gradient.
        parts: by equation, what the loss adds up, before it is weighted; the deviations unless `run.loss` says otherwise.
        weights: of the parts, `[n_equations]`; None where all are 1.
    """

    loss: Tensor
    net_loss: Tensor
    deviations: dict[str, Tensor]
    penalties: dict[str, Tensor]
    residuals: dict[str, Tensor]
    parts: dict[str, Tensor]
    weights: Tensor | None = None

    def components(self) -> dict[str, Tensor]:
        """What adds up to `loss`: each equation, and all penalties together where there are any."""
        n = len(self.parts)
        parts = torch.stack(list(self.parts.values())) / n
        weighted = parts if self.weights is None else self.weights * parts
        found = dict(zip(self.parts, weighted.unbind(), strict=True))
        if self.penalties:
            found["penalties"] = _sum(self.penalties) / n
        return found


Terms = Callable[["Model", Tensor], LossTerms]


def terms(model: Model, states: Tensor) -> LossTerms:
    """Loss of the model's policy at given states.

    As in the TensorFlow library, the loss is the sum over the batch divided by the number of equations: learning rates
    and `clipvalue` of existing YAML files are tuned to it.

    Args:
        states: `[batch, n_states]`.
    """
    policies = model.policy(states)
    residuals, penalties = evaluate(model, states, policies)
    deviations = {name: squared_sum(residual) for name, residual in residuals.items()}
    for name in model.scalar_equations:  # one residual for the whole batch counts once
        deviations[name] = deviations[name] / len(states)
    n_equations = len(residuals)
    net_loss = _sum(deviations) / n_equations if n_equations > 1 else _sum(deviations)
    loss = with_penalties(net_loss, penalties, n_equations)
    return LossTerms(loss, net_loss, deviations, penalties, {k: r.detach() for k, r in residuals.items()}, deviations)


def evaluate(model: Model, states: Tensor, policies: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Residuals and bound penalties, which share what definitions they have in common."""

    def both(states: Tensor, policies: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return model.equations(states, policies), bound_penalties(model, states, policies)

    return model.sharing.run(both, states, policies)


def with_penalties(net_loss: Tensor, penalties: dict[str, Tensor], n_equations: int) -> Tensor:
    """The loss with the penalties of bounds, which count as the deviations do."""
    if not penalties:
        return net_loss
    return net_loss + (_sum(penalties) / n_equations if n_equations > 1 else _sum(penalties))


def _sum(scalars: dict[str, Tensor]) -> Tensor:
    values = list(scalars.values())
    return torch.stack(values).sum() if len(values) > 1 else values[0]


def squared_sum(x: Tensor) -> Tensor:
    """Sum over the first dimension of the squares, mean over the others."""
    return batch_sum(x.square())


def batch_sum(x: Tensor) -> Tensor:
    """Sum over the first dimension, mean over the others."""
    total = x.sum()
    return total if x.ndim == 1 else total * (x.shape[0] / x.numel())


def penalised(model: Model, states: Tensor, policies: Tensor) -> Iterator[tuple[str, Tensor, Bound]]:
    """Policies and definitions with a weighted bound: label, uncut values `[batch, ...]`, bound."""
    for column in model.policy_columns:
        if column.bound.penalised:
            yield f"policy_{column.name}", column.raw(policies), column.bound
    for name, bound in model.definition_bounds.items():
        if bound.penalised:
            raw = torch.as_tensor(getattr(model.Definitions, f"{name}_RAW")(states, policies))
            yield f"def_{name}", raw, bound


def bound_penalties(model: Model, states: Tensor, policies: Tensor) -> dict[str, Tensor]:
    """Bound penalties of policies and definitions, summed over the batch; only bounds with a weight."""
    result = {}
    for label, raw, bound in penalised(model, states, policies):
        result.update(_penalties(label, raw, bound))
    return result


def _penalties(label: str, raw: Tensor, bound: Bound) -> dict[str, Tensor]:
    """Squared excess over each bound, summed over the batch (mean over the entries of a variable with a shape)."""
    weight = 1.0 if raw.ndim == 0 else raw.shape[0] / raw.numel()
    result = {}
    for side in bound.penalised:
        penalty = getattr(bound, f"penalty_{side}") * weight
        if not bound.is_crossed(side, raw):  # most bounds do not bind, and then there is nothing to differentiate
            result[f"penalty_{side}_{label}"] = raw.new_zeros(())
            continue
        squares = bound.excess(side, raw).square()
        each = isinstance(penalty, Tensor)  # entries have penalties of their own
        result[f"penalty_{side}_{label}"] = (penalty * squares).sum() if each else penalty * squares.sum()
    return result
