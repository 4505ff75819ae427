"""Income risk that is larger in recessions: what holds exactly, and the limit in which it is `krusell_smith`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.analysis.heterogeneous.economy import Economy
from deqn.analysis.heterogeneous.path import Path
from tests.models.conftest import reference_of

SMALL = ["constants.nA=60", "run.N_sim_batch=16", "run.N_minibatch_size=16", "run.keras_precision=float64"]


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("countercyclical_risk", SMALL)


def test_incomes_have_mean_one_and_the_dispersion_that_the_constants_say(model):
    found, constants = model.calibration, model.config.constants
    pi = np.array([0.25, 0.5, 0.25])  # of Rouwenhorst's chain with three nodes
    np.testing.assert_allclose(found["income"] @ pi, 1, rtol=1e-12)
    log_e = np.log(found["income"])
    sd = (pi @ (log_e - (log_e @ pi)[:, None]).T ** 2) ** 0.5
    np.testing.assert_allclose(sd[[0, -1]], [constants["sd_e_bad"], constants["sd_e_good"]], rtol=1e-10)
    assert (np.diff(sd) < 0).all()
    np.testing.assert_allclose(np.diff(sd) / np.diff(np.log(found["tfp_grid"])), (sd[-1] - sd[0]) / np.log(
        found["tfp_grid"][-1] / found["tfp_grid"][0]), rtol=1e-10)  # fmt: skip


def test_the_shocks_to_productivity_are_five_times_those_of_krusell_smith(model):
    log_Z, pi = np.log(model.calibration["tfp_grid"]), model.calibration["pi_tfp"]
    assert (pi @ (log_Z - pi @ log_Z) ** 2) ** 0.5 == pytest.approx(0.035, rel=1e-8)


def test_the_reference_has_the_same_chains_and_incomes_from_a_program_of_its_own(model):
    pytest.importorskip("jax")
    p = reference_of("krusell_smith").economy(dict(model.config.constants))
    for name in ("a_grid", "tfp_grid", "Pi_tfp", "income"):
        np.testing.assert_allclose(p[name], model.calibration[name], rtol=1e-8, err_msg=name)
    np.testing.assert_allclose(p["Pi_e"][2, 4], model.calibration["Pi_e"], atol=1e-12)


def test_with_the_same_dispersion_everywhere_it_is_krusell_smith():
    same = [*SMALL, "constants.sd_e_bad=0.5", "constants.sd_e_good=0.5", "constants.sigma_tfp=0.007"]
    one, other = deqn.load_model("countercyclical_risk", same), deqn.load_model("krusell_smith", SMALL)
    states = other.initial_states(6)
    for _ in range(3):
        states = other.step(states)
    with one.context():
        found = one.equations(states, one.policy(states))["euler"]
    with other.context():
        expected = other.equations(states, other.policy(states))["euler"]
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-8)


def test_who_is_poor_earns_less_in_a_recession_relative_to_the_wage_and_who_is_rich_more(model):
    states = model.State.update(model.initial_states(2), "Z", model.Parameters.tfp_grid[[0, -1]])
    with model.context():
        wage = model.Definitions.w(states, None)
        earned = model.Definitions.cash_on_hand(states, model.Parameters.a_grid[:1])[..., 0] / wage[:, None]
    recession, boom = earned
    assert recession[0] < boom[0]
    assert recession[-1] > boom[-1]


def test_goods_are_consumed_or_invested_and_mass_stays_one(model):
    states = model.initial_states(8)
    with model.context(), torch.no_grad():
        for _ in range(10):
            policy, D = model.policy(states), model.Definitions
            later = model.step(states)
            spent = D.C(states, policy) + D.K(later, None) - (1 - model.Parameters.delta) * D.K(states, None)
            torch.testing.assert_close(spent, D.Y(states, None), rtol=1e-9, atol=0)
            states = later
        torch.testing.assert_close(model.Definitions.mass(states, None), torch.ones(8, dtype=torch.float64))


def test_training_brings_the_residuals_down():
    model = deqn.load_model(
        "countercyclical_risk", [*SMALL, "run.N_episodes=20", "optimizer.schedule_kwargs.decay_steps=400"]
    )
    run = deqn.Run(model, model.folder, model.initial_states(8))
    states = run.simulate(batch=8, length=30)[10::10].flatten(0, 1)
    before = run.residuals(states)["euler"].abs().mean()
    deqn.Trainer(model).fit(quiet=True)
    assert run.residuals(states)["euler"].abs().mean() < 0.4 * before


FAST = {"nodes": (8, 4), "periods": 4_000, "tolerance": 1e-6}  # of the reference with two moments


@pytest.fixture(scope="module")
def two_moments(model, tmp_path_factory):
    """The reference, as post-processing gets it, and the economy that moves by its policy."""
    pytest.importorskip("jax")
    run = deqn.Run(model, tmp_path_factory.mktemp("run"))
    run.output = run.path / "post" / "1"
    run.output.mkdir(parents=True)
    with model.context(), torch.no_grad():
        found = model.linker.link("PostProcess").TwoMoments(run, FAST)
        yield found, Path(Economy(run, found.policy), 60, 20)


def test_without_the_second_moment_the_reference_is_the_classical_solution(two_moments):
    module, constants = two_moments[0].module, two_moments[1].economy.run.config.constants
    one = module.solve(constants, moments=1, **FAST)
    classical = module.classical.solve(constants, periods=4_000, tolerance=1e-6)
    np.testing.assert_allclose(one["path_K"], classical["path_K"], rtol=5e-5)
    assert one["den_haan_max"] == pytest.approx(float(classical["den_haan_max"]), rel=0.01)


def test_the_second_moment_explains_what_the_first_leaves(two_moments):
    reference = two_moments[0]
    module, two = reference.module, reference.solution
    after = slice(module.BURN_IN, None)
    z, u, v = (two[f"path_{name}"][after] for name in "zuv")
    _, alone = module.fit_law(z, u, v, 5, 1)
    assert ((1 - two["R2"][:, 0]) < 0.2 * (1 - alone[:, 0])).all()


def test_the_model_moves_by_its_policy_as_the_reference_does_and_her_euler_equation_holds(two_moments):
    """Transport and expectations of the library, on the policy of the reference."""
    reference, path = two_moments
    assert reference.inside(path.states).all()
    start = path.economy.model.State.distribution(path.states[0]).numpy()
    found = reference.module.simulate(reference.solution, path.counted, distribution=start)
    np.testing.assert_allclose(path.series["K"], found["K"], rtol=1e-9)
    h = path.household
    assert np.abs(h["c_implied"] / h["c"] - 1).mean() < 2e-3


def test_goods_of_the_reference_are_consumed_or_invested(two_moments):
    reference, path = two_moments
    found = reference.path(path.counted)
    np.testing.assert_allclose(found["K"][1:], 0.975 * found["K"][:-1] + found["I"][:-1], rtol=1e-10)
    np.testing.assert_allclose(found["mass"], 1, atol=1e-12)
