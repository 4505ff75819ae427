"""N countries that choose hours: the reference against another method and itself, first-order conditions, resources, symmetry."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from tests.models.conftest import reference_of
from tests.models.test_irbc import SD_A, box, check_second_order_solution, tensors

SIZES = {
    "beta": 0.99,
    "alpha": 0.36,
    "delta": 0.0,
    "phi": 0.5,
    "rho": 0.95,
    "sigma": 0.01,
    "sigma_common": 0.01,
    "sd_a": SD_A,
}
A = 0.01 / (0.36 * 0.99)
GAMMA, ETA = np.array([0.25, 1.0]), np.array([0.1, 1.0])
TWO = SIZES | {"A": A, "C_rest": A, "gamma": GAMMA, "eta": ETA}


@pytest.fixture(scope="module")
def polynomials() -> ModuleType:
    """models/irbc/reference/Reference.py by itself."""
    return reference_of("irbc")


@pytest.fixture(scope="module")
def known(polynomials):
    return polynomials.solve(TWO)


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("irbc_labor")


def growth(n: int, N: int) -> torch.Tensor:
    """Some growth of capital, `[n, N]`."""
    return 0.005 * torch.tensor(np.random.default_rng(1).standard_normal((n, N)))


def test_a_polynomial_of_another_degree_gives_the_same_policies(polynomials, known):
    coarse = polynomials.solve(TWO, degree=4)
    for name in ("k_next", "C", "l"):
        one, other = (solution.policies(*box(2))[name] for solution in (known, coarse))
        np.testing.assert_allclose(one, other, atol=2e-5, rtol=0)


def test_without_costs_one_country_is_rbc_labor(polynomials):
    """Held against the collocation of `rbc_labor` at its depreciation and Frisch elasticity, for log utility."""
    delta, eta = 0.025, 0.75
    scale = (1 / 0.99 - 1 + delta) / 0.36  # A, with which capital is one at rest
    unit = scale ** (1 / (0.36 - 1))  # of capital
    rest = scale - delta
    textbook = SIZES | {"delta": delta, "gamma": 1.0, "frisch": eta, "sigma": 2**0.5 * 0.01, "chi": 0.64 * scale / rest}
    expected = reference_of("rbc_labor").solve(textbook | {"K_ss": unit, "C_ss": unit * rest, "N_ss": 1.0})
    one = polynomials.solve(
        SIZES
        | {"delta": delta, "phi": 0.0, "A": scale, "C_rest": rest, "gamma": np.array([1.0]), "eta": np.array([eta])}
    )
    k, a = box(1)
    found, known = one.policies(k, a), expected.policies(unit * k[:, 0], a[:, 0])
    np.testing.assert_allclose(found["C"][:, 0], known["C"] / unit, rtol=1e-8)
    np.testing.assert_allclose(found["l"][:, 0], known["N"], rtol=1e-8)


def test_two_like_countries_with_the_same_shocks_are_one(polynomials):
    alike = TWO | {"sigma": 0.0, "gamma": np.array([0.5, 0.5]), "eta": np.array([0.4, 0.4])}
    one = polynomials.solve(alike | {"gamma": np.array([0.5]), "eta": np.array([0.4])})
    both = polynomials.solve(alike, degree=4)
    k, a = box(1)
    expected, found = one.policies(k, a), both.policies(np.tile(k, 2), np.tile(a, 2))
    np.testing.assert_allclose(found["k_next"], np.tile(expected["k_next"], 2), atol=5e-6)
    np.testing.assert_allclose(found["l"], np.tile(expected["l"], 2), atol=5e-5)


def test_near_rest_the_reference_is_the_second_order_solution(polynomials):
    check_second_order_solution("irbc_labor", polynomials, TWO)


@pytest.mark.parametrize("degree", [3, 5])
def test_the_reference_has_small_residuals_in_the_model(known, degree):
    """Whose expectations are of either degree; and a policy that is off by a tenth of a percentage point has not."""
    model = deqn.load_model("irbc_labor", [f"constants.degree={degree}"])

    def policy(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, 4).numpy()
        return torch.tensor(known.policies(flat[:, :2], flat[:, 2:])["g"]).reshape(*states.shape[:-1], 2)

    states = tensors(2)
    model.expectations.policy = policy
    with model.context():
        right, wrong = (model.equations(states, policy(states) + e)["euler"].abs() for e in (0.0, 1e-3))
    assert right.max() < 2e-6
    assert wrong.min() > 1e-4


@pytest.mark.parametrize("N", [1, 10])
def test_what_is_produced_is_consumed_invested_or_spent_on_adjustment(N):
    model = deqn.load_model("irbc_labor", [f"constants.N={N}", "constants.delta=0.02"])
    states = tensors(N)
    g = growth(len(states), N)
    with model.context():
        D, k = model.Definitions, model.State.k(states)
        spent = D.C(states, g) + D.k_next(states, g) - (1 - 0.02) * k + 0.5 / 2 * g**2 * k
        torch.testing.assert_close(spent.sum(-1), D.Y(states, g).sum(-1))


def test_marginal_utilities_of_goods_and_of_leisure_are_one_price(model):
    """tau C^(-1/gamma) = lambda and tau b l^(1/eta) = lambda (1 - alpha) A e^a (k / l)^alpha, by the article's tau and b."""
    states, g = tensors(2), growth(300, 2)
    gamma, eta = torch.tensor(GAMMA), torch.tensor(ETA)
    tau, b = A ** (1 / gamma), 0.64 * A ** (1 - 1 / gamma)
    with model.context():
        C, l = model.Definitions.C(states, g), model.Definitions.l(states, g)
        price = torch.exp(model.Definitions.log_lambda(states, g))[:, None].expand(-1, 2)
    torch.testing.assert_close(tau * C ** (-1 / gamma), price)
    product = 0.64 * A * torch.exp(states[:, 2:]) * (states[:, :2] / l) ** 0.36
    torch.testing.assert_close(tau * b * l ** (1 / eta) / product, price)


