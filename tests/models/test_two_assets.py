"""Liquid and illiquid capital: accounts, the classical solution, sequence-jacobian, and a short training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.analysis.heterogeneous import linear
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer
from tests.models.conftest import reference_of

SMALL = ["preset=smoke", "constants.nB=8", "constants.nA=8", "constants.nE=2", "constants.sd_z=0.005"]
SMALL += [
    "run.N_sim_batch=16",
    "run.N_episodes=4",
    "run.keras_precision=float64",
    "optimizer.schedule_kwargs.decay_steps=70",
]


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    model = deqn.load_model("two_assets", SMALL)
    probe(model)
    Trainer(model).fit(quiet=True)
    return model


@pytest.fixture(scope="module")
def path(model) -> torch.Tensor:
    """Simulated states `[20, 8, n_states]` of the trained economy."""
    states = [model.Parameters.starting_state[:8]]
    with model.context(), torch.no_grad():
        for _ in range(19):
            states.append(model.step(states[-1]))
    return torch.stack(states)


@pytest.fixture(scope="module")
def reference():
    return reference_of("two_assets")


@pytest.fixture(scope="module")
def solution(reference, model):
    return reference.solve(dict(model.config.constants), periods=150, burn_in=30, tolerance=1e-4)


@pytest.fixture(scope="module")
def stationary(model) -> torch.Tensor:
    """Policies of the stationary economy, `[n_policies]`."""
    return torch.cat([model.Parameters.m_ss.flatten(), model.Parameters.q_ss.flatten()])


def test_nobody_is_lost_and_output_is_consumed_invested_or_paid_for_liquidity(model, path):
    """Whatever households expect: at policies that are off by up to 1 %, another for each node."""
    states = path[-1]
    with model.context(), torch.no_grad():
        policy, D = model.policy(states), model.Definitions
        noise = 2 * torch.rand(policy.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1
        wrong = policy * (1 + 0.01 * noise)
        used = D.C(states, wrong) + D.I(states, wrong) + D.costs(states, wrong)
        torch.testing.assert_close(used, D.Y(states, wrong))
        assert (D.C(states, wrong) / D.C(states, policy) - 1).abs().max() > 1e-4
        later = model.linker.link("Dynamics").step(states, wrong, 1.0)
        torch.testing.assert_close(
            model.State.distribution(later).sum((-3, -2, -1)), torch.ones(8, dtype=torch.float64)
        )
        kept = D.K(states, wrong) * (1 - model.Parameters.delta) + D.I(states, wrong)
        torch.testing.assert_close(D.K(later, None), kept)


def test_without_aggregate_risk_the_stationary_policy_is_exact(model, stationary, monkeypatch):
    dynamics = model.expectations.dynamics
    monkeypatch.setattr(dynamics, "z_grid", torch.ones_like(dynamics.z_grid))
    monkeypatch.setattr(model, "network", lambda states: stationary.expand(*states.shape[:-1], -1))
    monkeypatch.setattr(model, "policy", model.network)
    states = model.State.update_dict(
        model.initial_states(2), {"Z": torch.ones(2).double(), "distribution": model.Parameters.D_ss}
    )
    with model.context(), torch.no_grad():
        for name, residual in model.equations(states, model.policy(states)).items():
            assert residual.abs().max() < 1e-7, name
        later = model.State.distribution(model.step(states))
    torch.testing.assert_close(later, model.Parameters.D_ss.expand_as(later), atol=1e-7, rtol=0)


def test_the_residuals_are_expectations_written_once_more_in_numpy(model, path):
    states = path[-1, :1]
    with model.context(), torch.no_grad():
        policy, P = model.policy(states), model.Parameters
        found = {name: value[0].numpy() for name, value in model.equations(states, policy).items()}
        here, value = int((model.State.Z(states[0]) - P.z_grid).abs().argmin()), 0.0
        for later in range(len(P.z_grid)):
            following = model.expectations.dynamics.total_step_spec_shock(states, policy, later)
            choice, r = (
                f(following, model.policy(following)) for f in (model.Definitions.households, model.Definitions.r)
            )
            c, x = choice.c[0].numpy(), (1 + float(r)) * P.a_grid.numpy()
            move = (choice.a_next[0].numpy() - x) / (x + P.chi0)
            worth = np.stack([1 + float(r) - P.omega + 0 * c, (1 + float(r)) * (1 + P.chi1 * (move + move**2 / 2))])
            value = value + float(P.Pi_z[here, later]) * np.einsum("ef,vfba->veba", P.Pi_e.numpy(), worth * c**-2.0)
        m, q = policy[0].numpy().reshape(2, *value.shape[1:])
    np.testing.assert_allclose((P.beta * value[0]) ** -0.5 / m - 1, found["euler"], atol=1e-10)
    np.testing.assert_allclose(value[1] / value[0] / q - 1, found["illiquid"], atol=1e-10)


# ------------------------------------------------------------------------------------------------ other solutions


def test_the_stationary_economy_is_that_of_the_reference(model, solution):
    found = model.calibration
    assert found["K_ss"] == pytest.approx(solution["K_ss"], rel=1e-7)
    for name, tolerance in (("m", 1e-6), ("q", 1e-6), ("mass", 1e-7)):
        exact = found["D_ss" if name == "mass" else f"{name}_ss"]
        np.testing.assert_allclose(solution[f"{name}_ss"], exact, rtol=tolerance, atol=1e-9)


def test_households_of_sequence_jacobian_come_nearer_on_finer_grids(model, reference):
    """Its household block finds a' by intersection, and interpolates marginal utilities; both have the same limit."""
    hetblocks, gaps = pytest.importorskip("sequence_jacobian.hetblocks"), []
    for n in (10, 25):
        p = reference.economy(dict(model.config.constants) | {"nB": n, "nA": n})
        ra, rb, w = reference.prices(p, 1.0, 4.5)
        found = reference.stationary_household(p, 4.5, tolerance=1e-6)
        c = reference.choose(p, *found, 1.0, 4.5)[-1]
        given = {name: p[name] for name in ("beta", "chi0", "chi1")} | {
            "Pi": p["Pi_e"],
            "eis": 1 / p["gamma"],
            "chi2": 2.0,
        }
        grids = {"a_grid": p["a"], "b_grid": p["b"], "e_grid": p["e"], "k_grid": 3 * np.linspace(1, 0, 30) ** 2}
        other = hetblocks.hh_twoasset.hh.steady_state(given | grids | {"z_grid": w * p["e"], "ra": ra, "rb": rb})
        other = other.internals["hh"]
        gaps.append((other["D"] * np.abs(c / other["c"] - 1)).sum())
    assert gaps[0] < 0.03
    assert gaps[1] < 0.35 * gaps[0]


