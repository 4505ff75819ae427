"""Whether a model's shocks are what they should be: probabilities, and the moments of nodes and of draws."""

from __future__ import annotations

import torch
from torch import Tensor

from deqn.economy.columns import describe_state
from deqn.economy.model import Model

_ENTRIES = 1_000_000  # of the states that are drawn to compare moments
_STANDARD_ERRORS = 6.0


def wrong_probabilities(model: Model, states: Tensor, policies: Tensor) -> str:
    """What is wrong with the probabilities of the shock nodes at finite ones of some states; '' where nothing is.

    Args:
        states, policies: `[batch, n_states]`, `[batch, n_policies]`.
    """
    if model.expectations.drawn:
        return ""
    good = torch.isfinite(states).all(-1) & torch.isfinite(policies).all(-1)
    states, policies = states[good], policies[good]
    probs = model.expectations.probabilities(states, policies)
    # weights of a monomial rule may be negative; false for what is not a number
    signed = model.expectations.kind == "monomial" and not callable(model.expectations.dynamics.shock_probs)
    proper = ((probs.sum(0) - 1).abs() <= 1e-4) & ((probs >= 0).all(0) | signed)
    if bool(proper.all()):
        return ""
    first = int((~proper).nonzero()[0])
    where = ""
    if callable(model.expectations.dynamics.shock_probs):
        where = f" First of {int((~proper).sum())} of {len(proper)} states: {describe_state(model.state_columns, states[first])}."
    here = probs[:, first]
    file = f"{model.folder.name}/Dynamics.py"
    if not bool(torch.isfinite(here).all()) or (bool((here < 0).any()) and not signed):
        return f"{file}: shock_probs has an entry that is negative or not finite.{where}"
    return (
        f"{file}: shock_probs sums to {float(here.sum()):.6g}, not 1. Divide it by its sum, or add the node that is missing."
        f"{where}"
    )


def differing_moments(model: Model, states: Tensor, policies: Tensor) -> str:
    """A remark where next period's states on the nodes and in draws differ in mean or standard deviation; '' where not.

    Nodes may be coarse: only what is both far off and beyond the sampling error is remarked.

    Args:
        states, policies: `[batch, n_states]`, `[batch, n_policies]`; each state is drawn from many times.
    """
    expectations, columns = model.expectations, model.state_columns
    n = max(200, min(2000, _ENTRIES // states.numel()))
    probs = expectations.probabilities(states, policies).double()[..., None]
    nodes = expectations.next_states(states, policies, len(probs)).double()
    draws = expectations.dynamics.total_step_random(states.repeat(n, 1), policies.repeat(n, 1))
    draws = draws.reshape(n, *states.shape).double()
    (mean, deviation, fourth), (drawn_mean, drawn_deviation, drawn_fourth) = (
        _moments(nodes, probs), _moments(draws, draws.new_full((n, 1, 1), 1 / n)),
    )  # fmt: skip
    scale = torch.maximum(deviation, drawn_deviation)
    seen = scale > 1e-5 * torch.maximum(mean.abs(), drawn_mean.abs())  # more than rounding
    if len(nodes) > 1 and bool((nodes == nodes[0]).all()) and bool(seen.any()):
        return (
            f"{model.folder.name}/Dynamics.py: total_step_spec_shock gives the same next state on all {len(nodes)} nodes (it "
            "does not depend on shock_index), but two draws of total_step_random differ: expectations ignore the risk."
        )
    error = _STANDARD_ERRORS / n**0.5
    variance_off = (deviation**2 - drawn_deviation**2).abs() > error * torch.maximum(fourth, drawn_fourth).sqrt()
    ratio_off = torch.minimum(deviation, drawn_deviation) < 0.8 * scale
    mean_off = (mean - drawn_mean).abs() > max(error, 0.2) * scale
    for what, off, left, right in (
        ("standard deviation", variance_off & ratio_off & seen, deviation, drawn_deviation),
        ("mean", mean_off & seen, mean, drawn_mean),
    ):
        if bool(off.any()):
            row, entry = off.nonzero()[0].tolist()
            label = [label for column in columns for label in column.labels][entry]
            return (
                f"{model.folder.name}/Dynamics.py: next period's {label} has {what} {float(left[row, entry]):.3g} on the nodes "
                f"of total_step_spec_shock, and {float(right[row, entry]):.3g} in {n:,} draws of total_step_random (at "
                f"{describe_state(columns, states[row])}). Should the nodes be those of the shock that is drawn?"
            )
    return ""


def _moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard deviation and fourth central moment over the first dimension."""
    mean = (weights * x).sum(0)
    squares = (x - mean).square()
    return mean, (weights * squares).sum(0).sqrt(), (weights * squares.square()).sum(0)


def not_disabled(model: Model) -> list[str]:
    """A remark where the simulation draws although `Globals.DISABLE_SHOCKS` is set; the generator stays as it is."""
    if not model.Globals.DISABLE_SHOCKS:
        return []
    before = model.rng.get_state()
    with model.context():
        states = model.initial_states(4)
        one, other = model.step(states), model.step(states)
    model.rng.set_state(before)
    if torch.allclose(one, other, equal_nan=True):
        return []
    return [
        f"DISABLE_SHOCKS changes nothing in this model: total_step_random still draws. Let {model.folder.name}/Dynamics.py look "
        "at Globals.DISABLE_SHOCKS."
    ]
