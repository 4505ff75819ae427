"""N countries: the reference against other methods and itself, symmetry, complete markets, resources."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from deqn.economy.second_order import second_order_solution
from tests.models.conftest import reference_of

SIZES = {"beta": 0.99, "alpha": 0.36, "delta": 0.01, "phi": 0.5, "rho": 0.95, "sigma": 0.01, "sigma_common": 0.01}
A = (1 - 0.99 * 0.99) / (0.36 * 0.99)
SD_A = 0.01 * (2 / (1 - 0.95**2)) ** 0.5
TWO = SIZES | {"A": A, "gamma": np.array([0.25, 1.0]), "sd_a": SD_A}


@pytest.fixture(scope="module")
def polynomials() -> ModuleType:
    """models/irbc/reference/Reference.py by itself."""
    return reference_of("irbc")


@pytest.fixture(scope="module")
def known(polynomials):
    return polynomials.solve(TWO, degree=5)


def box(N: int, n: int = 300, size: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Capital and log productivity of N countries within `size` standard deviations, `[n, N]` each."""
    x = size * SD_A * np.random.default_rng(0).uniform(-1, 1, (n, 2 * N))
    return np.exp(1.5 * x[:, :N]), x[:, N:]


def test_a_polynomial_of_another_degree_gives_the_same_policies(polynomials, known):
    coarse = polynomials.solve(TWO, degree=4)
    for name in ("k_next", "C"):
        one, other = (solution.policies(*box(2))[name] for solution in (known, coarse))
        np.testing.assert_allclose(one, other, atol=3e-5, rtol=0)


def test_without_costs_one_country_is_the_textbooks_real_business_cycle(polynomials):
    """Held against the collocation of `rbc_labor` with fixed hours, in its units of capital, for log utility."""
    textbook = reference_of("rbc_labor").solve
    unit = A ** (1 / (0.36 - 1))  # of capital
    p = SIZES | {"gamma": 1.0, "sigma": 2**0.5 * 0.01, "K_ss": unit, "C_ss": unit * (A - 0.01)}
    p |= {"frisch": 0.0, "chi": 1.0, "N_ss": 1.0}
    one = polynomials.solve(TWO | {"phi": 0.0, "gamma": np.array([1.0])})
    k, a = box(1)
    expected = textbook(p).consumption(unit * k[:, 0], a[:, 0]) / unit
    np.testing.assert_allclose(one.policies(k, a)["C"][:, 0], expected, rtol=1e-8)


def test_two_like_countries_with_the_same_shocks_are_one(polynomials):
    alike = TWO | {"sigma": 0.0, "gamma": np.array([0.5, 0.5])}
    one, both = polynomials.solve(alike | {"gamma": np.array([0.5])}), polynomials.solve(alike, degree=5)
    k, a = box(1)
    expected, found = one.policies(k, a), both.policies(np.tile(k, 2), np.tile(a, 2))
    np.testing.assert_allclose(found["k_next"], np.tile(expected["k_next"], 2), atol=5e-6)
    np.testing.assert_allclose(found["log_lambda"], expected["log_lambda"], atol=2e-4)


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("irbc")


def tensors(N: int, **options: float) -> torch.Tensor:
    return torch.tensor(np.concatenate(box(N, **options), axis=-1))


def check_second_order_solution(name: str, polynomials: ModuleType, constants: dict) -> None:
    """Near rest and with small shocks the polynomials are it.

    The correction for risk is that of the polynomials, and what is left beside it shrinks by eight where the distance is halved.
    """
    small = {"sigma": 0.0025, "sigma_common": 0.0025}
    rule = second_order_solution(deqn.load_model(name, [f"constants.{key}={x}" for key, x in small.items()]))
    known = polynomials.solve(constants | small | {"sd_a": 0.2 * SD_A}, degree=4)

    def distance(x: np.ndarray) -> np.ndarray:
        states = torch.tensor(np.concatenate([np.exp(x[:, :2]), x[:, 2:]], axis=-1))
        return known.growth(x) - rule.policies(states).numpy()

    rest, x = np.zeros((1, 4)), 0.5 * SD_A * np.random.default_rng(2).uniform(-1, 1, (50, 4))
    assert abs(distance(rest)).max() < 1e-9 < 0.1 * abs(known.growth(rest)).max()
    assert 7.5 < abs(distance(x)).mean() / abs(distance(x / 2)).mean() < 9