class Exact(torch.nn.Module):
    """The policy of the classical solution in the place of the network."""

    def __init__(self, model, reference, solution) -> None:
        super().__init__()
        self.model, self.reference, self.solution = model, reference, solution

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        if states.ndim > 2:
            return self(states.flatten(0, -2)).unflatten(0, states.shape[:-1])
        Z, K = self.model.State.Z(states), self.model.Definitions.K(states, None)
        nodes = (Z[:, None] - self.model.Parameters.z_grid).abs().argmin(-1)
        found = [
            self.reference.expectations_at(self.solution, *at) for at in zip(nodes.tolist(), K.tolist(), strict=True)
        ]
        return torch.as_tensor(np.array(found)).flatten(1)


def test_the_classical_solution_has_hardly_a_residual_and_a_training_comes_near_it(
    model, path, stationary, reference, solution
):
    states, trained, found, residuals = path[-1], model.network, {}, {}
    with model.context(), torch.no_grad():
        policies = {"network": model.policy(states), "start": stationary.expand(8, -1)}
        try:
            model.network = Exact(model, reference, solution)
            policies["exact"] = model.policy(states)
            residuals["exact"] = model.equations(states, policies["exact"])
        finally:
            model.network = trained
        for name in ("network", "start"):
            residuals[name] = model.equations(states, policies[name])
        masses = model.State.distribution(states)
        for name, policy in policies.items():
            found[name] = model.Definitions.households(states, policy)
    mean = {
        name: float(sum((x.abs() * masses).sum((-3, -2, -1)).mean() for x in r.values()))
        for name, r in residuals.items()
    }
    assert mean["exact"] < 0.1 * mean["start"]
    assert mean["network"] < 0.2 * mean["start"]
    gap = {
        name: float((masses * (found[name].c / found["exact"].c - 1).abs()).sum((-3, -2, -1)).max())
        for name in policies
    }
    assert gap["network"] < 2e-3
    assert gap["network"] < 0.3 * gap["start"]


def test_with_small_shocks_network_and_classical_solution_move_as_the_linear_one_says(model, reference, solution):
    """Capital, consumption and liquid capital after Z has been a node higher for five years."""
    pytest.importorskip("sequence_jacobian")
    handed = model.linker.link("Linear").sequence_jacobian(model.config.constants, model.calibration)
    lines, nodes = linear.solve(handed, periods=50), np.full((2, 35), 1)
    nodes[0, 25:30] = 2
    classical = [reference.simulate(solution, z) for z in nodes]
    post = model.linker.link("PostProcess")
    with model.context(), torch.no_grad():
        ours = post.series(post.simulate(nodes.T))
    for name in ("K", "C", "B"):
        line = np.subtract(*linear.path(lines, nodes)[name])[25:]
        largest = np.abs(line).max()
        np.testing.assert_allclose(
            (classical[0][name] - classical[1][name])[25:], line, atol=0.03 * largest, err_msg=name
        )
        np.testing.assert_allclose(
            np.subtract(*ours[name].T)[25:], line, atol=0.2 * largest, err_msg=f"network: {name}"
        )