@pytest.mark.parametrize("times", [-2.0, 0.0, 6.0])
def test_the_price_is_found_for_any_policy_and_its_derivative_is_the_exact_one(model, times):
    """Where `times` the consumption at rest is spent: supply less demand has the slope of both in log lambda."""
    states = torch.tensor([[1.2, 0.9, 0.1, -0.1]], dtype=model.dtype)
    with model.context():
        D = model.Definitions
        g = torch.full((1, 2), times * A, dtype=model.dtype, requires_grad=True)
        C, Y, spent, price = D.C(states, g), D.Y(states, g), D.spent(states, g), D.log_lambda(states, g)
        torch.testing.assert_close(C.mean(-1) + spent, Y.mean(-1))
        by_price, by_spent = (torch.autograd.grad(x.sum(), g, retain_graph=True)[0] for x in (price, spent))
    supply = torch.tensor(0.64 * ETA / (1 + 0.36 * ETA))
    torch.testing.assert_close(by_price, by_spent / (torch.tensor(GAMMA) * C + supply * Y).mean())


def test_a_countrys_policy_does_not_depend_on_its_place():
    """Of countries that are the same; an untrained network."""
    alike = ["constants.gamma_low=0.5", "constants.gamma_high=0.5", "constants.eta_low=0.4", "constants.eta_high=0.4"]
    model = deqn.load_model("irbc_labor", ["constants.N=4", *alike])
    states, places = tensors(4), torch.tensor([2, 0, 3, 1])
    with model.context(), torch.no_grad():
        policies = model.policy(states)
        turned = torch.cat([states[:, places], states[:, 4 + places]], dim=-1)
        torch.testing.assert_close(model.policy(turned), policies[:, places])
        residuals, others = (model.equations(s, model.policy(s))["euler"] for s in (states, turned))
    torch.testing.assert_close(others, residuals[:, places])
    assert policies.std() > 1e-5


def test_the_network_tells_countries_apart_by_either_elasticity():
    same_gamma = deqn.load_model("irbc_labor", ["constants.gamma_low=0.5", "constants.gamma_high=0.5"])
    found = dict(same_gamma.network.named_buffers())
    (place,) = (value for name, value in found.items() if name.endswith("elasticity"))
    torch.testing.assert_close(place, torch.tensor([-1.0, 1.0], dtype=torch.float64))


@pytest.mark.parametrize("delta", [0.0, 0.025])
def test_the_steady_state_is_at_one(delta):
    from deqn.economy.steady_state import steady_state

    model = deqn.load_model("irbc_labor", [f"constants.delta={delta}"])
    found = steady_state(model)
    assert found is not None
    torch.testing.assert_close(found.state, torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=model.dtype))
    with model.context():
        hours = model.Definitions.l(found.state, found.policy.reshape(1, 2))
    torch.testing.assert_close(hours, torch.ones_like(hours))
