"""Growth with elastic labour: its reference against two other methods, and the model against its reference."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from tests.models.conftest import reference_of


@pytest.fixture(scope="module")
def chebyshev() -> ModuleType:
    """models/rbc_labor/reference/Reference.py by itself."""
    return reference_of("rbc_labor")


def constants(**changes: float) -> dict[str, float]:
    """Those of the model with its steady state, computed here from the textbook's conditions."""
    p = {"alpha": 0.36, "beta": 0.99, "delta": 0.025, "gamma": 1.0, "frisch": 0.75, "rho": 0.95, "sigma": 0.00712}
    p |= changes
    hours, gross = 1 / 3, 1 / p["beta"] - 1 + p["delta"]
    capital = hours * (p["alpha"] / gross) ** (1 / (1 - p["alpha"]))
    output = capital * gross / p["alpha"]
    consumption = output - p["delta"] * capital
    wage = (1 - p["alpha"]) * output / hours
    chi = wage * consumption ** -p["gamma"] * hours ** (-1 / p["frisch"])
    return p | {"K_ss": capital, "C_ss": consumption, "N_ss": hours, "chi": chi}


def box(p: dict[str, float], n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Capital within 30 % of the steady state, log productivity within 4 standard deviations."""
    rng = np.random.default_rng(0)
    sd = p["sigma"] / (1 - p["rho"] ** 2) ** 0.5
    return p["K_ss"] * rng.uniform(0.7, 1.3, n), sd * rng.uniform(-4, 4, n)


def test_the_steady_state_of_the_model_is_that_of_the_textbook():
    model, expected = deqn.load_model("rbc_labor"), constants()
    for name in ("K_ss", "C_ss", "N_ss", "chi"):
        assert float(getattr(model.Parameters, name)) == pytest.approx(expected[name], rel=1e-12)


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_the_reference_has_no_euler_error_between_its_nodes(chebyshev, gamma):
    p = constants(gamma=gamma)
    assert np.abs(chebyshev.solve(p).euler_error(*box(p))).max() < 1e-12


def test_a_coarser_polynomial_and_more_nodes_of_the_shock_give_the_same_policy(chebyshev):
    p = constants()
    K, z = box(p)
    fine = chebyshev.solve(p).policies(K, z)
    for other in (chebyshev.solve(p, n_K=12, n_z=8), chebyshev.solve(p, n_nodes=9)):
        for name, values in other.policies(K, z).items():
            np.testing.assert_allclose(values, fine[name], rtol=1e-9)


def test_the_reference_finds_the_closed_form_of_full_depreciation(chebyshev):
    """Log utility, delta = 1: K' = alpha beta Y, and hours are the same in every state."""
    p = constants(delta=1.0)
    K, z = box(p)
    found = chebyshev.solve(p).policies(K, z)
    np.testing.assert_allclose(found["K_next"], p["alpha"] * p["beta"] * found["Y"], rtol=1e-11)
    hours = ((1 - p["alpha"]) / (p["chi"] * (1 - p["alpha"] * p["beta"]))) ** (1 / (1 + 1 / p["frisch"]))
    np.testing.assert_allclose(found["N"], hours, rtol=1e-11)


def test_hours_that_cannot_change_are_one_and_the_closed_form_is_that_of_growth_alone(chebyshev):
    """A Frisch elasticity of zero, log utility, delta = 1: the economy of `rbc`, K' = alpha beta Y."""
    p = constants(delta=1.0)
    capital = (p["alpha"] * p["beta"]) ** (1 / (1 - p["alpha"]))
    p |= {"frisch": 0.0, "chi": 1.0, "N_ss": 1.0, "K_ss": capital, "C_ss": capital ** p["alpha"] - capital}
    K, z = box(p)
    found = chebyshev.solve(p).policies(K, z)
    assert (found["N"] == 1).all()
    np.testing.assert_allclose(found["K_next"], p["alpha"] * p["beta"] * found["Y"], rtol=1e-11)


def time_iteration(p: dict[str, float], n_K: int = 60, n_z: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grids of log capital and log productivity, and log consumption there: Euler equation iterated with cubic splines.

    A method of its own: splines instead of one polynomial, iteration in time by endogenous nodes of capital (Carroll, 2006)
    instead of Newton's method, and nothing taken from Reference.py.
    """
    from scipy.interpolate import CubicSpline, RectBivariateSpline

    alpha, delta, gamma = p["alpha"], p["delta"], p["gamma"]
    power = 1 / (1 / p["frisch"] + alpha)
    sd = p["sigma"] / (1 - p["rho"] ** 2) ** 0.5
    log_K = np.log(p["K_ss"]) + np.linspace(np.log(0.5), np.log(1.6), n_K)
    z = np.linspace(-10 * sd, 10 * sd, n_z)
    points, weights = np.polynomial.hermite_e.hermegauss(5)
    following, weights = p["rho"] * z[:, None] + p["sigma"] * points, weights / weights.sum()
    later_K = log_K[:, None, None]

    def work(capital, productivity, log_C):
        return ((1 - alpha) * np.exp(productivity - gamma * log_C) * capital**alpha / p["chi"]) ** power

    log_C = np.log(p["C_ss"]) + 0.6 * (log_K - np.log(p["K_ss"]))[:, None] + 0.4 * z
    for _ in range(2000):
        spline = RectBivariateSpline(log_K, z, log_C)
        later_C = spline(later_K, following[None], grid=False)
        N = work(np.exp(later_K), following[None], later_C)
        R = 1 - delta + alpha * np.exp(following[None]) * (N / np.exp(later_K)) ** (1 - alpha)
        today = -np.log(p["beta"] * ((R * np.exp(-gamma * later_C)) @ weights)) / gamma  # [n_K, n_z], at K' on the grid
        capital = np.exp(log_K)[:, None] * np.ones(n_z)  # that leads to K': Newton's method on the resource constraint
        for _ in range(30):
            N = work(capital, z, today)
            Y = np.exp(z) * capital**alpha * N ** (1 - alpha)
            gap = (1 - delta) * capital + Y - np.exp(today) - np.exp(log_K)[:, None]
            capital = capital - gap / (1 - delta + Y / capital * (alpha + (1 - alpha) * alpha * power))
        new = np.stack([CubicSpline(np.log(capital[:, j]), today[:, j])(log_K) for j in range(n_z)], axis=1)
        moved, log_C = np.abs(new - log_C).max(), new
        if moved < 1e-10:
            break
    return log_K, z, log_C


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_the_reference_is_what_time_iteration_on_splines_finds(chebyshev, gamma):
    p = constants(gamma=gamma)
    log_K, z, log_C = time_iteration(p)
    inside = np.ix_(np.abs(log_K - np.log(p["K_ss"])) < np.log(1.25), np.abs(z) < 0.45 * z[-1])
    K_at, z_at = np.meshgrid(np.exp(log_K), z, indexing="ij")
    known = chebyshev.solve(p).consumption(K_at.ravel(), z_at.ravel()).reshape(K_at.shape)
    assert np.abs(log_C - np.log(known))[inside].max() < 1e-6


@pytest.fixture(scope="module")
def exact(chebyshev) -> deqn.Model:
    """The model with the reference in place of the network."""
    model = deqn.load_model("rbc_labor")
    solution = chebyshev.solve(constants())

    def policy(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, 2).numpy()
        found = solution.policies(flat[:, 0], flat[:, 1])
        pair = np.stack([1 - found["C"] / found["Y"], found["N"]], axis=-1)
        return torch.as_tensor(pair).reshape(*states.shape[:-1], 2)

    model.expectations.policy = policy
    return model


@pytest.fixture(scope="module")
def states() -> torch.Tensor:
    return torch.tensor(np.stack(box(constants()), axis=-1))


def test_the_reference_has_no_residual_in_the_model(exact, states):
    with exact.context():
        residuals = exact.equations(states, exact.expectations.policy(states))
    assert residuals["euler"].abs().max() < 1e-11
    assert residuals["hours"].abs().max() < 1e-11


def test_working_a_hundredth_more_has_a_residual_of_both_equations(exact, states):
    with exact.context():
        policies = exact.expectations.policy(states) * torch.tensor([1.0, 1.01])
        residuals = exact.equations(states, policies)
    assert min(residual.abs().min() for residual in residuals.values()) > 1e-3


def test_output_is_consumed_or_invested_and_paid_to_labour_and_capital(exact, states):
    D, delta = exact.Definitions, 0.025
    with exact.context():
        policies = exact.expectations.policy(states)
        Y, C, K, N = D.Y(states, policies), D.C(states, policies), states[:, 0], policies[:, 1]
        torch.testing.assert_close(D.K_next(states, policies) + C, Y + (1 - delta) * K, rtol=1e-13, atol=0)
        income = D.w(states, policies) * N + (D.R(states, policies) - 1 + delta) * K
        torch.testing.assert_close(income, Y, rtol=1e-13, atol=0)
