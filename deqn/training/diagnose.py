"""Where a number stopped being finite: equation, states, operation and line of the model's files."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deqn.economy.check_numerics import CheckNumerics, NotFinite
from deqn.economy.columns import describe_state
from deqn.economy.shocks import wrong_probabilities
from deqn.processes.comm import Comm
from deqn.training import loss
from deqn.training.simulate import finite

if TYPE_CHECKING:
    from deqn.economy.model import Model


ONLY_GRADIENT = "the residuals are finite"  # how `explain` begins where nothing at the states themselves is wrong


def explain(model: Model, states: Tensor) -> str:
    """One sentence on what is not finite at given states, for the message that stops a run.

    Args:
        states: `[batch, n_states]`.
    """
    bad = ~finite(states)
    if bool(bad.any()):
        return f"simulated states: {_count(model, states, bad)}."
    with torch.no_grad():
        policies = model.policy(states)
        bad = ~finite(policies)
        if bool(bad.any()):
            return f"policies of the network: {_count(model, states, bad)}."
        residuals = model.equations(states, policies)
    culprit = _first_operation(model, states)
    for name, residual in residuals.items():
        bad = ~torch.isfinite(residual.reshape(len(states), -1)).all(-1)
        if bool(bad.any()):
            return f"equation {name!r}: {_count(model, states, bad)}.{culprit}"
    found = _gradient(model, states)
    return f"{found or f'{ONLY_GRADIENT}, but the loss or its gradient is not'}.{culprit}"


def explain_of_all(model: Model, states: Tensor, comm: Comm, found: str = "") -> str:
    """What is not finite at the states of this process; of several, at those of the first where something is not.

    Args:
        states: `[n, n_states]`, looked at a minibatch at a time: an episode may not fit.
        found: the operation, where `enable_check_numerics` has found it.
    """
    for part in states.split(model.config.run.N_minibatch_size):
        reason = explain(model, part)
        if not reason.startswith(ONLY_GRADIENT):
            break
    if found not in reason:
        reason = f"{found}; {reason}"
    reasons = comm.gather("" if reason.startswith(ONLY_GRADIENT) else reason)
    return comm.first(
        lambda: next((f"rank {i}: {r}" if comm.size > 1 else r for i, r in enumerate(reasons) if r), reason)
    )


def wrong_probabilities_of_all(model: Model, states: Tensor, comm: Comm) -> str:
    """What is wrong with probabilities that depend on the state, where the probe has not been; '' where nothing is.

    Args:
        states: `[n, n_states]` of this process; of several processes, the first that finds something is heard.
    """
    if model.expectations.drawn or not callable(model.expectations.dynamics.shock_probs) or model.lenient:
        return ""
    with torch.no_grad():
        wrong = wrong_probabilities(model, states, model.policy(states))
    if comm.size == 1:
        return wrong
    found = comm.gather(wrong)
    return comm.first(lambda: next((text for text in found if text), ""))


def _gradient(model: Model, states: Tensor) -> str:
    """The first equation whose gradient is not finite, and at which states: each state's gradient passes through its own row."""
    states = states.detach().clone().requires_grad_()
    policies = model.policy(states)
    for name, residual in model.equations(states, policies).items():
        gradients = torch.autograd.grad(
            loss.squared_sum(residual), [states, policies], allow_unused=True, retain_graph=True
        )
        bad = torch.zeros(len(states), dtype=torch.bool, device=states.device)
        for gradient in gradients:
            if gradient is not None:
                bad |= ~finite(gradient)
        if bool(bad.any()):
            return f"gradient of equation {name!r}, whose residual is finite: {_count(model, states.detach(), bad)}"
    return ""


def _count(model: Model, states: Tensor, bad: Tensor) -> str:
    first = int(bad.nonzero()[0])
    return f"{int(bad.sum())} of {len(bad)} states, first at {describe_state(model.state_columns, states[first])}"


def _first_operation(model: Model, states: Tensor) -> str:
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # the traceback that PyTorch prints beside its error
            CheckNumerics(model.folder),
            torch.autograd.set_detect_anomaly(True, check_nan=True),
        ):
            parameters = [p for p in model.network.parameters() if p.requires_grad]
            torch.autograd.grad(loss.terms(model, states).loss, parameters, allow_unused=True)
    except (NotFinite, RuntimeError) as error:
        return f" {str(error).splitlines()[0].rstrip('.')}."
    return ""
