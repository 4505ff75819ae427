"""The New Keynesian economy of heterogeneous households: accounts, the bound, a closed form, and the linear solution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.analysis.heterogeneous import linear
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer
from tests.models.conftest import reference_of

SMALL = ["preset=smoke", "constants.nA=40", "constants.nB=3", "run.N_sim_batch=32", "run.keras_precision=float64"]
SMALL += ["constants.evaluations=12", "run.N_minibatch_size=128", "optimizer.N_steps_per_expectation=30"]


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    model = deqn.load_model("hank", [*SMALL, "run.N_episodes=8"])
    probe(model)
    Trainer(model).fit(quiet=True)
    return model


@pytest.fixture(scope="module")
def path(model) -> torch.Tensor:
    """Simulated states `[40, 16, n_states]` of the trained economy."""
    states = [model.Parameters.starting_state[:16]]
    with model.context(), torch.no_grad():
        for _ in range(39):
            states.append(model.step(states[-1]))
    return torch.stack(states)


def at_all_spreads(model) -> torch.Tensor:
    """The stationary distribution at each node of the spread, `[nB, n_states]`."""
    nodes = model.Parameters.b_grid
    return model.State.update_dict(
        model.initial_states(len(nodes)), {"b": nodes, "distribution": model.Parameters.D_ss.expand(len(nodes), -1, -1)}
    )


def test_a_rule_that_follows_the_spread_keeps_the_economy_where_it_is():
    """The closed form: i = i_ss - b, and nothing else moves. The stationary economy is that of sequence-jacobian."""
    model = deqn.load_model("hank", [*SMALL, "constants.track=1", "constants.zero_bound=false"])
    states = at_all_spreads(model)
    with model.context(), torch.no_grad():
        policy = model.policy(states)
        now = model.Definitions.quarter(states, policy)
        torch.testing.assert_close(now.y, torch.zeros_like(now.y), atol=1e-8, rtol=0)
        torch.testing.assert_close(now.i, 0.0075 - model.Parameters.b_grid, atol=1e-8, rtol=0)
        for name, residual in model.equations(states, policy).items():
            assert residual.abs().max() < 1e-6, name
        later = model.State.distribution(model.step(states))
        torch.testing.assert_close(later, model.Parameters.D_ss.expand_as(later), atol=1e-8, rtol=0)


def test_bonds_and_goods_clear_whatever_households_expect(model, path):
    """At policies that are off by up to 1 %, another for each node; goods by Walras' law."""
    states = path[-1]
    with model.context(), torch.no_grad():
        policy = model.policy(states)
        noise = 2 * torch.rand(policy.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1
        wrong = policy * (1 + torch.where(torch.arange(policy.shape[-1]) < policy.shape[-1] - 1, 0.01, 0.0) * noise)
        D = model.Definitions
        assert D.excess_bonds(states, wrong).abs().max() < 1e-7
        assert D.clearing(states, wrong).abs().max() < 1e-7
        assert (D.Y(states, wrong) - D.Y(states, policy)).abs().max() > 1e-4, "another output than that of the network"


def test_bonds_stay_what_the_government_owes_and_nobody_is_lost(model, path):
    with model.context(), torch.no_grad():
        masses = model.State.distribution(path)
        held = (masses * model.Parameters.a_grid).sum((-2, -1))
        torch.testing.assert_close(held, torch.full_like(held, 4.0), rtol=1e-6, atol=0)
        torch.testing.assert_close(masses.sum((-2, -1)), torch.ones_like(held))


def test_the_residuals_are_expectations_written_once_more_in_numpy(model, path):
    states = path[-1, :3]
    with model.context(), torch.no_grad():
        policy, P, D = model.policy(states), model.Parameters, model.Definitions
        found = {name: value.numpy() for name, value in model.equations(states, policy).items()}
        for n in range(3):
            here = int((model.State.b(states[n]) - P.b_grid).abs().argmin())
            value, inflation = 0.0, 0.0
            for later in range(len(P.b_grid)):
                following = model.expectations.dynamics.total_step_spec_shock(
                    states[n : n + 1], policy[n : n + 1], later
                )
                c = D.households(following, model.policy(following)).c[0].numpy()
                value = value + float(P.Pi_b[here, later]) * P.Pi_e.numpy() @ c**-2.0
                inflation += float(P.Pi_b[here, later] * D.pi(following, model.policy(following))[0])
            m = policy[n, :-1].reshape(value.shape).numpy()
            np.testing.assert_allclose((float(P.beta) * value) ** -0.5 / m - 1, found["euler"][n], atol=1e-9)
            assert 10 * (inflation - np.log(float(policy[n, -1]))) == pytest.approx(found["inflation"][n], abs=1e-10)


def test_the_bound_lowers_output_where_it_binds_and_nothing_else_given_what_is_expected(model):
    free = deqn.load_model("hank", [*SMALL, "constants.zero_bound=false"])
    nodes = torch.tensor([-0.02, 0.0, 0.02], dtype=torch.float64)
    states, quarters = model.State.update(at_all_spreads(model), "b", nodes), []
    policy = model.policy(states).detach()
    for one in (model, free):
        with one.context(), torch.no_grad():
            quarters.append(one.Definitions.quarter(states, policy))
    bound, without = quarters
    binds = without.rule < 0
    assert binds.tolist() == [False, False, True]
    torch.testing.assert_close(bound.y[~binds], without.y[~binds], atol=1e-9, rtol=0)
    assert (bound.i[binds] == 0).all()
    assert (bound.y[binds] < without.y[binds] - 1e-3).all()
    assert (bound.pi[binds] < without.pi[binds]).all()
    slope = (bound.y - without.y)[binds] * model.Parameters.slope
    torch.testing.assert_close((bound.pi - without.pi)[binds], slope)


def test_a_short_training_lowers_the_residuals_and_stays_away_from_the_deflationary_steady_state(model, path):
    start = deqn.load_model("hank", SMALL)
    states = path[20:].flatten(0, 1)
    errors = []
    for one in (model, start):
        with one.context(), torch.no_grad():
            errors.append(
                {name: float(r.abs().mean()) for name, r in one.equations(states, one.policy(states)).items()}
            )
    assert errors[0]["euler"] < 0.4 * errors[1]["euler"]
    assert errors[0]["inflation"] < 0.4 * errors[1]["inflation"]
    with model.context(), torch.no_grad():
        now = model.Definitions.quarter(states, model.policy(states))
    assert now.pi.mean().abs() < 0.2 * model.Parameters.i_ss


# ------------------------------------------------------------------------------------------------- backward induction


@pytest.fixture(scope="module")
def reference():
    return reference_of("hank")


def constants_of(model) -> dict:
    return dict(model.config.constants) | {"nA": 40}


def test_backward_induction_finds_the_same_stationary_economy(model, reference):
    p = reference.economy(constants_of(model))
    assert p["beta"] == pytest.approx(float(model.calibration["beta"]), abs=1e-8)
    np.testing.assert_allclose(p["m"], model.calibration["m_ss"], rtol=1e-6)
    np.testing.assert_allclose(p["mass"], model.calibration["D_ss"], atol=1e-7)


def test_backward_induction_moves_as_the_linear_solution_says_with_small_shocks_and_without_the_bound(model, reference):
    small = deqn.load_model("hank", [*SMALL, "constants.sd_b=0.0005", "constants.zero_bound=false"])
    lines = linear.solve(
        small.linker.link("Linear").sequence_jacobian(small.config.constants, small.calibration), periods=150
    )
    solution = reference.solve(dict(small.config.constants), rounds=2, periods=300, parts=5)
    nodes = np.array([1] * 5 + [2] * 10)
    found, still = (reference.simulate(solution, shocks) for shocks in (nodes, np.ones_like(nodes)))
    for name in ("Y", "pi", "i"):
        expected = linear.path(lines, nodes[None])[name][0] - linear.path(lines, np.ones_like(nodes)[None])[name][0]
        np.testing.assert_allclose(
            found[name] - still[name], expected, atol=0.03 * np.abs(expected).max(), err_msg=name
        )


def test_a_short_training_comes_near_backward_induction_with_the_bound(model, path, reference):
    solution = reference.solve(constants_of(model), rounds=2, periods=300, parts=3)
    states = path[-1]
    with model.context(), torch.no_grad():
        now = model.Definitions.quarter(states, model.policy(states))
    nodes = (model.State.b(states)[:, None] - model.Parameters.b_grid).abs().argmin(-1).tolist()
    gaps = []
    for j, mass, y in zip(nodes, model.State.distribution(states).numpy(), now.y.tolist(), strict=True):
        m, expected = reference.read(solution, j, reference.equality(solution, mass))
        gaps.append(y - reference.quarter(solution, mass, m, expected, solution["b"][j])["y"])
    assert np.abs(gaps).max() < 2e-3
    assert now.y.abs().max() > 1e-2


def test_where_deflation_feeds_on_itself_backward_induction_says_so(reference, model):
    with pytest.raises(RuntimeError, match="lowers output without end"):
        reference.solve(constants_of(model) | {"sd_b": 0.02}, rounds=1)
