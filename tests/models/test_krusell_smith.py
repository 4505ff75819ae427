"""The Krusell-Smith economy against sequence-jacobian, known numbers of the economy, and conserved quantities."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import deqn
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer

SMALL = ["constants.nA=100", "run.N_sim_batch=16", "run.N_episode_length=5"]


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("krusell_smith", [*SMALL, "run.keras_precision=float64"])


@pytest.fixture(scope="module")
def trained() -> deqn.Model:
    model = deqn.load_model("krusell_smith", [*SMALL, "run.N_episodes=150", "run.N_minibatch_size=16"])
    probe(model)
    Trainer(model).fit()
    return model


def test_stationary_capital_is_that_of_a_fine_grid():
    calibration = deqn.load_model("krusell_smith").calibration
    assert calibration["K_ss"] == pytest.approx(33.13, rel=5e-4)
    assert calibration["D_ss"][:, 0].sum() == pytest.approx(0.0534, abs=0.001)


def test_productivity_is_exponentiated_once(model):
    expected = torch.tensor([0.98359, 0.99176, 1.0, 1.00831, 1.01668], dtype=torch.float64)
    torch.testing.assert_close(model.Parameters.tfp_grid, expected, atol=1e-5, rtol=0)


def test_without_aggregate_shocks_the_stationary_policy_of_sequence_jacobian_has_no_residual():
    calm = deqn.load_model("krusell_smith", [*SMALL, "constants.sigma_tfp=1e-9", "run.keras_precision=float64"])
    states = calm.initial_states(2)
    residuals = calm.equations(states, calm.policy(states))["euler"]
    assert residuals.abs().max() < 1e-6


def test_the_network_starts_at_the_stationary_policy(model):
    states = model.initial_states(5)
    shares = model.PolicyState.share(model.policy(states))
    torch.testing.assert_close(shares, model.Parameters.share_ss.expand_as(shares))


def test_next_periods_prices_use_the_transported_histogram(model):
    states = model.initial_states(3)
    policies = model.policy(states)
    K_next = model.E_t_gen(states, policies)(lambda s, p: model.Definitions.K(s, p))
    savings = model.Definitions.households(states, policies).a_next
    expected = (model.State.distribution(states) * savings).sum((-2, -1))
    torch.testing.assert_close(K_next, expected)


def test_resources_are_conserved(model):
    states = model.initial_states(3)
    for _ in range(20):
        policies = model.policy(states)
        D = model.Definitions
        K, C, Y = D.K(states, policies), D.C(states, policies), D.Y(states, policies)
        states = model.step(states)
        torch.testing.assert_close(D.K(states, None), (1 - model.Parameters.delta) * K + Y - C)


def test_mass_stays_one_and_no_mass_is_negative(trained):
    states = trained.initial_states(8)
    for _ in range(500):
        states = trained.step(states)
    mass = trained.State.distribution(states)
    assert mass.min() >= 0
    assert (mass.sum((-2, -1)) - 1).abs().max() < 1e-5


def test_a_minute_of_training_makes_the_euler_errors_small_and_keeps_capital_in_place(trained):
    states = trained.Parameters.starting_state
    with torch.no_grad():
        residuals = trained.equations(states, trained.policy(states))["euler"].abs()
    assert residuals.median() < 2e-5
    assert trained.Definitions.K(states, None).mean() == pytest.approx(33.2, abs=0.6)


def test_savings_respond_to_productivity_and_capital(trained):
    states = trained.initial_states(2)
    low, high = (trained.State.update(states, "Z", trained.Parameters.tfp_grid[i].expand(2)) for i in (0, 4))
    with torch.no_grad():
        invest_low, invest_high = (trained.Definitions.I(s, trained.policy(s)) for s in (low, high))
    assert (invest_high > invest_low).all()


def test_the_notebooks_numbers_have_the_bound_at_50_imposed():
    notebook = deqn.load_model("krusell_smith", ["constants=krusell_smith_notebook"])
    report = probe(notebook)
    assert report.equations["euler"][0] == (3, 100)
    states = notebook.initial_states(4)
    for _ in range(20):
        households = notebook.Definitions.households(states, notebook.policy(states))
        assert households.a_next.max() <= 50
        assert (households.c > 0).all()
        states = notebook.step(states)
    assert notebook.State.distribution(states).min() >= 0
    assert notebook.calibration["K_ss"] == pytest.approx(27.96, abs=0.005)


def test_disabled_shocks_keep_productivity_where_it_is(model):
    states = model.initial_states(6)
    model.Globals.DISABLE_SHOCKS = True
    try:
        moved = model.step(states)
    finally:
        model.Globals.DISABLE_SHOCKS = False
    torch.testing.assert_close(model.State.Z(moved), model.State.Z(states))


def test_an_unknown_grid_is_refused_with_its_options():
    with pytest.raises(deqn.ModelError, match="expected power, agrid or asset_grid"):
        deqn.load_model("krusell_smith", ["constants.grid=uniform"])


def test_the_line_of_progress_has_mean_capital(model):
    states = model.initial_states(4)
    assert float(model.progress(states)["mean K"]) == pytest.approx(model.Parameters.K_ss, rel=1e-6)


def test_the_figure_of_policies_is_at_the_stationary_economy_and_its_net_savings_are_zero_on_average(model):
    """The untrained network is the stationary policy, under which households' savings keep the capital where it is."""
    hooks = model.linker.link("Hooks")
    with torch.no_grad():
        figure = hooks.draw_economy(model.step(model.initial_states(3)))
    savings, consumption, _ = figure.axes
    assert f"K = {model.Parameters.K_ss:.2f}, Z = 1.000" in figure.get_suptitle()
    assert [axis.get_ylabel() for axis in (savings, consumption)] == ["a' - a [goods a quarter]", "c [goods a quarter]"]
    drawn = torch.stack([torch.as_tensor(line.get_ydata()) for line in savings.lines[:3]])
    mass = model.Parameters.D_ss[:, : drawn.shape[1]]
    assert float(mass.sum()) > 0.99
    assert abs(float((mass * drawn).sum())) < 0.01


def test_figures_in_tensorboard_stand_at_gradient_steps(model, tmp_path):
    added = []
    model.set_run(
        gradient_steps=123,
        LOG_DIR=str(tmp_path),
        summary=SimpleNamespace(add_figure=lambda *given, **_: added.append(given)),
    )
    model.cycle_hook(model.initial_states(2), model.Parameters.N_episodes)
    assert [(name, step) for name, _, step in added] == [("economy", 123)]
