"""Huggett's economy with aggregate risk: the market, identities, the solution by another method, the linear solution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.analysis.heterogeneous import linear
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer
from tests.models.conftest import reference_of

SMALL = [
    "preset=smoke",
    "constants.nA=40",
    "constants.evaluations=14",
    "run.N_sim_batch=8",
    "run.N_minibatch_size=16",
    "run.keras_precision=float64",
]


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    model = deqn.load_model("huggett", [*SMALL, "run.N_episodes=12", "optimizer.schedule_kwargs.decay_steps=100"])
    probe(model)
    Trainer(model).fit()
    return model


@pytest.fixture(scope="module")
def path(model) -> torch.Tensor:
    """Simulated states `[40, 8, n_states]` of the trained economy."""
    states = [model.Parameters.starting_state[:8]]
    with model.context(), torch.no_grad():
        for _ in range(39):
            states.append(model.step(states[-1]))
    return torch.stack(states)


@pytest.fixture(scope="module")
def reference():
    return reference_of("huggett")


@pytest.fixture(scope="module")
def solution(reference, model):
    return reference.solve(dict(model.config.constants), periods=600, burn_in=200)


def test_the_market_clears_whatever_households_want(model, path):
    """At policies that are off by up to 1 %, another for each node."""
    states = path[-1]
    with model.context(), torch.no_grad():
        noise = torch.randn(model.policy(states).shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        policy = model.policy(states) * (1 + 0.003 * noise.clamp(-3, 3).cumsum(-1) / noise.shape[-1] ** 0.5 / 3)
        assert model.Definitions.clearing(states, policy).abs().max() < 1e-11
        r = model.Definitions.r(states, policy)
        assert (r - model.Definitions.r(states, model.policy(states))).abs().max() > 1e-5, (
            "another price than that of the network"
        )


def test_all_that_is_made_is_consumed_and_nobody_owns_bonds_on_average(model, path):
    with model.context(), torch.no_grad():
        D, policy = model.Definitions, model.policy(path)
        torch.testing.assert_close(D.C(path, policy), D.Y(path, policy), rtol=1e-10, atol=0)
        bonds = (model.State.distribution(path) * model.Parameters.a_grid).sum((-2, -1))
        assert bonds.abs().max() < 1e-10
        torch.testing.assert_close(model.State.distribution(path).sum((-2, -1)), torch.ones(40, 8, dtype=torch.float64))


def test_the_residual_is_the_euler_equation_at_the_price_that_clears(model, path):
    """Written once more, in numpy: q u'(c) = beta E u'(c') for who leaves with each node."""
    states = path[-1, :2]
    with model.context(), torch.no_grad():
        policy, P = model.policy(states), model.Parameters
        residual, q = model.equations(states, policy)["euler"].numpy(), model.Definitions.q(states, policy)
        m = model.Definitions.m(states, policy).numpy()
        for i in range(2):
            here = int((model.State.Z(states[i]) - P.z_grid).abs().argmin())
            value = 0.0
            for later in range(len(P.z_grid)):
                following = model.expectations.dynamics.total_step_spec_shock(
                    states[i : i + 1], policy[i : i + 1], later
                )
                c = model.Definitions.households(following, model.policy(following)).c[0].numpy()
                value = value + float(P.Pi_z[here, later]) * P.Pi_e[later].numpy() @ c**-1.5
            c = float(q[i]) ** (1 / 1.5) * m[i]
            np.testing.assert_allclose(((0.99322 * value / float(q[i])) ** (-1 / 1.5) / c - 1), residual[i], atol=1e-9)


def test_the_stationary_economy_is_that_of_another_program(model, reference):
    """Within .1 basis point of the interest rate; sequence-jacobian against bisection in NumPy."""
    p = reference.economy(dict(model.config.constants))
    still = p | {"Z": np.ones(1), "Pi_z": np.ones((1, 1)), "work": p["work"][[1]]}
    q, m, mass = reference.stationary(still)
    assert 1e4 * abs(1 / q - 1 / model.calibration["q_ss"]) < 1e-4
    np.testing.assert_allclose(m, model.calibration["m_ss"], rtol=1e-6)
    np.testing.assert_allclose(mass, model.calibration["D_ss"], atol=1e-8)
    limit = deqn.load_model("huggett", [*SMALL, "constants.sigma_z=1e-7"])
    with limit.context(), torch.no_grad():
        states = limit.initial_states(2)
        for _ in range(30):  # periods in which the market clears with hardly any aggregate risk
            states = limit.step(states)
        r = limit.Definitions.r(states, limit.policy(states))
    assert 1e4 * (r - (1 / q - 1)).abs().max() < 0.01


def test_a_tighter_limit_lowers_the_interest_rate():
    """The economics of Huggett (1993): who may borrow less saves more for bad times."""
    rates = []
    for limit in (-2.0, -4.0, -8.0):
        found = deqn.load_model("huggett", ["constants.nA=80", f"constants.amin={limit}", "constants.amax=16",
                                            "constants.q_range=0.002"]).calibration  # fmt: skip
        rates.append(1 / found["q_ss"] - 1)
    assert rates[0] < 0 < rates[1] < rates[2] < 1 / 0.99322 - 1


class Exact(torch.nn.Module):
    """The policy of backward induction in the place of the network."""

    def __init__(self, model, reference, solution) -> None:
        super().__init__()
        self.model, self.reference, self.solution = model, reference, solution

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        if states.ndim > 2:
            return self(states.flatten(0, -2)).unflatten(0, states.shape[:-1])
        D, Z = self.model.Definitions, self.model.State.Z(states)
        nodes = (Z[:, None] - self.model.Parameters.z_grid).abs().argmin(-1)
        at = zip(nodes.tolist(), D.debt(states, None).tolist(), D.unemployed(states, None).tolist(), strict=True)
        m = np.array([self.reference.m_at(self.solution, *x) for x in at])
        return torch.as_tensor(m).flatten(1) / Z[:, None]


def test_the_solution_by_another_method_has_hardly_a_residual_here(model, path, reference, solution):
    """And a training comes nearer to its interest rates: in basis points a period."""
    states, trained = path[-1], model.network
    with model.context(), torch.no_grad():
        rates = {"network": model.Definitions.r(states, model.policy(states))}
        rates["start"] = model.Definitions.r(states, model.Parameters.m_ss.flatten().expand(8, -1))
        try:
            model.network = Exact(model, reference, solution)
            rates["exact"] = model.Definitions.r(states, model.policy(states))
            residual = model.equations(states, model.policy(states))["euler"].abs()
        finally:
            model.network = trained
        at_start = model.equations(states, model.Parameters.m_ss.flatten().expand(8, -1))["euler"].abs()
    assert residual.mean() < 2e-4
    assert residual.mean() < 0.1 * at_start.mean()
    errors = {name: 1e4 * (rates[name] - rates["exact"]).abs().max() for name in ("network", "start")}
    assert errors["network"] < 0.8 * errors["start"]


def test_the_solution_by_backward_induction_clears_the_market_and_knows_what_comes(solution, reference):
    z = reference.chain_path(solution, np.random.default_rng(1).random(300))
    path = reference.simulate(solution, z)
    assert np.abs(path["clearing"]).max() < 1e-11
    made = solution["Z"][z] * (path["mass"].sum(-1) @ solution["e"])
    np.testing.assert_allclose(path["C"], made, rtol=1e-8)
    assert solution["errors"][0] < 5e-5, "log q, expected less realised"


def test_with_small_shocks_it_moves_as_the_linear_solution_says(reference):
    """Backward induction against sequence-jacobian: the interest rate after Z has gone one node up, per unit of log Z."""
    model = deqn.load_model("huggett", [*SMALL, "constants.sigma_z=0.002"])
    handed = model.linker.link("Linear").sequence_jacobian(model.config.constants, model.calibration)
    lines = linear.solve(handed, periods=150)
    solution = reference.solve(dict(model.config.constants), periods=600, burn_in=200)
    nodes = np.array([1] * 30 + [2] * 20)
    z, still = nodes, np.ones_like(nodes)
    found = reference.simulate(solution, z)["r"] - reference.simulate(solution, still)["r"]
    expected = linear.path(lines, nodes[None])["r"][0] - linear.path(lines, still[None])["r"][0]
    assert np.abs(expected).max() > 1e-5
    np.testing.assert_allclose(found, expected, atol=0.03 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("constants.amin=0", "what some own the others owe"),
        ("constants.amin=-40", "has no work and stays at the borrowing limit"),
        ("constants.job_risk=5", "expected a smaller job_risk"),
    ],
)
def test_constants_with_which_there_is_no_such_economy_are_refused(override, text):
    with pytest.raises(deqn.DEQNError, match=text):
        deqn.load_model("huggett", [*SMALL, override])
