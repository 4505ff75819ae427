"""deqn/economy/linear.py, against closed forms, textbook roots and paths of perfect foresight."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.economy import linear
from deqn.economy.linear import NoLinearSolution, linear_solution
from tests.conftest import own_model, shipped


def mine(tmp_path, *overrides: str, **files: str) -> deqn.Model:
    folder = own_model(tmp_path / "models", **files)
    return deqn.load_model("brock_mirman", [f"MODELS_DIR={folder}", "MODEL_NAME=mine", *overrides], check=False)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
def test_growth_with_full_depreciation_has_the_slopes_of_its_closed_form(precision, tolerance):
    """K' = alpha beta e^z K^alpha: a constant savings rate, and dK'/dK = alpha, dK'/dz = K at the steady state."""
    found = linear_solution(deqn.load_model("brock_mirman", [f"run.keras_precision={precision}"]))
    K = (0.36 * 0.96) ** (1 / 0.64)
    expected = torch.tensor([[0.36, K], [0.0, 0.9]], dtype=torch.float64)
    torch.testing.assert_close(found.slopes, torch.zeros(1, 2, dtype=torch.float64), atol=tolerance, rtol=0)
    torch.testing.assert_close(found.transition, expected, atol=tolerance, rtol=tolerance)
    assert found.roots[2].real == pytest.approx(1 / (0.36 * 0.96))


@pytest.mark.parametrize("name", ["brock_mirman", "bm1972"])
def test_growth_with_partial_depreciation_has_the_roots_of_the_textbook(name):
    """Those of [k', c'] in [k, c]: k' = f(k) + (1 - delta) k - c, c' = beta c (f'(k') + 1 - delta)."""
    alpha, beta, delta = 0.36, 0.96, 0.1
    K = ((1 / beta - 1 + delta) / alpha) ** (1 / (alpha - 1))
    bend = beta * (K**alpha - delta * K) * alpha * (alpha - 1) * K ** (alpha - 2)  # beta c f''
    roots = np.linalg.eigvals([[1 / beta, -1], [bend / beta, 1 - bend]])
    found = linear_solution(deqn.load_model(name, ["constants.delta=0.1", "constants.beta=0.96"]))
    for root in roots:
        assert np.abs(found.roots - root).min() < 1e-9


HABIT_DEFINITIONS = '''
import torch

import Parameters
import PolicyState
import State


def Y(state, policy_state):
    return torch.exp(State.z(state)) * State.K(state) ** Parameters.alpha * PolicyState.N(policy_state) ** (1 - Parameters.alpha)


def K_next(state, policy_state):
    return (1 - Parameters.delta) * State.K(state) + Y(state, policy_state) - PolicyState.C(policy_state)


def R(state, policy_state):
    return Parameters.alpha * Y(state, policy_state) / State.K(state) + 1 - Parameters.delta


def surplus(state, policy_state):
    """Consumption beyond the habit, half of last period's."""
    return PolicyState.C(policy_state) - 0.5 * State.H(state)
'''

HABIT_EQUATIONS = """
import Definitions
import Parameters
import PolicyState
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    own = Definitions.surplus(state, policy_state)
    wage = (1 - Parameters.alpha) * Definitions.Y(state, policy_state) / PolicyState.N(policy_state)
    return {
        "euler": 1 - Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * own / Definitions.surplus(s, p)),
        "labour": PolicyState.N(policy_state) * own / wage - 1,
    }
"""

HABIT = [
    "constants.delta=0.1",
    "variables.states=[{name: K, init: {distribution: uniform, kwargs: {minval: 1.0, maxval: 4.0}}},"
    "{name: H, init: {distribution: uniform, kwargs: {minval: 0.3, maxval: 1.0}}},"
    "{name: z, init: {distribution: normal, kwargs: {mean: 0.0, stddev: 0.05}}}]",
    "variables.policies=[{name: C, activation: softplus}, {name: N, activation: softplus}]",
    "variables.definitions=[{name: Y}]",
]


