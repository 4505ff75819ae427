"""N countries whose households value leisure: closed form, the reference against itself and the model, first-order conditions."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from deqn.economy.steady_state import steady_state
from tests.models.conftest import reference_of
from tests.models.test_irbc import box, check_second_order_solution, tensors
from tests.models.test_irbc_labor import GAMMA, SIZES, A, growth

L = 2.5
COMMON = SIZES | {"A": A, "C_rest": A, "L": L}
# the variants where countries differ, by the number in the programs of Maliar, Maliar and Judd (2011)
NUMBERS = {
    7: COMMON | {"gamma": GAMMA, "xi": np.ones(2), "mu": np.zeros(2)},
    8: COMMON | {"gamma": np.array([0.2, 0.4]), "xi": np.array([0.75, 0.9]), "mu": np.array([-0.3, 0.3])},
}
COBB_DOUGLAS = [f"constants.{name}={x}" for name, x in (("xi_low", 1), ("xi_high", 1), ("mu_low", 0), ("mu_high", 0))]
FULL_DEPRECIATION = ["constants.N=1", "constants.gamma_low=1", "constants.delta=1", "constants.phi=0", *COBB_DOUGLAS]


@pytest.fixture(scope="module")
def polynomials() -> ModuleType:
    """models/irbc/reference/Reference.py by itself."""
    return reference_of("irbc")


@pytest.fixture(scope="module", params=NUMBERS)
def number(request) -> int:
    return request.param


@pytest.fixture(scope="module")
def known(polynomials, number):
    return polynomials.solve(NUMBERS[number])


def model_of(number: int, *overrides: str) -> deqn.Model:
    constants = {3: "irbc_leisure_3", 4: "irbc_leisure_4", 7: "irbc_leisure_7", 8: "irbc_leisure"}
    return deqn.load_model("irbc_leisure", [f"constants={constants[number]}", *overrides])


@pytest.fixture(scope="module")
def model(number) -> deqn.Model:
    return model_of(number)


def test_with_full_depreciation_and_logs_the_reference_is_the_closed_form(polynomials):
    """A share alpha beta of output is saved, and hours stay at one."""
    scale = 1 / (0.36 * 0.99)
    one = polynomials.solve(
        COMMON
        | {"delta": 1.0, "phi": 0.0, "A": scale, "C_rest": scale - 1, "gamma": np.ones(1)}
        | {"xi": np.ones(1), "mu": np.zeros(1)}
    )
    k, a = box(1)
    found, output = one.policies(k, a), scale * np.exp(a) * k**0.36
    np.testing.assert_allclose(found["k_next"], 0.36 * 0.99 * output, rtol=1e-9)
    np.testing.assert_allclose(found["l"], np.ones_like(k), rtol=1e-9)


def test_with_full_depreciation_and_logs_the_closed_form_solves_the_models_equation():
    model = deqn.load_model("irbc_leisure", FULL_DEPRECIATION)

    def policy(states: torch.Tensor) -> torch.Tensor:
        k, a = states[..., :1], states[..., 1:]
        return torch.exp(a) * k ** (0.36 - 1) - 1  # alpha beta A = 1

    states = tensors(1)
    model.expectations.policy = policy
    with model.context(), torch.no_grad():
        residual = model.equations(states, policy(states))["euler"]
        hours = model.Definitions.l(states, policy(states))
    assert residual.abs().max() < 1e-11
    torch.testing.assert_close(hours, torch.ones_like(hours))


def test_a_polynomial_of_another_degree_gives_the_same_policies(polynomials, known, number):
    coarse = polynomials.solve(NUMBERS[number], degree=4)
    for name in ("k_next", "C", "l"):
        one, other = (solution.policies(*box(2))[name] for solution in (known, coarse))
        np.testing.assert_allclose(one, other, atol=3e-5, rtol=0)


def test_two_like_countries_with_the_same_shocks_are_one(polynomials):
    first = {name: NUMBERS[8][name][:1] for name in ("gamma", "xi", "mu")}
    alike = NUMBERS[8] | {"sigma": 0.0}
    one = polynomials.solve(alike | first)
    both = polynomials.solve(alike | {name: np.tile(x, 2) for name, x in first.items()}, degree=4)
    k, a = box(1)
    expected, found = one.policies(k, a), both.policies(np.tile(k, 2), np.tile(a, 2))
    np.testing.assert_allclose(found["k_next"], np.tile(expected["k_next"], 2), atol=2e-5)
    np.testing.assert_allclose(found["l"], np.tile(expected["l"], 2), atol=1e-4)


@pytest.mark.parametrize("degree", [3, 5])
def test_the_reference_has_small_residuals_in_the_model(known, number, degree):
    """Whose expectations are of either degree; and a policy that is off by a tenth of a percentage point has not."""
    model = model_of(number, f"constants.degree={degree}")

    def policy(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, 4).numpy()
        return torch.tensor(known.policies(flat[:, :2], flat[:, 2:])["g"]).reshape(*states.shape[:-1], 2)

    states = tensors(2)
    model.expectations.policy = policy
    with model.context():
        right, wrong = (model.equations(states, policy(states) + e)["euler"].abs() for e in (0.0, 1e-3))
    assert right.max() < 4e-6
    assert wrong.min() > 1e-4


def test_near_rest_the_reference_is_the_second_order_solution(polynomials):
    check_second_order_solution("irbc_leisure", polynomials, NUMBERS[8])


@pytest.mark.parametrize("N", [1, 3, 10])
def test_what_is_produced_is_consumed_invested_or_spent_on_adjustment(N):
    """With three countries mu of the second is zero."""
    model = model_of(8, f"constants.N={N}", "constants.delta=0.02")
    states = tensors(N)
    g = growth(len(states), N)
    with model.context():
        D, k = model.Definitions, model.State.k(states)
        spent = D.C(states, g) + D.k_next(states, g) - (1 - 0.02) * k + 0.5 / 2 * g**2 * k
        torch.testing.assert_close(spent.sum(-1), D.Y(states, g).sum(-1))


def utility(number: int, C: torch.Tensor, l: torch.Tensor) -> torch.Tensor:
    """Of each country with its weight, as in the programs."""
    gamma, xi = (torch.tensor(NUMBERS[number][name]) for name in ("gamma", "xi"))
    if number == 7:
        psi = (1 / 0.64) / (1 / 0.64 + L - 1)
        tau = A ** (psi / gamma) * (L - 1) ** ((1 - psi) / gamma)
        V = C**psi * (L - l) ** (1 - psi)
        return tau * torch.where(
            gamma == 1, torch.log(V), V ** (1 - 1 / gamma) / torch.where(gamma == 1, 1.0, 1 - 1 / gamma)
        )
    b = 0.64 * A / (A / (L - 1)) ** (1 / xi)
    e, at_rest = 1 - 1 / xi, A ** (1 - 1 / xi) + b * (L - 1) ** (1 - 1 / xi)
    tau = at_rest ** ((1 / gamma - 1 / xi) / e) * A ** (1 / xi)
    return tau * (C**e + b * (L - l) ** e) ** ((1 - 1 / gamma) / e) / (1 - 1 / gamma)


def output(number: int, k: torch.Tensor, a: torch.Tensor, l: torch.Tensor) -> torch.Tensor:
    mu = torch.tensor(NUMBERS[number]["mu"])
    if number == 7:
        return A * torch.exp(a) * k**0.36 * l**0.64
    return A * torch.exp(a) * (0.36 * k**mu + 0.64 * l**mu) ** (1 / mu)


def test_marginal_utilities_of_goods_and_of_leisure_are_one_price(model, number):
    """By derivatives of the programs' utility and production: u_C = lambda, -u_l = lambda Y_l; Y_k is in the payoff."""
    states, g = tensors(2), growth(300, 2)
    k, a = states[:, :2].clone().requires_grad_(), states[:, 2:]
    with model.context(), torch.no_grad():
        D = model.Definitions
        C, l, price, payoff = D.C(states, g), D.l(states, g), torch.exp(D.log_lambda(states, g)), D.payoff(states, g)
        torch.testing.assert_close(D.Y(states, g), output(number, k, a, l).detach())
    C, l = C.requires_grad_(), l.requires_grad_()
    by_C, by_l = torch.autograd.grad(utility(number, C, l).sum(), (C, l))
    by_k, product = torch.autograd.grad(output(number, k, a, l).sum(), (k, l))
    unit = by_C.mean() / price.mean()  # lambda is one at rest
    torch.testing.assert_close(by_C, unit * price[:, None].expand(-1, 2))
    torch.testing.assert_close(-by_l, unit * price[:, None] * product)
    torch.testing.assert_close(payoff, by_k.detach() + 1 + 0.5 / 2 * g * (g + 2))


