"""deqn/economy/second_order.py, against closed forms, published numbers and solutions by other methods."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.economy.known_answer import known_answer
from deqn.economy.linear import NoLinearSolution
from deqn.economy.second_order import second_order_solution
from deqn.economy.steady_state import replaced_policy
from tests.conftest import shipped
from tests.unit.economy.test_linear import mine


def test_growth_with_full_depreciation_has_the_second_derivatives_of_its_closed_form():
    """K' = alpha beta z K^alpha, whatever the risk: that of z in levels moves its mean, and yet adds nothing."""
    found = second_order_solution(deqn.load_model("stochastic_growth"))
    alpha, K = 0.36, (0.36 * 0.96) ** (1 / 0.64)
    expected = torch.tensor([[[alpha * (alpha - 1) / K, alpha], [alpha, 0.0]]], dtype=torch.float64)
    torch.testing.assert_close(found.curvature, expected, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(found.risk, torch.zeros(1, dtype=torch.float64), atol=1e-12, rtol=0)


def in_logs(tmp_path) -> deqn.Model:
    """The neoclassical growth model of Schmitt-Grohé and Uribe (2004, section 5.1), in logs."""
    return mine(
        tmp_path,
        *(
            "constants.alpha=0.3",
            "constants.beta=0.95",
            "+constants.gamma=2.0",
            "constants.rho=0.0",
            "constants.sigma=1.0",
        ),
        "variables.states=[{name: k, init: {distribution: normal, kwargs: {mean: -1.8, stddev: 0.1}}},"
        "{name: z, init: {distribution: normal, kwargs: {mean: 0.0, stddev: 0.1}}}]",
        "variables.policies=[{name: c, around: -0.9}, {name: k_next, around: -1.8}]",
        "variables.definitions=[{name: Y}]",
        Definitions="""
import torch

import Parameters
import State


def Y(state, policy_state):
    return torch.exp(State.z(state) + Parameters.alpha * State.k(state))
""",
        Dynamics=shipped("brock_mirman", "Dynamics")
        .replace('"K": Definitions.K_next(state', '"k": PolicyState.k_next(')
        .replace("(, policy", "(policy")
        .replace("import State", "import PolicyState\nimport State"),
        Equations="""
import torch

import Definitions
import Parameters
import PolicyState
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    spent = torch.exp(PolicyState.c(policy_state)) + torch.exp(PolicyState.k_next(policy_state))
    gross = lambda s, p: Parameters.alpha * Definitions.Y(s, p) * torch.exp(-State.k(s))
    later = E_t(lambda s, p: gross(s, p) * torch.exp(-Parameters.gamma * PolicyState.c(p)))
    return {
        "euler": torch.exp(-Parameters.gamma * PolicyState.c(policy_state)) - Parameters.beta * later,
        "resources": spent - Definitions.Y(state, policy_state),
    }
""",
    )


def test_the_numbers_are_those_that_schmitt_grohe_and_uribe_print(tmp_path):
    """Of consumption and of capital next period, by capital and productivity: four digits."""
    found = second_order_solution(in_logs(tmp_path))
    printed = {
        "slopes": (found.linear.slopes, [[0.2525, 0.8417], [0.4191, 1.3970]]),
        "curvature": (
            found.curvature,
            [[[-0.0051, -0.0171], [-0.0171, -0.0569]], [[-0.0070, -0.0233], [-0.0233, -0.0778]]],
        ),
        "risk": (found.risk, [-0.1921, 0.4820]),
    }
    for name, (values, theirs) in printed.items():
        np.testing.assert_allclose(values.numpy(), theirs, atol=5.1e-5, rtol=0, err_msg=name)


def largest_errors(name: str, scale: float, states: torch.Tensor, *overrides: str) -> list[float]:
    """Of the linear and the quadratic rule, to the known answer, at deviations `[n, n_states]` times a scale."""
    model = deqn.load_model(name, ["run.keras_precision=float64", *overrides], check=False)
    found = second_order_solution(model)
    at = found.linear.state + scale * states
    _, known = known_answer(model, at)
    errors = []
    for rule in (found.linear, found):
        policies = rule.policies(at)
        with model.context(), replaced_policy(model, rule.policies), torch.no_grad():
            values = {
                key: getattr(model.Definitions, key)(at, policies)
                if key in model.definition_bounds
                else getattr(model.PolicyState, key)(policies)
                for key in known
            }
        errors.append(max(float((values[key] - known[key]).abs().max()) for key in known))
    return errors


@pytest.mark.parametrize("name", ["rbc", "rbc_labor"])
def test_errors_to_the_collocation_fall_by_the_third_order(name):
    """With deviations and shocks half as large, those of the quadratic rule are an eighth, those of the linear one a quarter."""
    K = float(deqn.load_model(name, check=False).Parameters.K_ss)
    directions = torch.tensor([[0.1 * K, 0.0], [0.0, 0.05], [0.1 * K, -0.05], [0.0, 0.0]], dtype=torch.float64)
    far, near = (
        largest_errors(name, scale, directions, "constants.gamma=2", f"constants.sigma={0.02 * scale}")
        for scale in (0.5, 0.25)
    )
    orders = np.log2(np.array(far) / np.array(near))
    assert orders == pytest.approx([2, 3], abs=0.03)


def test_with_many_states_the_errors_fall_by_the_third_order():
    """Six generations, two of whose states are regimes' values: the closed form of savings."""
    generator = torch.Generator().manual_seed(0)
    directions = 0.1 * torch.randn(20, 7, generator=generator, dtype=torch.float64)
    directions *= torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.3], dtype=torch.float64)
    orders = np.log2(
        np.array(largest_errors("analytic", 0.02, directions)) / largest_errors("analytic", 0.01, directions)
    )
    assert orders == pytest.approx([2, 3], abs=0.03)


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("State.z(state) ** 2", "in the states"),
        ("E_t(lambda s, p: State.z(s) ** 2) - (0.9 * State.z(state)) ** 2", "in the size of shocks"),
    ],
)
def test_equations_that_contradict_each_other_to_the_second_order_are_told(tmp_path, more, where):
    """An equation that says the same as the first to the first order."""
    equations = shipped("brock_mirman", "Equations").replace('return {"euler": 1 -', "euler = 1 -")
    equations = equations.replace("C(s, p))}", f'C(s, p))\n    return {{"euler": euler, "again": euler + {more}}}')
    with pytest.raises(NoLinearSolution, match=f"no second-order solution: .*{where} of all equations"):
        second_order_solution(mine(tmp_path, "constants.delta=0.1", Equations=equations))


def test_second_derivatives_that_are_infinite_are_told(tmp_path):
    equations = shipped("brock_mirman", "Equations").replace("C(s, p))}", "C(s, p)) + State.z(state).abs() ** 1.5}")
    with pytest.raises(NoLinearSolution, match="the second derivatives in the states are not finite"):
        second_order_solution(mine(tmp_path, "constants.delta=0.1", Equations=equations))


def test_the_rule_holds_for_batches_of_any_shape_and_type():
    found = second_order_solution(model := deqn.load_model("rbc", check=False))
    states = model.initial_states(6)
    away = states.double() - found.linear.state
    bend = torch.stack([x @ found.curvature[0] @ x for x in away])[:, None]
    expected = found.linear.policies(states) + (bend + found.risk) / 2
    torch.testing.assert_close(found.policies(states.float().view(2, 3, 2)).view(6, 1), expected.float())
