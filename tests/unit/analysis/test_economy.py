"""Impulse responses, moments, the stochastic steady state and the test of Den Haan and Marcet against closed forms.

In Brock and Mirman's economy the savings rate is alpha beta in each state: the last layer of the network gives that number.
log K' = log(alpha beta) + z + alpha log K and z' = rho z + sigma eps are linear.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import deqn
from deqn.analysis import economy, nodes
from deqn.analysis.drift import policy_drift
from deqn.analysis.impulse_responses import NoShock, draw, impulse_responses, shocks
from deqn.analysis.nodes import accuracy_with_other_nodes
from deqn.analysis.rest import NoRest, stochastic_steady_state
from deqn.analysis.run import Run
from deqn.analysis.trained import Trained
from tests.conftest import TINY, own_model


def exact(*overrides: str, scale: float = 1.0) -> Run:
    """The economy whose savings rate is `scale` times the right one."""
    model = deqn.load_model("brock_mirman", [*TINY, *overrides])
    p, last = model.Parameters, [layer for layer in model.network.body if isinstance(layer, torch.nn.Linear)][-1]
    share = (scale * p.alpha * p.beta - 0.01) / 0.98  # of the range of the bounds, which the activation maps to
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(math.log(share / (1 - share)))
        savings = model.PolicyState.s(model.policy(model.initial_states(5)))
    torch.testing.assert_close(savings, torch.full_like(savings, scale * p.alpha * p.beta))
    return Run(model, Path("nowhere"), model.initial_states(16))


@pytest.fixture(scope="module")
def run() -> Run:
    return exact("run.keras_precision=float64")


@pytest.fixture(scope="module")
def expected(run) -> dict[str, np.ndarray]:
    """Responses to one standard deviation: of log K and log C in percent, of z."""
    p, z, k = run.model.Parameters, [], [0.0]
    for t in range(41):
        z.append(p.sigma * p.rho**t)
        k.append(p.alpha * k[-1] + z[-1])
    y = np.array(z) + p.alpha * np.array(k[:-1])
    return {"z": np.array(z), "K": 100 * np.array(k[:-1]), "C": 100 * y, "s": np.zeros(41)}


@pytest.mark.parametrize("size", [1.0, -2.0])
def test_responses_are_those_of_the_closed_form(run, expected, size):
    table = run.impulse_responses("z", size=size, economies=20)
    for name, values in expected.items():
        rows = table[table["variable"] == name]
        np.testing.assert_allclose(rows["response"], size * values, atol=1e-6)
        np.testing.assert_allclose(rows["linear"], size * values, atol=1e-4)
        assert rows["error"].max() < 1e-6


def test_a_response_from_a_given_state_and_to_a_node(run):
    """Started at rest, the middle node of five is no shock; the economy without it draws one."""
    p = run.model.Parameters
    start = [(p.alpha * p.beta) ** (1 / (1 - p.alpha)), 0.0]
    nodes = run.model.linker.link("Dynamics").shock_values[:, 0]
    table = impulse_responses(run, node=4, periods=3, economies=2000, start=start)
    z = table[(table["variable"] == "z")].iloc[0]
    assert abs(z["response"] - float(nodes[4])) < 4 * z["error"]
    assert z["error"] == pytest.approx(p.sigma / 2000**0.5, rel=0.1)
    assert z["linear"] == pytest.approx(float(nodes[4]))


def test_states_that_leave_the_cloud_are_counted(run):
    assert run.impulse_responses(size=0.1, periods=2, economies=50)["outside"].max() < 0.1
    assert run.impulse_responses(size=30.0, periods=2, economies=50)["outside"].min() == 1.0


def test_a_shock_is_known_by_the_state_that_it_moves(run):
    assert [(s.draw, s.entry, s.moves) for s in shocks(run.model)] == [(0, 0, ("z",))]
    before = run.model.rng.get_state()
    run.impulse_responses(periods=1, economies=5)
    assert torch.equal(before, run.model.rng.get_state())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shock": "K"}, r"shock='K': the shocks of brock_mirman, and the states that each moves, are 0 \(z\)"),
        ({"shock": 1}, "shock=1"),
        ({"node": 9}, "node=9: brock_mirman has nodes 0 to 4"),
        ({"start": [1.0]}, "start has 1 numbers; a state of brock_mirman has 2"),
    ],
)
def test_what_is_no_shock_is_refused(run, options, message):
    with pytest.raises(NoShock, match=message):
        run.impulse_responses(periods=1, economies=5, **options)


def test_the_figure_has_a_panel_for_each_variable(run):
    figure = draw(
        run.impulse_responses(periods=3, economies=5), "one standard deviation", {"z": "log points", "K": "goods"}
    )
    labels = {axis.get_title(): axis.get_ylabel() for axis in figure.axes}
    assert (labels["z"], labels["K"]) == ("log points", "percent")
    assert [axis.get_title() for axis in figure.axes] == ["K", "z", "s", "Y", "I", "C", "K_next", "R"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["network", "linear"]


def test_shocks_that_are_drawn_from_a_list_have_nodes(monkeypatch):
    """Four pairs of productivity and depreciation: the economy at one of them, less the mean over all."""
    model = deqn.load_model("analytic", ["run.N_sim_batch=16", "run.N_minibatch_size=16"])

    def policy(states: torch.Tensor) -> torch.Tensor:
        return model.closed_form(states)["a"]

    monkeypatch.setattr(model, "policy", policy)
    monkeypatch.setattr(model.expectations, "policy", policy)
    run = Run(model, Path("nowhere"), model.initial_states(16))
    with pytest.raises(NoShock, match=r"draws no normal shocks from Parameters\.rng\. Give node="):
        run.impulse_responses()
    start = model.initial_states(1)
    table = impulse_responses(run, node=0, periods=1, economies=4000, start=start[0])
    with torch.no_grad():
        step = model.expectations.dynamics.total_step_spec_shock
        Y = [model.Definitions.Y(step(start, policy(start), i), None).log() for i in range(4)]
    row = table[table["variable"] == "Y"].iloc[0]
    assert abs(row["response"] - 100 * float(Y[0] - sum(Y) / 4)) < 4 * row["error"] < 0.5
    moments, _ = run.moments(trajectories=40, periods=200)
    for name, mean, std in (("eta", 1.0, 0.05), ("delta", 0.7, 0.2)):
        row = moments.loc[name]
        assert abs(row["mean"] - mean) < 4 * row["mean error"] < 0.02
        assert row["std"] == pytest.approx(std, rel=0.01)


def test_moments_are_those_of_the_closed_form(run):
    """(log K, z) is a linear process with normal shocks."""
    p = run.model.Parameters
    A, S = np.array([[p.alpha, 1.0], [0.0, p.rho]]), np.diag([0.0, p.sigma**2])
    V = np.linalg.solve(np.eye(4) - np.kron(A, A), S.flatten()).reshape(2, 2)
    mu, var = math.log(p.alpha * p.beta) / (1 - p.alpha), V[0, 0]
    mean = math.exp(mu + var / 2)
    expected = {
        "K": (mean, mean * math.sqrt(math.expm1(var)), math.expm1((A @ V)[0, 0]) / math.expm1(var)),
        "z": (0.0, math.sqrt(V[1, 1]), p.rho),
    }
    table, correlations = run.moments(trajectories=200, periods=400)
    for name, values in expected.items():
        row = table.loc[name]
        for column, value in zip(("mean", "std", "autocorrelation"), values, strict=True):
            assert abs(row[column] - value) < 4 * row[f"{column} error"], (name, column)
            assert row[f"{column} error"] < 0.02
    assert correlations.loc["K", "z"] == pytest.approx(math.sqrt(1 / (math.expm1(var) * V[1, 1])) * V[0, 1], abs=0.02)
    assert np.isnan(table.loc["s", "autocorrelation"])  # it does not move


def test_without_shocks_the_economy_rests_where_theory_says(run):
    p, rest = run.model.Parameters, run.stochastic_steady_state()
    assert float(rest.state[0]) == pytest.approx((p.alpha * p.beta) ** (1 / (1 - p.alpha)), rel=1e-6)
    assert float(rest.state[1]) == pytest.approx(0.0, abs=1e-6)
    assert rest.common
    assert rest.root == pytest.approx(max(p.alpha, p.rho), abs=1e-9)
    assert str(rest).startswith("stochastic steady state: all 50 starts come to it within ")
    assert rest.unseen == ()
    assert "not trained" not in str(rest)


def test_at_one_node_of_its_shocks_the_economy_rests_where_theory_says(run):
    """z = shock / (1 - rho), and K = (alpha beta exp(z))^(1 / (1 - alpha)); the last node is beyond what is simulated."""
    p, rest = run.model.Parameters, run.stochastic_steady_state(node=4)
    z = float(run.model.linker.link("Dynamics").shock_values[4, 0]) / (1 - p.rho)
    assert float(rest.state[1]) == pytest.approx(z, rel=1e-6)
    assert float(rest.state[0]) == pytest.approx((p.alpha * p.beta * math.exp(z)) ** (1 / (1 - p.alpha)), rel=1e-6)
    assert rest.root == pytest.approx(max(p.alpha, p.rho), abs=1e-9)
    assert str(rest).startswith("rest where node 4 comes each period: all 50 starts")
    assert "z" in rest.unseen
    with pytest.raises(NoShock, match="brock_mirman has nodes 0 to 4"):
        run.stochastic_steady_state(node=5)


def test_a_resting_point_between_the_values_of_a_shock_is_not_trusted(tmp_path):
    """Savings of the untrained network hardly depend on the state: the economy is soon at rest."""
    model = deqn.load_model(
        "analytic", ["run.N_sim_batch=16", "run.N_minibatch_size=16", "net.layers.2.output.init_scale=1e-9"]
    )
    run = Run(model, Path("nowhere"), model.initial_states(16))
    rest = run.stochastic_steady_state()
    assert rest.unseen == ("eta", "delta")
    assert "the network was not trained at this eta, delta: trust neither" in str(rest)
    at_node = run.stochastic_steady_state(node=0)
    assert at_node.unseen == ()
    np.testing.assert_allclose(at_node.state[5:], [0.95, 0.5])
    run.output = tmp_path
    said = [line.partition(":")[0] for line in economy._at_rest(run)]
    assert said == ["stochastic steady state", *(f"rest where node {i} comes each period" for i in (0, 2, 3))]
    written = pd.read_csv(tmp_path / "stochastic_steady_state.csv", index_col=0)
    np.testing.assert_allclose(written["node 0"], at_node.state)


def test_an_economy_that_rests_at_the_mean_of_its_shocks_is_not_asked_for_nodes(run, tmp_path):
    run.output = tmp_path
    assert len([*economy._at_rest(run)]) == 1
    assert pd.read_csv(tmp_path / "stochastic_steady_state.csv", index_col=0).columns.tolist() == [
        "stochastic steady state"
    ]


def test_an_economy_whose_shocks_cannot_be_switched_off_has_none(tmp_path):
    dynamics = (Path(deqn.__file__).parent.parent / "models" / "brock_mirman" / "Dynamics.py").read_text()
    models = own_model(tmp_path, Dynamics=dynamics.replace("0.0 if Globals.DISABLE_SHOCKS else ", ""))
    model = deqn.load_model("brock_mirman", [*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}"])
    with pytest.raises(NoRest, match="DISABLE_SHOCKS changes nothing in this model"):
        stochastic_steady_state(Run(model, Path("nowhere"), model.initial_states(4)))


def test_rounding_does_not_make_an_equation_nonlinear():
    """In single precision, with a policy that is nearly right: errors are a hundred times rounding."""
    nearly = exact()
    last = [layer for layer in nearly.model.network.body if isinstance(layer, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.weight.fill_(2e-3)
    row = nearly.den_haan_marcet(paths=20, periods=20).loc["euler"]
    assert bool(row["linear"])
    assert row["above"] >= 0


def test_errors_that_can_be_foreseen_are(run):
    """With partial depreciation, where the savings rate is not constant; with full depreciation no error depends on the shock."""
    assert run.den_haan_marcet(paths=20, periods=20).loc["euler", "linear"] is None
    wrong = exact("run.keras_precision=float64", "constants.delta=0.5").den_haan_marcet(paths=50, periods=100)
    assert wrong.loc["euler", "linear"]
    assert wrong.loc["euler", "above"] > 90


def test_errors_that_nobody_foresees_are_not_found(tmp_path):
    """E exp(z') / exp(rho z + sigma^2 / 2) = 1: of the paths' statistics, 5 % lie beyond either point."""
    equations = (
        '"""A martingale."""\n\nimport torch\n\nimport Parameters\nimport State\n\n\ndef equations(state, policy_state):\n'
        "    expected = torch.exp(Parameters.rho * State.z(state) + Parameters.sigma**2 / 2)\n"
        "    E_t = State.E_t_gen(state, policy_state)\n"
        '    return {"claim": E_t(lambda s, p: torch.exp(State.z(s))) / expected - 1}\n'
    )
    mine = ["MODEL_NAME=mine", f"MODELS_DIR={own_model(tmp_path, Equations=equations)}", "run.keras_precision=float64"]
    model = deqn.load_model("brock_mirman", [*TINY, *mine], check=False)
    found = Run(model, Path("nowhere"), model.initial_states(16)).den_haan_marcet(paths=400, periods=300).loc["claim"]
    assert found["linear"]
    assert 2.0 < found["below"] < 9.0
    assert 2.0 < found["above"] < 9.0


def test_more_nodes_and_draws_give_the_same_residuals(run):
    described, before, after = accuracy_with_other_nodes(run, run.simulate(batch=8, length=20).flatten(0, 1))
    assert described == "512 quasi-random draws in place of 5 nodes"
    assert before.loc["euler", "max"] < 1e-9
    assert after.loc["euler", "max"] < 1e-9


def test_draws_are_taken_at_fewer_states_where_a_state_has_many_entries(run, monkeypatch):
    seen = []
    monkeypatch.setattr(Trained, "accuracy", lambda self, states: seen.append(len(states)))
    states = run.simulate(batch=16, length=20).flatten(0, 1)
    for entries in (nodes._ENTRIES, 40 * 512 * (run.model.n_states + run.model.n_policies), 1):
        monkeypatch.setattr(nodes, "_ENTRIES", entries)
        accuracy_with_other_nodes(run, states)
    assert seen == [200, 200, 40, 40, 10, 10]


def test_a_dynamics_that_reads_the_number_of_nodes_gets_twice_as_many(tmp_path):
    dynamics = (Path(deqn.__file__).parent.parent / "models" / "brock_mirman" / "Dynamics.py").read_text()
    models = own_model(tmp_path, Dynamics=dynamics.replace("Parameters.n_nodes", "Parameters.n_quad_pts"))
    model = deqn.load_model("brock_mirman", [*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}"])
    run = Run(model, Path("nowhere"), model.initial_states(16))
    assert accuracy_with_other_nodes(run, run.starting_state)[0] == "6 nodes in place of 3"


def test_drift_is_what_policies_change_by_from_one_checkpoint_to_the_next(finished_run):
    run = deqn.load_run(finished_run)
    table, cloud = policy_drift(run), run.cloud()
    assert list(table.index) == [2, 3]
    two, three = (deqn.load_run(finished_run, f"ckpt-{i}").policies(cloud)[:, 0] for i in (2, 3))
    assert table.loc[3, "s"] == pytest.approx(float((three - two).abs().mean() / three.abs().mean()), rel=1e-4)
    assert torch.equal(run.policies(cloud)[:, 0], three)  # the network is the trained one again


def test_the_line_on_other_nodes_takes_an_equation_that_both_tables_have():
    """The entry with the largest mean of an equation with a shape is another one in each."""
    before = pd.DataFrame({"mean": {"euler": 1e-5, "euler[0], largest": 2e-5}})
    after = pd.DataFrame({"mean": {"euler": 3e-5, "euler[1], largest": 9e-5}})
    line = economy._with_other_nodes("6 nodes in place of 3", before, after)
    assert line == "with 6 nodes in place of 3, mean |residual| of euler is 3.0e-05; on the same states it was 1.0e-05"