def test_near_rest_the_reference_is_the_second_order_solution(polynomials):
    check_second_order_solution("irbc", polynomials, TWO)


@pytest.mark.parametrize("degree", [3, 5])
def test_the_reference_has_small_residuals_in_the_model(known, degree):
    """Whose expectations are of either degree; and a policy that is off by a tenth of a percentage point has not."""
    model = deqn.load_model("irbc", [f"constants.degree={degree}"])

    def policy(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, 4).numpy()
        return torch.tensor(known.policies(flat[:, :2], flat[:, 2:])["g"]).reshape(*states.shape[:-1], 2)

    states = tensors(2)
    model.expectations.policy = policy
    with model.context():
        right, wrong = (model.equations(states, policy(states) + e)["euler"].abs() for e in (0.0, 1e-3))
    assert right.max() < 2e-6
    assert wrong.min() > 1e-4


def test_a_countrys_policy_does_not_depend_on_its_place():
    """Of countries that are the same; an untrained network."""
    model = deqn.load_model("irbc", ["constants.N=4", "constants.gamma_low=0.5", "constants.gamma_high=0.5"])
    states, places = tensors(4), torch.tensor([2, 0, 3, 1])
    with model.context(), torch.no_grad():
        policies = model.policy(states)
        turned = torch.cat([states[:, places], states[:, 4 + places]], dim=-1)
        torch.testing.assert_close(model.policy(turned), policies[:, places])
        residuals, others = (model.equations(s, model.policy(s))["euler"] for s in (states, turned))
    torch.testing.assert_close(others, residuals[:, places])
    assert policies.std() > 1e-5


@pytest.mark.parametrize("N", [1, 10])
def test_what_is_produced_is_consumed_invested_or_spent_on_adjustment(N):
    model = deqn.load_model("irbc", [f"constants.N={N}"])
    states = tensors(N)
    g = 0.005 * torch.tensor(np.random.default_rng(1).standard_normal((len(states), N)))
    with model.context():
        D, k = model.Definitions, model.State.k(states)
        spent = D.C(states, g) + D.k_next(states, g) - (1 - SIZES["delta"]) * k + SIZES["phi"] / 2 * g**2 * k
        torch.testing.assert_close(spent.sum(-1), D.Y(states, g).sum(-1))


def test_consumption_is_shared_so_that_weighted_marginal_utilities_are_one_price(model):
    """tau_j C_j^(-1 / gamma_j) = lambda with tau_j = A^(1 / gamma_j)."""
    states, gamma = tensors(2), torch.tensor(TWO["gamma"])
    with model.context():
        C = model.Definitions.C(states, 0 * states[:, :2])
        price = model.Definitions.log_lambda(states, 0 * states[:, :2])
    torch.testing.assert_close((torch.log(C / A) / -gamma), price[:, None].expand(-1, 2))


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_the_prices_derivative_is_the_exact_one(model, factor):
    """Newton's steps: d log lambda / d log C_mean = -C / sum gamma C, and rounding is reached."""
    states = torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=model.dtype)
    with model.context():
        at_rest = float(model.Definitions.C_mean(states, 0 * states[:, :2]))
        g = torch.full((1, 2), (1 - factor) * at_rest, dtype=model.dtype)  # costs of adjustment are added
        g.requires_grad_()
        C_mean, C = model.Definitions.C_mean(states, g), model.Definitions.C(states, g)
        torch.testing.assert_close(C.mean(-1), C_mean)
        by_price, by_C = (torch.autograd.grad(x.sum(), g, retain_graph=True)[0] for x in
                          (model.Definitions.log_lambda(states, g), C_mean))  # fmt: skip
    expected = -by_C * 2 / (torch.tensor(TWO["gamma"]) * C).sum()
    torch.testing.assert_close(by_price, expected)


def test_the_steady_state_is_at_one(model):
    from deqn.economy.steady_state import steady_state

    found = steady_state(model)
    assert found is not None
    torch.testing.assert_close(found.state, torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=model.dtype))
