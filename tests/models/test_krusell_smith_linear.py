"""The linear solution of the Krusell-Smith economy: what it must satisfy, and the network's responses beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import deqn
from deqn.analysis.heterogeneous import impulse_responses, linear
from deqn.analysis.heterogeneous.economy import Economy
from deqn.analysis.run import Run
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer

SMALL = ["constants.nA=100", "run.N_sim_batch=16", "run.N_episode_length=5"]


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("krusell_smith", SMALL)


@pytest.fixture(scope="module")
def handed(model):
    return model.linker.link("Linear").sequence_jacobian(model.config.constants, model.calibration)


@pytest.fixture(scope="module")
def solution(handed):
    return linear.solve(handed, periods=400)


@pytest.fixture(scope="module")
def responses(solution):
    return linear.impulse_responses(solution)


@pytest.fixture
def moves() -> np.ndarray:
    """Two sequences of nodes, 300 quarters, all five nodes."""
    return np.random.default_rng(0).integers(0, 5, (2, 300))


def resource_gap(model, values):
    """Y - C - (K' - (1 - delta) K) along the last axis."""
    K, C, Y = values["K"], values["C"], values["Y"]
    return Y[..., :-1] - C[..., :-1] - K[..., 1:] + (1 - model.Parameters.delta) * K[..., :-1]


def test_responses_satisfy_the_linearised_resource_constraint(model, responses):
    assert np.abs(resource_gap(model, responses)).max() < 1e-8


def test_capital_does_not_move_on_impact_and_output_does_by_productivity_alone(solution, responses):
    assert responses["K"][0] == 0
    assert responses["Y"][0] == pytest.approx(solution["stationary"]["Y"] * solution["sigma"], rel=1e-8)


def test_output_and_interest_are_those_of_the_linearised_production_function(model, solution, responses):
    alpha, delta, ss = model.Parameters.alpha, model.Parameters.delta, solution["stationary"]
    log_K, log_Z = responses["K"] / ss["K"], responses["shock"]
    np.testing.assert_allclose(responses["Y"], ss["Y"] * (log_Z + alpha * log_K), atol=1e-8)
    np.testing.assert_allclose(responses["r"], (ss["r"] + delta) * (log_Z + (alpha - 1) * log_K), atol=1e-9)


def test_the_stationary_values_are_those_of_the_calibration(model, solution):
    ss = solution["stationary"]
    assert ss["K"] == pytest.approx(float(model.calibration["K_ss"]), rel=1e-12)
    assert ss["Y"] == pytest.approx(ss["C"] + model.Parameters.delta * ss["K"], abs=1e-6)


def test_responses_are_linear_in_the_shock(solution):
    one, other = linear.impulse_responses(solution, 0.01), linear.impulse_responses(solution, -0.02)
    given = linear.impulse_responses(solution, 0.01 * solution["rho"] ** np.arange(400))
    for name in ("K", "C", "Y", "r"):
        np.testing.assert_allclose(other[name], -2 * one[name], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(given[name], one[name])


def test_responses_return_to_zero_and_do_not_depend_on_the_horizon(handed, responses):
    assert abs(responses["K"][-1]) < 1e-4 * responses["K"].max()
    longer = linear.solve(handed, periods=600)
    again = linear.impulse_responses(longer)
    np.testing.assert_allclose(again["K"][:200], responses["K"][:200], atol=1e-5 * responses["K"].max())


def test_the_chain_is_described_by_its_own_moments(model, solution):
    Pi, pi = model.calibration["Pi_tfp"], model.calibration["pi_tfp"]
    log_Z = np.log(model.calibration["tfp_grid"])
    assert solution["sigma"] == pytest.approx(0.007, rel=1e-6)
    assert solution["rho"] == pytest.approx(pi @ (log_Z * (Pi @ log_Z)) / (pi @ log_Z**2))


def test_without_news_the_economy_stays_where_it_is(solution):
    paths = linear.path(solution, np.full((2, 500), 2))
    for name, values in paths.items():
        np.testing.assert_allclose(values, solution["stationary"][name], rtol=1e-12)


def test_paths_satisfy_the_resource_constraint_and_the_production_function(model, solution, moves):
    paths, ss = linear.path(solution, moves), solution["stationary"]
    assert np.abs(resource_gap(model, paths)).max() < 1e-6
    log_Z = solution["nodes"][moves]
    expected = ss["Y"] * (1 + log_Z + model.Parameters.alpha * (paths["K"] / ss["K"] - 1))
    np.testing.assert_allclose(paths["Y"], expected, atol=1e-6)


def test_a_path_averaged_over_the_chain_is_the_response_to_its_first_node(solution):
    """E_0 of the path is the response to E_0 log Z: no news is expected. Exact over all paths of four quarters."""
    Pi, periods, first = solution["Pi"], 4, 4
    nodes = np.stack(np.meshgrid(*[range(5)] * (periods - 1), indexing="ij"), -1).reshape(-1, periods - 1)
    nodes = np.hstack([np.full((len(nodes), 1), first), nodes])
    probability = np.prod([Pi[nodes[:, t], nodes[:, t + 1]] for t in range(periods - 1)], axis=0)
    paths, response = linear.path(solution, nodes), linear.node_responses(solution, 2, first)
    for name, values in paths.items():
        expected = solution["stationary"][name] + response[name][:periods]
        np.testing.assert_allclose(probability @ values, expected, rtol=1e-12)


def test_log_paths_agree_with_level_paths_to_first_order(solution, moves):
    levels, logs = linear.path(solution, moves), linear.path(solution, moves, logs=("K", "C", "Y"))
    for name in ("K", "C", "Y"):
        deviation = levels[name] / solution["stationary"][name] - 1
        np.testing.assert_allclose(np.log(logs[name] / solution["stationary"][name]), deviation, atol=1e-12)
    np.testing.assert_array_equal(levels["r"], logs["r"])


def test_the_file_runs_without_the_library(model, solution, monkeypatch):
    folder = Path(model.folder)
    monkeypatch.syspath_prepend(str(folder))
    for name in ("Linear", "Calibration"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import Linear as plain

    again = linear.solve(plain.sequence_jacobian(dict(model.config.constants), model.calibration), periods=50)
    assert again["stationary"] == pytest.approx(solution["stationary"])
    for name in ("Linear", "Calibration"):
        sys.modules.pop(name, None)


def test_the_networks_generalised_responses_are_near_the_linear_ones(tmp_path):
    model = deqn.load_model("krusell_smith", [*SMALL, "run.N_episodes=150", "run.N_minibatch_size=16"])
    probe(model)
    Trainer(model).fit()
    run = Run(model, tmp_path)
    handed = model.linker.link("Linear").sequence_jacobian(model.config.constants, model.calibration)
    with model.context(), torch.no_grad():
        table = impulse_responses.table(Economy(run), linear.solve(handed), economies=50)
        impulse_responses.draw(table).savefig(tmp_path / "impulse_responses.png")
    assert len(table) == 4 * 4 * 101
    for (name, _), rows in table.groupby(["variable", "Z"]):
        peak = rows["linear"].abs().max()
        assert rows["error"].max() < 0.01 * peak
        assert (rows["network"] - rows["linear"]).abs().max() < 0.1 * peak, name
    capital = table[table["variable"] == "K"]  # predetermined; one float32 rounding of one economy is 5e-9 of the mean
    assert (capital[capital["period"] == 0][["network", "plain", "linear"]].abs() < 1e-7).all(axis=None)


def test_common_draws_keep_economies_at_the_same_node_together(model, tmp_path):
    with model.context(), torch.no_grad():
        economy = Economy(Run(model, tmp_path))
        Z, chain = economy.chain()
        nodes = impulse_responses.draw_nodes(economy, chain, 2000, 200)
    np.testing.assert_allclose(Z, model.calibration["tfp_grid"], rtol=1e-6)
    np.testing.assert_allclose(chain, model.calibration["Pi_tfp"], atol=1e-6)
    assert (nodes[0] == np.arange(5)[:, None]).all()
    assert (np.diff(nodes, axis=1) >= 0).all()  # the chain is monotone: who starts higher is never lower
    together = nodes[:-1, 1:] == nodes[:-1, :-1]
    assert (nodes[1:, 1:] == nodes[1:, :-1])[together].all()
    moved = np.bincount(nodes[1, 1], minlength=5) / 2000
    np.testing.assert_allclose(moved, model.calibration["Pi_tfp"][1], atol=0.04)
