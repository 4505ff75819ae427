"""Stochastic growth with log utility: the closed form s = alpha * beta at full depreciation, and the steady state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline, RectBivariateSpline

import deqn
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer

DOUBLE = "run.keras_precision=float64"


def residual(model: deqn.Model, states: torch.Tensor, savings: float) -> torch.Tensor:
    """The Euler residual where the savings rate is one number, today and tomorrow."""
    model.expectations.policy = lambda s: torch.full((*s.shape[:-1], 1), savings, dtype=s.dtype)
    with model.context():
        return model.equations(states, model.expectations.policy(states))["euler"]


def box(n: int = 400) -> torch.Tensor:
    """Capital from 0.01 to 3, log productivity from -0.5 to 0.5."""
    draws = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.stack([0.01 + 2.99 * draws[:, 0], draws[:, 1] - 0.5], dim=-1)


@pytest.mark.parametrize("expectation", ["product", "monomial", "pseudo_random"])
def test_the_closed_form_has_no_residual_in_any_state(expectation):
    model = deqn.load_model("brock_mirman", [DOUBLE, f"run.expectation_type={expectation}"])
    alpha, beta = model.Parameters.alpha, model.Parameters.beta
    assert residual(model, box(), alpha * beta).abs().max() < 1e-13


def test_another_savings_rate_has_the_residual_of_the_textbook():
    """With a constant savings rate s and full depreciation, 1 - alpha * beta / s in every state."""
    model = deqn.load_model("brock_mirman", [DOUBLE])
    expected = 1 - model.Parameters.alpha * model.Parameters.beta / 0.5
    torch.testing.assert_close(residual(model, box(), 0.5), torch.full((400,), expected, dtype=torch.float64))


def test_the_steady_state_of_partial_depreciation_has_no_residual_without_shocks():
    """alpha K**(alpha - 1) + 1 - delta = 1 / beta, and investment is delta K."""
    model = deqn.load_model("brock_mirman", [DOUBLE, "constants.delta=0.1", "constants.sigma=1e-12"])
    p = model.Parameters
    capital = (p.alpha / (1 / p.beta - 1 + p.delta)) ** (1 / (1 - p.alpha))
    savings = p.delta * capital ** (1 - p.alpha)
    states = torch.tensor([[capital, 0.0]], dtype=torch.float64)
    assert residual(model, states, savings).abs().item() < 1e-10
    with model.context():
        torch.testing.assert_close(model.Definitions.K_next(states, torch.tensor([[savings]])), states[:, 0])


def test_log_productivity_has_the_moments_of_its_process():
    """Mean 0 and standard deviation sigma / sqrt(1 - rho**2)."""
    model = deqn.load_model("brock_mirman", [DOUBLE])
    with model.context():
        states = model.initial_states(20_000)
        for _ in range(60):
            states = model.step(states)
    z = model.State.z(states)
    p = model.Parameters
    expected = p.sigma / (1 - p.rho**2) ** 0.5
    assert z.mean().item() == pytest.approx(0, abs=5 * expected / 20_000**0.5)
    assert z.std().item() == pytest.approx(expected, rel=0.03)


@pytest.fixture(scope="module")
def trained() -> deqn.Model:
    model = deqn.load_model("brock_mirman", ["run.N_episodes=60", "optimizer.schedule_kwargs.decay_steps=1200"])
    probe(model)
    Trainer(model).fit()
    return model


def test_a_short_training_finds_the_savings_rate(trained):
    with trained.context(), torch.no_grad():
        states = trained.Parameters.starting_state
        savings = trained.PolicyState.s(trained.policy(states))
    assert (savings - 0.36 * 0.96).abs().max() < 5e-3


def test_the_simulated_capital_stays_where_theory_says(trained):
    """log K has mean log(alpha beta) / (1 - alpha) in the ergodic distribution."""
    with trained.context():
        states = trained.Parameters.starting_state
        for _ in range(200):
            states = trained.step(states)
    expected = torch.tensor(0.36 * 0.96).log() / (1 - 0.36)
    assert trained.State.K(states).log().mean().item() == pytest.approx(expected.item(), abs=0.05)


def time_iteration(alpha=0.36, beta=0.96, delta=0.1, rho=0.9, sigma=0.04, n_nodes=5):
    """Consumption as a function of (log K, z), by endogenous gridpoints (Carroll 2006, Economics Letters 91) on splines."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    weights, steady = weights / weights.sum(), ((1 / beta - 1 + delta) / alpha) ** (1 / (alpha - 1))
    k = np.log(steady) + np.linspace(-1.2, 1.2, 121)  # of tomorrow's capital
    z = np.linspace(-0.6, 0.6, 41)
    K = np.exp(k)[:, None]
    output = np.exp(z) * K**alpha
    log_c = np.log(output + (1 - delta) * K - steady * delta * (K / steady))
    tomorrow = [np.clip(rho * z + sigma * node, z[0], z[-1]) for node in nodes]
    for _ in range(600):
        policy = RectBivariateSpline(k, z, log_c)
        marginal = sum(
            w * (alpha * np.exp(zn) * K ** (alpha - 1) + 1 - delta) / np.exp(policy(k, zn))
            for w, zn in zip(weights, tomorrow, strict=True)
        )
        C = 1 / (beta * marginal)
        wealth = C + K  # where this consumption and this capital tomorrow are chosen
        new = np.empty_like(log_c)
        for i in range(len(z)):
            new[:, i] = CubicSpline(wealth[:, i], np.log(C[:, i]))(output[:, i] + (1 - delta) * np.exp(k))
        change, log_c = np.abs(new - log_c).max(), new
        if change < 1e-10:
            break
    assert change < 1e-9
    return RectBivariateSpline(k, z, log_c)


@pytest.fixture(scope="module")
def with_partial_depreciation() -> deqn.Run:
    """Trained by least squares."""
    model = deqn.load_model(
        "brock_mirman",
        [
            "constants.delta=0.1", "optimizer=levenberg_marquardt", "net.warm_start=steady_state", "run.N_episodes=8",
            "run.N_minibatch_size=256",
        ],
    )  # fmt: skip
    Trainer(model).fit(quiet=True)
    return deqn.Run(model, Path())


def test_without_shocks_partial_depreciation_rests_near_the_steady_state(with_partial_depreciation):
    """Capital comes to rest where the Euler equation without risk holds; risk moves it by less than 1 %."""
    rest = with_partial_depreciation.stochastic_steady_state()
    assert rest.common
    assert float(rest.state[0]) == pytest.approx((0.36 / (1 / 0.96 - 0.9)) ** (1 / 0.64), rel=0.01)


def test_partial_depreciation_is_solved_to_time_iteration(with_partial_depreciation):
    run = with_partial_depreciation
    states = run.simulate(batch=50, length=300)[100:].flatten(0, 1)
    K, z = states.double().numpy().T
    output = np.exp(z) * K**0.36
    exact = 1 - np.exp(time_iteration()(np.log(K), z, grid=False)) / output
    error = np.abs(run.policies(states)[:, 0].double().numpy() - exact)
    assert np.quantile(error, 0.99) < 1e-5
    assert error.max() < 1e-3  # in a state far out in the tails
