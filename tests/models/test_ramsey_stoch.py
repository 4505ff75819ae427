"""Growth with long-run risk: the reference against a closed form and itself, model and second-order solution against both."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from deqn.economy.known_answer import closed_form
from deqn.economy.second_order import second_order_solution
from tests.models.conftest import reference_of

NAMES = ["alpha", "beta", "gamma", "psi", "delta", "zeta", "mu", "rho", "sigma", "sigma_x", "k_ss", "rate_ss", "C_ss"]
CLOSED = ["constants.psi=1", "constants.delta=1", "constants.zeta=0"]


@pytest.fixture(scope="module")
def bellman() -> ModuleType:
    return reference_of("ramsey_stoch")


@pytest.fixture(scope="module")
def shipped() -> deqn.Model:
    return deqn.load_model("ramsey_stoch")


def constants(model: deqn.Model) -> dict[str, float]:
    return {name: float(getattr(model.Parameters, name)) for name in NAMES}


def residuals(model: deqn.Model, policies, error: float = 0.0) -> dict[str, torch.Tensor]:
    """Of the model with these policies in place of the network, both times 1 + error, at 200 of its initial states."""

    def policy(states: torch.Tensor) -> torch.Tensor:
        found = policies(states.reshape(-1, 2))
        return (1 + error) * torch.stack([found["s"], found["log_v"]], dim=-1).reshape(*states.shape[:-1], 2)

    states = model.initial_states(200)
    before, model.expectations.policy = model.expectations.policy, policy
    try:
        with model.context(), torch.no_grad():
            return model.equations(states, policy(states))
    finally:
        model.expectations.policy = before


def by_reference(solution):
    """Policies of a reference, of states `[n, 2]`."""
    return lambda states: {name: torch.as_tensor(x) for name, x in solution.policies(*states.numpy().T).items()}


def test_a_finer_reference_gives_the_same_policies(bellman, shipped):
    p, states = constants(shipped), shipped.initial_states(300).numpy()
    known = bellman.solve(p).policies(*states.T)
    for finer in ({"n_k": 24, "n_x": 12}, {"n_nodes": 7}):
        other = bellman.solve(p, **finer).policies(*states.T)
        for name, values in known.items():
            np.testing.assert_allclose(other[name], values, atol=1e-8, rtol=0)


def test_the_reference_knows_the_closed_form_of_full_depreciation(bellman):
    """For psi = delta = 1, whatever the risk aversion: two methods, and the model's residuals with the formula."""
    model = deqn.load_model("ramsey_stoch", CLOSED)
    states = model.initial_states(300)
    known = closed_form(model, states)
    found = bellman.solve(constants(model)).policies(*states.numpy().T)
    np.testing.assert_allclose(found["C"], known["C"], rtol=1e-9)
    np.testing.assert_allclose(found["log_v"], known["value"].log(), atol=1e-9)

    def policies(at: torch.Tensor) -> dict[str, torch.Tensor]:
        saved = model.Parameters.alpha * model.Parameters.beta
        return {"s": torch.full_like(at[:, 0], saved), "log_v": closed_form(model, at)["value"].log()}

    assert max(float(values.abs().max()) for values in residuals(model, policies).values()) < 1e-9


def test_the_reference_has_no_residual_in_the_model_and_others_have(bellman, shipped):
    """Bellman's equation and the best investment against the Euler equation, discount factor and price of capital."""
    policies = by_reference(bellman.solve(constants(shipped)))
    assert max(float(values.abs().max()) for values in residuals(shipped, policies).values()) < 1e-6
    wrong = residuals(shipped, policies, error=1e-3)
    assert float(wrong["value"].abs().median()) > 1e-4
    assert float(wrong["euler"].abs().median()) > 1e-5


def test_in_the_limit_of_small_risk_the_second_order_solution_is_that_of_the_reference(bellman):
    """As shocks and deviations are halved, its distance falls by the third order or faster, the linear rule's by the second."""
    distances = []
    for scale in (0.1, 0.05):
        risk = [f"constants.sigma={0.0136 * scale}", f"constants.sigma_x={0.0007 * scale}"]
        model = deqn.load_model("ramsey_stoch", risk)
        found = second_order_solution(model)
        k = found.linear.state[0]
        away = scale * torch.tensor([[0.0, 0.0], [0.2, 0.0], [-0.2, 0.005], [0.1, -0.01]], dtype=torch.float64)
        states = found.linear.state + away * torch.tensor([float(k), 1.0], dtype=torch.float64)
        answer = bellman.solve(constants(model)).policies(*states.numpy().T)
        known = np.stack([answer["s"], answer["log_v"]], axis=-1)
        distances.append([np.abs(rule.policies(states).numpy() - known).max(0) for rule in (found.linear, found)])
    linear, quadratic = np.log2(np.array(distances[0]) / np.array(distances[1]))
    np.testing.assert_allclose(linear, [2, 2], atol=0.05)
    assert (quadratic > 2.9).all()


def test_the_correction_for_risk_is_that_of_the_closed_form():
    """For psi = delta = 1, log V falls by a multiple of the variances, and investment does not move."""
    small = ["constants.sigma=0.00136", "constants.sigma_x=0.00007"]
    found, without = (
        deqn.load_model("ramsey_stoch", [*CLOSED, *risk])
        for risk in (small, ["constants.sigma=0", "constants.sigma_x=0"])
    )
    solution = second_order_solution(found)
    at = solution.linear.state[None]
    lost = closed_form(found, at)["value"].log() - closed_form(without, at)["value"].log()
    np.testing.assert_allclose(solution.risk.numpy() / 2, [0.0, float(lost)], rtol=2e-6, atol=1e-10)


def test_risk_and_its_aversion_raise_capital(bellman, shipped):
    """The substitution effect of a riskier return is small beside precaution: who dislikes risk saves more."""
    p = constants(shipped)
    at = (np.array([p["k_ss"]]), np.zeros(1))
    saved = [bellman.solve(p | {"gamma": gamma}).policies(*at)["s"][0] for gamma in (2.0, 5.0, 10.0)]
    assert saved[0] < saved[1] < saved[2]


def test_an_infinite_value_is_refused():
    with pytest.raises(deqn.ModelError, match="the value is not finite"):
        deqn.load_model("ramsey_stoch", ["constants.beta=0.9999"], check=False)