def habit(tmp_path) -> deqn.Model:
    """Growth with labour and an external habit: capital and the habit are endogenous states."""
    dynamics = shipped("brock_mirman", "Dynamics").replace(
        '"z": Parameters', '"H": PolicyState.C(policy_state), "z": Parameters'
    )
    return mine(
        tmp_path,
        *HABIT,
        Definitions=HABIT_DEFINITIONS,
        Equations=HABIT_EQUATIONS,
        Dynamics=dynamics.replace("import State", "import PolicyState\nimport State"),
    )


def perfect_foresight(K0: float, H0: float, z0: float, steady: np.ndarray, periods: int = 150) -> np.ndarray:
    """Consumption and hours today where all of the future is known and ends at the steady state (K, C, N)."""
    from scipy.optimize import root

    alpha, beta, delta, rho = 0.36, 0.96, 0.1, 0.9
    z = z0 * rho ** np.arange(periods)

    def equations(x: np.ndarray) -> np.ndarray:
        K, N = np.concatenate([[K0], x[: periods - 1], steady[:1]]), x[periods - 1 :]
        Y = np.exp(z) * K[:-1] ** alpha * N ** (1 - alpha)
        C = Y + (1 - delta) * K[:-1] - K[1:]
        surplus = C - 0.5 * np.concatenate([[H0], C[:-1]])
        R = alpha * Y / K[:-1] + 1 - delta
        return np.concatenate([surplus[1:] / surplus[:-1] - beta * R[1:], N**2 * surplus - (1 - alpha) * Y])

    start = np.concatenate([np.full(periods - 1, steady[0]), np.full(periods, steady[2])])
    found = root(equations, start, tol=1e-12)
    assert np.abs(found.fun).max() < 1e-9
    N = found.x[periods - 1]
    return np.array([K0**alpha * np.exp(z0) * N ** (1 - alpha) + (1 - delta) * K0 - found.x[0], N])


def test_two_endogenous_states_have_the_slopes_of_perfect_foresight(tmp_path):
    found = linear_solution(habit(tmp_path))
    K, H, _ = found.state.numpy()
    steady = np.array([K, *found.policy.numpy()])
    step = 1e-4
    for i, unit in enumerate(np.eye(3)):
        up, down = (
            perfect_foresight(K + side * unit[0], H + side * unit[1], side * unit[2], steady) for side in (step, -step)
        )
        np.testing.assert_allclose(found.slopes[:, i].numpy(), (up - down) / (2 * step), rtol=2e-5, atol=1e-7)


def test_the_rule_holds_for_batches_of_any_shape_and_type():
    found = linear_solution(model := deqn.load_model("brock_mirman", ["constants.delta=0.1"]))
    states = model.initial_states(6)
    expected = found.policy + (states.double() - found.state) @ found.slopes.T
    torch.testing.assert_close(found.policies(states.view(2, 3, 2)).view(6, 1), expected.float())


def test_a_multiplier_that_rests_at_its_bound_is_no_kink(tmp_path):
    """Irreversible investment, which does not bind at the steady state: the savings of the model without it."""
    equations = """
import Definitions
import Parameters
import PolicyState
import State
from deqn.numerics.complementarity import fischer_burmeister


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    price = lambda s, p: (1 - PolicyState.mu(p)) / Definitions.C(s, p)
    later = lambda s, p: (
        Parameters.alpha * Definitions.Y(s, p) / State.K(s) / Definitions.C(s, p) + (1 - Parameters.delta) * price(s, p)
    )
    binds = fischer_burmeister(PolicyState.mu(policy_state), PolicyState.s(policy_state))
    return {"euler": 1 - Parameters.beta * E_t(later) / price(state, policy_state), "mu": binds}
"""
    model = mine(
        tmp_path,
        "constants.delta=0.1",
        "variables.policies=[{name: s, bounds: {lower: -1, upper: 0.99}}, {name: mu, bounds: {lower: 0, penalty_lower: 1}}]",
        Equations=equations,
    )
    found, without = linear_solution(model), linear_solution(deqn.load_model("brock_mirman", ["constants.delta=0.1"]))
    torch.testing.assert_close(found.slopes[:1], without.slopes)
    torch.testing.assert_close(found.slopes[1:], torch.zeros(1, 2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("0.1 * State.z(state).clamp(min=0)", "equation 1 has a kink in z at the steady state"),
        ("(State.z(state) ** 2).sqrt()", "the derivative in z is not finite at the steady state"),
    ],
)
def test_equations_without_a_slope_are_told(tmp_path, added, message):
    equations = shipped("brock_mirman", "Equations").replace("C(s, p))}", f"C(s, p)) + {added}}}")
    with pytest.raises(NoLinearSolution, match=message):
        linear_solution(mine(tmp_path, "constants.delta=0.1", Equations=equations))