@pytest.mark.parametrize("times", [-2.0, 0.0, 1.4])
def test_the_price_is_found_and_its_derivative_is_that_of_differences(model, times):
    """Where `times` the output at rest is spent; with all of their time households produce 1.8 times that."""
    states = torch.tensor([[1.2, 0.9, 0.1, -0.1]], dtype=model.dtype)
    with model.context():
        D = model.Definitions
        g = torch.full((1, 2), times * A, dtype=model.dtype, requires_grad=True)
        C, Y, spent, price = D.C(states, g), D.Y(states, g), D.spent(states, g), D.log_lambda(states, g)
        torch.testing.assert_close(C.mean(-1) + spent, Y.mean(-1))
        (found,) = torch.autograd.grad(price.sum(), g)
        for i, step in enumerate(1e-6 * torch.eye(2, dtype=model.dtype)):
            difference = (D.log_lambda(states, g + step) - D.log_lambda(states, g - step)) / 2e-6
            torch.testing.assert_close(found[:, i], difference.detach(), rtol=1e-6, atol=0)


def test_a_countrys_policy_does_not_depend_on_its_place():
    """Of countries that are the same; an untrained network."""
    model = model_of(4, "constants.N=4")
    states, places = tensors(4), torch.tensor([2, 0, 3, 1])
    with model.context(), torch.no_grad():
        policies = model.policy(states)
        turned = torch.cat([states[:, places], states[:, 4 + places]], dim=-1)
        torch.testing.assert_close(model.policy(turned), policies[:, places])
        residuals, others = (model.equations(s, model.policy(s))["euler"] for s in (states, turned))
    torch.testing.assert_close(others, residuals[:, places])
    assert policies.std() > 1e-5


@pytest.mark.parametrize("name", ["gamma", "xi", "mu"])
def test_the_network_tells_countries_apart_by_each_elasticity(name):
    spread = {"gamma": (0.2, 0.4), "xi": (0.75, 0.9), "mu": (-0.3, 0.3)}[name]
    ends = [f"constants.{name}_{end}={x}" for end, x in zip(("low", "high"), spread, strict=True)]
    found = dict(model_of(4, *ends).network.named_buffers())
    (place,) = (value for key, value in found.items() if key.endswith("elasticity"))
    torch.testing.assert_close(place, torch.tensor([-1.0, 1.0], dtype=torch.float64))


@pytest.mark.parametrize(("number", "delta"), [(3, 0.0), (8, 0.025)])
def test_the_steady_state_is_at_one(number, delta):
    model = model_of(number, f"constants.delta={delta}")
    found = steady_state(model)
    assert found is not None
    torch.testing.assert_close(found.state, torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=model.dtype))
    with model.context():
        D, policy = model.Definitions, found.policy.reshape(1, 2)
        hours, price = D.l(found.state, policy), D.log_lambda(found.state, policy)
    torch.testing.assert_close(hours, torch.ones_like(hours))
    torch.testing.assert_close(price, torch.zeros_like(price))
