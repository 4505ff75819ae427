"""The accuracy report of a Krusell-Smith run, on a small economy."""

from __future__ import annotations

import json

import pytest
import torch

import deqn
from deqn.trainer import Trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> deqn.Run:
    overrides = ["constants.nA=60", "run.N_sim_batch=16", "run.N_episode_length=5", "run.N_minibatch_size=16"]
    model = deqn.load_model("krusell_smith", [*overrides, "run.N_episodes=150"])
    model.probe()
    Trainer(model).fit()
    folder = tmp_path_factory.mktemp("run")
    run = deqn.Run(model, folder)
    run.output = folder / "post" / "1"
    run.output.mkdir(parents=True)
    return run


@pytest.fixture(scope="module")
def report(run) -> dict:
    module = run.model.linker.link("Report")
    module.PERIODS, module.BURN_IN, module.FINE_ASSETS = 500, 200, 120
    with run.model.context(), torch.no_grad():
        return module.accuracy_report(run)


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
    assert (run.output / "accuracy.png").stat().st_size > 10_000
    assert len(list(run.output.parent.glob("reference-*.npz"))) == 2  # the run's grid and the fine one


def test_a_uniform_savings_error_shows_as_a_level_bias_of_capital(run, report):
    """Consumption 0.1 % lower everywhere moves mean K up: the path of K sees what Euler errors hide."""
    module = run.model.linker.link("Report")
    z = module.productivity_path(run.model.Parameters.Pi_tfp.double().numpy(), 700)
    share = run.model.Parameters.share_ss.clone()
    with run.model.context(), torch.no_grad():
        before = module.network_path(run, z)[0]["K"][-1]
        try:
            run.model.Parameters.share_ss.mul_(0.999)
            after = module.network_path(run, z)[0]["K"][-1]
        finally:
            run.model.Parameters.share_ss.copy_(share)
    assert 0.001 < after / before - 1 < 0.01
