"""Before the first step, the network is fitted to a rule that is near the solution, or is that of another run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from deqn.disk import checkpoint
from deqn.disk.checkpoint import Checkpoints
from deqn.economy.bounds import Bound
from deqn.economy.guess import guess, not_finite
from deqn.economy.linear import NoLinearSolution, linear_solution
from deqn.economy.model import Model
from deqn.economy.steady_state import steady_state
from deqn.errors import CheckpointError, ConfigError, ModelError
from deqn.numerics.least_squares import LevenbergMarquardt

Rule = Callable[[Tensor], Tensor]  # states [n, n_states] -> policies that broadcast to [n, n_policies]

_STATES = 512  # to which the network is fitted: initial ones and, half of them, states where the rule leads from there
_CENTRE = 64  # of the states that are followed, those that start at the steady state
_PERIODS = 20  # for which they are
_FAR = 10  # times the largest initial value: what is beyond is left out
_MARGIN = 1e-3  # of the range between both bounds: a policy that its activation keeps between them never reaches them
_WORK = 2e10  # multiplications of a step of Levenberg-Marquardt up to which it is used
_STEPS = 300  # of L-BFGS, beyond
_ENOUGH = 1e-7  # mean square of the relative distance to a rule that is itself not exact
_SLOW = 0.9  # what is left of the squares after three more steps that are not worth taking


def warm_start(model: Model) -> str:
    """Fits the network to the rule that `net.warm_start` names; a line on what was done.

    Raises:
        ConfigError: where there is no such rule, with the reason.
        ModelError: where the guess in the model's files is wrong.
    """
    kind = model.config.net.warm_start
    if kind == "run":
        return _network_of_a_run(model)
    with model.context():
        rule, what, centre = _RULES[kind](model)
        constant = kind == "steady_state"
        states = model.initial_states(_STATES if constant else _STATES // 2)
        if kind == "guess" and (wrong := not_finite(model, states, rule(states))):
            raise ModelError(wrong)
        if not constant:
            states = torch.cat([states, _where_it_leads(model, rule, states, centre)])
        policies, cut = _within_bounds(model, rule(states).expand(len(states), -1))
        left = (
            _fit_constant(model, states, policies) if constant else fit_policy(model, states, policies, enough=_ENOUGH)
        )
    return f"warm start: the network begins at {what}, within {left:.0e} in {len(states):,} states.{cut}"


def _network_of_a_run(model: Model) -> str:
    """Takes all weights from the newest checkpoint of another run; a line on it.

    Raises:
        ConfigError: where there is none, or its network has other parameters.
    """
    folder = Path(model.config.net.warm_start_from)
    try:
        payload, name, _ = Checkpoints(folder, required=checkpoint.PAYLOAD).load("LATEST")
    except CheckpointError as error:
        raise ConfigError(
            f"net.warm_start_from={folder}: it has no checkpoint that can be read. Give the folder of a run, the one that holds "
            "ckpt/, or net.warm_start=none and no net.warm_start_from."
        ) from error
    theirs, ours = (
        {key: list(x.shape) for key, x in p.items()} for p in (payload["policy"], model.network.state_dict())
    )
    if theirs != ours:
        different = [key for key in {**ours, **theirs} if theirs.get(key) != ours.get(key)]
        found = "; ".join(
            f"{key} is {theirs.get(key, 'missing')} there, {ours.get(key, 'missing')} here" for key in different[:3]
        )
        raise ConfigError(
            f"net.warm_start_from={folder}: the network of {name} has other parameters: {found}. Give a run whose network "
            "has the same layers, or net.warm_start=none and no net.warm_start_from."
        )
    model.network.load_state_dict(payload["policy"])
    return f"warm start: the network begins as that of {name} in {folder}."


def _guess(model: Model) -> tuple[Rule, str, Tensor | None]:
    return lambda states: guess(model, states), "guess(state)", None


def _steady_state(model: Model) -> tuple[Rule, str, Tensor | None]:
    found = steady_state(model)
    if found is None:
        raise ConfigError(
            "net.warm_start = 'steady_state': no steady state was found that all starts agree on. Give net.warm_start=none, or "
            "initial states and bounds around it."
        )
    return lambda states: found.policy, "the policy of the steady state", found.state


def _linear(model: Model) -> tuple[Rule, str, Tensor | None]:
    try:
        solution = linear_solution(model)
    except NoLinearSolution as error:
        raise ConfigError(
            f"net.warm_start = 'linear': there is no linear solution: {error}. Give net.warm_start=none, guess or steady_state."
        ) from error
    return solution.policies, "the linear solution", solution.state.to(model.device, model.dtype)


_RULES = {"guess": _guess, "steady_state": _steady_state, "linear": _linear}


def _where_it_leads(model: Model, rule: Rule, states: Tensor, centre: Tensor | None) -> Tensor:
    """States that are reached under a rule from the initial ones and the steady state: `[n, n_states]`, where it is finite."""
    largest = _FAR * states.abs().amax(0) + 1
    if centre is not None:
        states = torch.cat([states, centre.expand(_CENTRE, -1)])
    reached: list[Tensor] = []
    with torch.no_grad():
        for _ in range(_PERIODS + 1):
            policies = rule(states).expand(len(states), -1)
            good = torch.isfinite(policies).all(-1)
            states, policies = states[good], _within_bounds(model, policies[good])[0]
            reached.append(states)
            if len(states):
                states = model.expectations.dynamics.total_step_random(states, policies)
                states = states[(states.abs() <= largest).all(-1)]  # not those that are not finite
            if not len(states):
                break
    found = torch.cat([states[:0], *reached[1:]])  # without those where it starts
    return found[torch.linspace(0, len(found) - 1, min(len(found), _STATES // 2)).long()]


def _within_bounds(model: Model, policies: Tensor) -> tuple[Tensor, str]:
    """Policies `[n, n_policies]` cut to their bounds, and which ones left them, in words."""
    policies, left = policies.clone(), []
    for column, variable in zip(model.policy_columns, model.config.variables.policies, strict=True):
        raw, bound = policies[:, column.start : column.stop], column.bound.flat
        cut = bound.apply(raw)
        outside = (cut != raw).any(-1)
        if bool(outside.any()):
            left.append(f"{column.name} in {100 * float(outside.double().mean()):.3g} % of them")
        if variable.activation == "implied" and bound.lower is not None and bound.upper is not None:
            margin = _MARGIN * (bound.upper - bound.lower)
            cut = Bound(bound.lower + margin, bound.upper - margin).apply(cut)
        raw.copy_(cut)
    return policies, f" The rule is cut to the bounds of {', '.join(left)}." if left else ""


def fit_policy(model: Model, states: Tensor, policies: Tensor, steps: int = 30, enough: float = 1e-12) -> float:
    """Fits the network to given policies; the largest distance that is left, relative to each policy's size.

    By Levenberg-Marquardt, and where the network is too large for it, by L-BFGS (Liu and Nocedal, 1989).

    Args:
        states: `[n, n_states]`.
        policies: `[n, n_policies]`, or what broadcasts to it.
        enough: mean over the states of the squared distances at which it ends.
    """
    scale = policies.abs().amax(0).clamp(min=1e-3)

    class Distance(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = model.network

        def forward(self, x: Tensor) -> Tensor:
            return (self.network(x[:, : model.n_states]) - x[:, model.n_states :]) / scale

    both = torch.cat([states, policies.expand(len(states), -1)], dim=-1)
    distance = Distance()
    parameters = [p for p in model.network.parameters() if p.requires_grad]
    n, rows = sum(p.numel() for p in parameters), len(states) * model.n_policies
    if n * rows * min(n, rows) > _WORK:
        _descend(parameters, lambda: distance(both).square().mean())
    else:
        optimizer = LevenbergMarquardt(parameters, damping=1e-3, solver="dual" if rows < n else "primal")
        left = []
        for _ in range(steps):
            left.append(optimizer.advance(distance, both))
            if left[-1] < enough * len(states) or (len(left) > 3 and left[-1] > _SLOW * left[-4]):
                break
    with torch.no_grad():
        return float(distance(both).abs().max())


def _fit_constant(model: Model, states: Tensor, policies: Tensor) -> float:
    """Fits the network to the same policies in all states: exactly by its last bias, where its last layer is a dense one."""
    layers = [module for module in model.network.modules() if isinstance(module, nn.Linear)]
    last = layers[-1] if layers else None
    if last is None or last.bias is None or last.out_features != model.n_policies:
        return fit_policy(model, states, policies)
    weight = last.weight.detach().clone()
    frozen = [p for p in model.network.parameters() if p.requires_grad and p is not last.bias]
    for parameter in frozen:
        parameter.requires_grad_(False)
    with torch.no_grad():
        last.weight.zero_()
    left = fit_policy(model, states[:1], policies[:1], enough=0.0)
    for parameter in frozen:
        parameter.requires_grad_(True)
    if left > 1e-3:  # a network that adds something to its last layer, or a policy that no bias reaches
        with torch.no_grad():
            last.weight.copy_(weight)
        return fit_policy(model, states, policies)
    return left


def _descend(parameters: list[nn.Parameter], loss: Callable[[], Tensor]) -> None:
    optimizer = torch.optim.LBFGS(parameters, max_iter=_STEPS, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return float(value.detach())

    optimizer.step(closure)
    optimizer.zero_grad()
