"""deqn/training/foresight.py: what a step reckons with of tomorrow's policy, and where training ends from a random start."""

from __future__ import annotations

import copy

import pytest
import torch

import deqn
from deqn.numerics.normal_equations import linearised
from deqn.training.foresight import Foresight
from deqn.training.least_squares import Residuals


def jacobian(model: deqn.Model, states: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    residuals = Residuals(model)
    values = {name: p.detach() for name, p in residuals.named_parameters()}
    with model.context(), Foresight(model)(values, share):
        return linearised(residuals, values, states)


@pytest.fixture(scope="module")
def growth() -> deqn.Model:
    return deqn.load_model("brock_mirman", ["constants.delta=0.1", "run.keras_precision=float64"], check=False)


def test_residuals_are_the_same_and_derivatives_lie_between_time_iteration_and_newton(growth):
    states = growth.initial_states(5)
    rows, between = jacobian(growth, states, 0.3)
    newton_rows, newton = jacobian(growth, states, 1.0)
    _, given = jacobian(growth, states, 0.0)
    torch.testing.assert_close(rows, newton_rows)
    torch.testing.assert_close(between, 0.7 * given + 0.3 * newton)
    assert float((given - newton).abs().max()) > 0.01


def test_share_zero_is_the_derivative_with_another_network_tomorrow(growth):
    """By differences: today's network moves, and a copy that stays answers for tomorrow."""
    states, step = growth.initial_states(5), 1e-6
    _, given = jacobian(growth, states, 0.0)
    today, tomorrow = growth.network, copy.deepcopy(growth.network)
    bias = list(today.parameters())[-1]
    before = growth.expectations.policy
    growth.expectations.policy = tomorrow
    try:
        with torch.no_grad():
            bias += step
            up = Residuals(growth)(states)
            bias -= 2 * step
            down = Residuals(growth)(states)
            bias += step
    finally:
        growth.expectations.policy = before
    torch.testing.assert_close(given[:, -1], ((up - down) / (2 * step)).flatten(), rtol=1e-6, atol=1e-8)


def test_expectations_see_the_network_again_after_a_step(growth):
    before = growth.expectations.policy
    values = {name: p.detach() for name, p in growth.network.named_parameters()}
    with Foresight(growth)(values, 0.5):
        assert growth.expectations.policy != before
    assert growth.expectations.policy == before


def test_a_random_start_ends_on_the_stable_path():
    """From this seed, with foresight 1, training ends at six to eight times the capital."""
    overrides = [
        "constants.delta=0.1", "optimizer=levenberg_marquardt", "run.keras_precision=float64", "run.N_episodes=6",
        "run.N_minibatch_size=256", "seed=3",
    ]  # fmt: skip
    model = deqn.load_model("brock_mirman", overrides)
    deqn.Trainer(model).fit(quiet=True)
    steady = ((1 / 0.96 - 1 + 0.1) / 0.36) ** (1 / (0.36 - 1))
    states = model.initial_states(64)
    for _ in range(200):
        states = model.step(states)
    assert float(model.State.K(states).mean()) == pytest.approx(steady, rel=0.1)