def small(tmp_path, residual: str, K_next: str = "0.5 * State.K(state)", z_next: str = "0.9 * State.z(state) + shock"):
    """One equation, and laws of motion that are given."""
    dynamics = shipped("brock_mirman", "Dynamics")
    dynamics = dynamics.replace("Definitions.K_next(state, policy_state)", K_next)
    dynamics = dynamics.replace("Parameters.rho * State.z(state) + shock", z_next)
    equations = f"""
import PolicyState
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    later = lambda s, p: PolicyState.s(p) - 0.3
    return {{"p": PolicyState.s(policy_state) - 0.3 - ({residual})}}
"""
    return mine(tmp_path, Equations=equations, Dynamics=dynamics)


@pytest.mark.parametrize(
    ("residual", "K_next", "message"),
    [
        ("2 * E_t(later) + State.K(state)", "0.5 * State.K(state)", "many stable solutions"),
        ("0.5 * E_t(later) + State.K(state)", "1.1 * State.K(state)", "no stable solution: 1 root"),
    ],
)
def test_without_a_stable_rule_or_with_many_the_roots_are_told(tmp_path, residual, K_next, message):
    with pytest.raises(NoLinearSolution, match=rf"{message}.*roots .*0\.9"):
        linear_solution(small(tmp_path, residual, K_next))


def test_a_regime_that_is_compared_with_numbers_is_told(tmp_path):
    model = small(tmp_path, "0.01 * (State.z(state) > 0.05)", z_next="0 * State.z(state) + shock")
    with pytest.raises(NoLinearSolution, match="change in jumps with state z: it is an index"):
        linear_solution(model)


def test_equations_that_look_two_periods_ahead_are_told(tmp_path):
    model = small(tmp_path, "0.3 * E_t(lambda s, p: State.E_t_gen(s, p)(later)) + 0.1 * State.z(state)")
    with pytest.raises(NoLinearSolution, match="more than one period ahead"):
        linear_solution(model)


def test_large_models_are_left_alone(monkeypatch):
    monkeypatch.setattr(linear, "LARGEST", 2)
    with pytest.raises(NoLinearSolution, match="3 entries of states and policies; it is looked for with up to 2"):
        linear_solution(deqn.load_model("brock_mirman", check=False))


def test_files_that_ask_for_float32_are_told(tmp_path):
    equations = shipped("brock_mirman", "Equations").replace(
        "    C = ", "    torch.ones(2, 2, dtype=torch.float32) @ state.T\n    C = "
    )
    model = mine(tmp_path, Equations=f"import torch\n{equations}")
    with pytest.raises(NoLinearSolution, match="the model's files fail in float64: RuntimeError"):
        linear_solution(model)


def test_model_and_generator_are_as_before():
    model = deqn.load_model("brock_mirman")
    states = model.initial_states(5)
    generator, before = model.rng.get_state(), model.equations(states, model.policy(states))["euler"]
    linear_solution(model)
    assert torch.equal(model.rng.get_state(), generator)
    assert torch.equal(model.equations(states, model.policy(states))["euler"], before)
