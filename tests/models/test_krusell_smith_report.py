"""The accuracy report of a Krusell-Smith run, on a small economy."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import deqn
from deqn.analysis.heterogeneous.economy import Economy
from deqn.analysis.heterogeneous.path import Path, inequality
from deqn.analysis.heterogeneous.report import accuracy_report, on_other_nodes, put_on
from deqn.analysis.heterogeneous.statistics import logs
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> deqn.Run:
    overrides = ["constants.nA=60", "run.N_sim_batch=16", "run.N_episode_length=5", "run.N_minibatch_size=16"]
    model = deqn.load_model("krusell_smith", [*overrides, "run.N_episodes=150"])
    probe(model)
    Trainer(model).fit()
    folder = tmp_path_factory.mktemp("run")
    run = deqn.Run(model, folder)
    run.output = folder / "post" / "1"
    run.output.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"seconds": 12.3, "step": 750}))
    return run


@pytest.fixture(scope="module")
def report(run) -> dict:
    module = run.model.linker.link("PostProcess")
    module.FINE_ASSETS = 120
    with run.model.context(), torch.no_grad():
        references = module.references(run)
        return accuracy_report(Path(Economy(run), 500, 200), references["own grid"], references["fine grid"])


def test_the_reference_on_the_runs_grid_passes_the_tests_of_the_literature(run, report):
    """Its policy, put in the place of the network's, has Euler errors of the grid of 60 nodes and moves capital as itself."""
    module = run.model.linker.link("PostProcess")
    with run.model.context(), torch.no_grad():
        own = module.references(run)["own grid"]
        path = Path(Economy(run, own.policy), 200, 100)
    np.testing.assert_allclose(path.series["K"], own.path(path.shocks)["K"][100:], rtol=1e-4)
    h = path.household
    assert np.abs(h["c_implied"] / h["c"] - 1).mean() < 2e-3
    assert np.abs(h["c_other"] / h["c"] - 1).mean() < 5e-3


def test_the_network_follows_the_classical_solution_on_the_same_shocks(report):
    path = report["path of K"]["network against reference, both on the run's grid"]
    assert abs(path["bias of mean K [%]"]) < 0.2
    assert path["max |d log K| [%]"] < 0.3
    assert report["policy error |a' - a'_ref| / c"]["ergodic cloud"]["mean"] < 1e-3


def test_the_errors_of_network_and_grid_are_told_apart(report):
    paths = report["path of K"]
    both = paths["run as it is against the fine reference"]["bias of mean K [%]"]
    network = paths["network against reference, both on the run's grid"]["bias of mean K [%]"]
    grid = paths["grid alone: reference on the run's grid against the fine one"]["bias of mean K [%]"]
    assert grid > 0.1  # 60 nodes are few
    assert both == pytest.approx(network + grid, abs=0.01)


def test_all_that_is_promised_is_written(run, report):
    assert json.loads((run.output / "accuracy.json").read_text()) == json.loads(json.dumps(report))
    text = (run.output / "accuracy.md").read_text()
    for section in ("path of K", "policy error", "Euler errors", "forecast", "moments", "not proven"):
        assert f"## {section}" in text
    assert "`nothing` of the distribution. Seed 0, 60 asset nodes, 150 episodes, 12 seconds;" in text
    assert "|  | network, own grid | reference, own grid | network, fine grid | reference, fine grid |" in text
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| largest")}
    assert widths == {6}  # a | within a name ends no cell
    assert (run.output / "accuracy.png").stat().st_size > 10_000
    assert len(list(run.output.parent.glob("reference-*.npz"))) == 2  # the run's grid and the fine one


def test_a_uniform_savings_error_shows_as_a_level_bias_of_capital(run, report):
    """Consumption 0.1 % lower everywhere moves mean K up: the path of K sees what Euler errors hide."""
    around = run.model.network.activations[0].around  # the stationary shares
    share = around.clone()
    before = Path(Economy(run), 20, 680).series["K"][-1]
    try:
        around.mul_(0.999)
        after = Path(Economy(run), 20, 680).series["K"][-1]
    finally:
        around.copy_(share)
    assert 0.001 < after / before - 1 < 0.01


def test_moments_stand_beside_those_of_the_reference(report):
    network, reference = (report["moments"][f"{name}, own grid"] for name in ("network", "reference"))
    for name in ("mean K", "mean Y", "mean C", "mean I", "Gini of wealth", "share of the top 10 %"):
        assert network[name] == pytest.approx(reference[name], rel=2e-3), name
    for name in ("std log K", "std log I", "autocorrelation log C", "correlation of I with Y"):
        assert network[name] == pytest.approx(reference[name], rel=0.05), name
    assert network["mean C"] + network["mean I"] == pytest.approx(network["mean Y"])
    assert 0.5 < network["Gini of wealth"] < 0.55
    assert network["share of the top 1 %"] < 0.2 * network["share of the top 10 %"]


