"""How far the policies are from a solution, as far as the linearised equations tell.

A residual is not an error of the policy: where agents are patient, policies that are off by one per cent in every period alike
leave residuals of a hundredth of that. Here the equations are linearised in a change of the policy, today's and tomorrow's at
once, that is a polynomial in the states; the change that takes the residuals away, as far as one can, is an estimate of the
error. Smaller ripples than those of the polynomial are not in it.

Source: the defect correction of Stetter (1978), The defect correction principle and discretization methods, Numerische
Mathematik 29, 425-443; polynomials in the states as in Judd (1992), Journal of Economic Theory 58(2), 410-452.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import comb

import torch
from torch import Tensor, nn

from deqn.economy.model import Model
from deqn.errors import ModelError
from deqn.numerics.normal_equations import linearised

_STATES = 500
_POLICIES = 50  # beyond, derivatives of all residuals by all coefficients take gigabytes
_COEFFICIENTS = 300  # of the polynomials of all policies
_ENTRIES = 3_000_000  # of next period's states and policies, one for each residual, that are held at once
_DEGREE = 4
_ZERO = 1e-6  # a size nearer to zero is no unit to measure in
_SINGULAR = 1e-10  # singular values below, relative to the largest: directions that the equations leave open


def policy_correction(model: Model, states: Tensor) -> dict[str, Tensor] | None:
    """By policy, the change that the linearised equations ask for at `_STATES` of the states: `[m, *shape]`.

    None where there are more than `_POLICIES`, expectations are drawn, the residuals are not differentiable state by state, or
    the files are those of the TensorFlow library or cannot be run twice.

    Args:
        model: with its trained network, which is not changed.
        states: of a simulation, `[n, n_states]`.
    """
    if model.expectations.drawn or model.n_policies > _POLICIES or model.for_tensorflow:
        return None
    try:
        exact = model.in_float64()
    except ModelError:  # files that cannot be run twice
        return None
    states = _some(states).to(exact.dtype)
    changed = _Changed(exact, states)
    before = exact.expectations.policy
    exact.expectations.policy = changed.policy
    try:
        with exact.context(), torch.no_grad():  # no graph of the parameters, which would hold all of it
            values = {"coefficients": changed.coefficients.detach()}
            parts = [linearised(changed, values, part) for part in states.split(_at_once(exact, states[:1]))]
            residuals, jacobian = (torch.cat(part) for part in zip(*parts, strict=True))
    except (RuntimeError, NotImplementedError, TypeError) as error:
        if type(error).__module__.startswith("torch._"):
            raise
        return None
    finally:
        exact.expectations.policy = before
    good = torch.isfinite(residuals) & torch.isfinite(jacobian).all(1)
    scale = jacobian[good].norm(dim=0).clamp(min=1e-300)
    found = torch.linalg.lstsq(
        (jacobian[good] / scale).cpu(), -residuals[good, None].cpu(), rcond=_SINGULAR, driver="gelsd"
    ).solution
    coefficients = (found[:, 0].to(states.device) / scale).view_as(changed.coefficients)
    change = (changed.basis(states) @ coefficients).detach()
    return {column.name: column.raw(change) for column in model.policy_columns}


def _at_once(model: Model, state: Tensor) -> int:
    """States whose derivatives are taken together: of many nodes of the shocks and many policies, they would take gigabytes."""
    with torch.no_grad():
        nodes = len(model.expectations.probabilities(state, model.policy(state)))
    return max(1, _ENTRIES // (nodes * (model.n_states + model.n_policies) * model.n_policies))


def relative_sizes(model: Model, states: Tensor, correction: dict[str, Tensor]) -> dict[str, float]:
    """How large a correction is, by policy: its mean, relative to the policy's mean size.

    A policy that takes both signs, as a growth rate or a logarithm may, is near zero on average, and its own size is no unit:
    where it moves states of tomorrow, its mean effect on them counts, relative to the mean size of each; the largest.

    Args:
        states: those of which `policy_correction` was asked.
    """
    states = _some(states)
    with model.context(), torch.no_grad():
        policies = model.policy(states)
        step = model.expectations.dynamics.total_step_spec_shock
        before, found = step(states, policies, 0), {}
        for column in model.policy_columns:
            changed = policies.clone()
            changed[..., column.start : column.stop] += correction[column.name].to(policies).reshape(len(states), -1)
            moved = (step(states, changed, 0) - before).abs().mean(0)
            size = before.abs().mean(0)
            affected = (moved > 0) & (size > _ZERO)
            value = column.raw(policies)
            own, signs = float(value.abs().mean()), bool((value > 0).any()) and bool((value < 0).any())
            if signs and bool(affected.any()):
                found[column.name] = float((moved[affected] / size[affected]).max())
            elif own > _ZERO:
                found[column.name] = float(correction[column.name].abs().mean()) / own
    return found


def _some(states: Tensor) -> Tensor:
    return states[torch.linspace(0, len(states) - 1, min(len(states), _STATES), device=states.device).long()]


class _Changed(nn.Module):
    """The residuals of a policy plus a polynomial, all entries of all equations in one row.

    Args:
        states: their means and standard deviations are the polynomial's units; those that do not vary are left out.
    """

    def __init__(self, model: Model, states: Tensor) -> None:
        super().__init__()
        self._of = (model,)  # not a submodule: its parameters stay as they are
        self._mean, deviation = states.mean(0), states.std(0)
        self._varying = (deviation > 1e-9 * (1 + self._mean.abs())).nonzero()[:, 0]
        self._deviation = deviation[self._varying]
        d, degree = len(self._varying), _DEGREE
        while degree and comb(d + degree, degree) * model.n_policies > _COEFFICIENTS:
            degree -= 1
        self._powers = [p for n in range(1, degree + 1) for p in combinations_with_replacement(range(d), n)]
        shape = (1 + len(self._powers), model.n_policies)
        self.coefficients = nn.Parameter(torch.zeros(shape, dtype=states.dtype, device=states.device))

    def basis(self, states: Tensor) -> Tensor:
        """`[..., n_states]` -> `[..., functions]`."""
        x = (states - self._mean)[..., self._varying] / self._deviation
        functions = [torch.ones_like(states[..., 0])]
        for power in self._powers:
            product = x[..., power[0]]
            for i in power[1:]:
                product = product * x[..., i]
            functions.append(product)
        return torch.stack(functions, -1)

    def policy(self, states: Tensor) -> Tensor:
        """`[..., n_states]` -> `[..., n_policies]`."""
        (model,) = self._of
        return model.policy(states) + self.basis(states) @ self.coefficients

    def forward(self, states: Tensor) -> Tensor:
        """`[batch, n_states]` -> `[batch, rows]`."""
        (model,) = self._of
        residuals = model.equations(states, self.policy(states)).values()
        return torch.cat([r.expand(len(states)).reshape(len(states), -1) if r.ndim == 0 else r.flatten(1) if r.ndim > 1
                          else r[:, None] for r in residuals], -1)  # fmt: skip