def test_inequality_is_that_of_the_distributions():
    mass = torch.tensor([[[0.5, 0.0, 0.5]], [[0.98, 0.0, 0.02]]])
    found = inequality(mass, torch.tensor([0.0, 1.0, 2.0]))
    np.testing.assert_allclose(found["gini"], [0.5, 0.98], rtol=1e-6)
    np.testing.assert_allclose(found["top_10"], [0.2, 1.0], rtol=1e-6)
    np.testing.assert_allclose(found["top_1"], [0.02, 0.5], rtol=1e-6)
    assert inequality(mass, torch.tensor([-1.0, 1.0, 2.0])) == {}


def test_a_histogram_put_on_other_nodes_keeps_mass_and_mean():
    fine, grid = torch.linspace(0, 60, 601).double(), 50 * torch.linspace(0, 1, 40).double() ** 2
    mass = torch.rand(2, 3, 601, generator=torch.Generator().manual_seed(0)).double()
    put = put_on(mass, fine, grid)
    torch.testing.assert_close(put.sum(-1), mass.sum(-1))
    torch.testing.assert_close(put @ grid, mass @ fine.clamp(max=50))  # what lies beyond 50 goes to the last node
    assert (put >= 0).all()
    last = ((fine - grid[38]) / (grid[39] - grid[38])).clamp(0, 1)
    torch.testing.assert_close(put[..., 39], mass @ last)
    there = put_on(put, grid, fine)
    torch.testing.assert_close(there @ fine, put @ grid)
    torch.testing.assert_close(put_on(put, grid, grid), put)


@pytest.mark.parametrize("choice", ["nothing", "moments", "histogram"])
def test_the_path_on_other_nodes_is_that_of_the_run_where_they_are_the_runs_nodes(choice, tmp_path):
    """Also for a network that sees more than K: it is shown the distribution, not a stand-in with the same mean."""
    model = deqn.load_model("krusell_smith", ["constants.nA=60", f"net.distribution.sees={choice}"])
    nn.init.normal_(model.network.body.network[-1].weight, 0, 0.1, torch.Generator().manual_seed(0))
    path = Path(Economy(deqn.Run(model, tmp_path)), 60, 20)
    same = on_other_nodes(path, model.Parameters.a_grid.numpy())
    finer = on_other_nodes(path, np.union1d(model.Parameters.a_grid, np.linspace(0, 250, 1001)))
    for name, values in (path.series | path.inequality).items():
        if name in same:
            np.testing.assert_allclose(same[name], values, rtol=1e-5)
    assert {"K", "C", "Y", "at_limit", "gini", "top_10"} <= same.keys()
    assert 1e-5 < np.abs(np.log(finer["K"] / path.series["K"])).max() < 0.02


def test_euler_errors_are_those_of_consumption(run):
    """Free nodes: |1 - c_implied / c|, the expectation written out over Z' and e'."""
    model = run.model
    p, D, state = model.Parameters, model.Definitions, run.starting_state[:1]
    with model.context(), torch.no_grad():
        now = D.households(state, model.policy(state))
        z = int((model.State.Z(state) - p.tfp_grid).abs().argmin())
        moved = model.linker.link("Dynamics").next_distribution(state, model.policy(state), p.tfp_grid[:1])
        expected = torch.zeros(3, 60)
        for Z_next, probability in zip(p.tfp_grid, p.Pi_tfp[z], strict=True):
            following = model.State.update_dict(state, {"Z": Z_next[None], "distribution": moved})
            then = D.households(following, model.policy(following))
            expected += probability * p.Pi_e @ ((1 + D.r(following, None)) * then.c[0] ** (-1 / p.eis))
        found = run.residuals(state)["euler"][0].abs()
    implied = (p.beta * expected) ** -p.eis
    implied = np.stack([np.interp(now.a_next[0, e], p.a_grid, implied[e]) for e in range(3)])
    errors = np.abs(1 - implied / now.c[0].numpy())
    free = (now.desired[0] > 1) & (now.desired[0] < 240)
    assert free.sum() > 120
    np.testing.assert_allclose(found[free], errors[free], atol=2e-6, rtol=0.01)


def test_logs_of_errors_leave_out_what_is_zero():
    assert logs(np.array([0.1, 0.001, 0.0]))["mean log10"] == pytest.approx(-2)


def test_inequality_stands_beside_the_references(report):
    for shares in ("Gini of wealth", "share of the top 10 %", "share of the top 1 %"):
        network, reference = (report["moments"][name][shares] for name in ("network, own grid", "reference, own grid"))
        assert network == pytest.approx(reference, rel=0.02)
