"""Runs rebuilt from their folders, from Python."""

from __future__ import annotations

import shutil

import pytest
import torch

import deqn
from deqn.disk.checkpoint import Checkpoints
from deqn.errors import CheckpointError, ConfigError
from tests.conftest import contents


@pytest.fixture(scope="module")
def run(finished_run) -> deqn.Run:
    return deqn.load_run(finished_run)


def test_the_network_is_that_of_the_checkpoint(run, finished_run):
    stored = Checkpoints(finished_run).load("LATEST")[0]["policy"]
    for name, value in run.model.network.state_dict().items():
        assert torch.equal(value, stored[name])


def test_a_checkpoint_can_be_named(finished_run):
    first = deqn.load_run(finished_run, "ckpt-1")
    assert first.episode == 1
    stored = Checkpoints(finished_run).load("ckpt-1")[0]["policy"]
    assert torch.equal(first.model.network.state_dict()["body.0.weight"], stored["body.0.weight"])


def test_loading_a_run_only_reads_its_folder(finished_run):
    before = contents(finished_run)
    loaded = deqn.load_run(finished_run)
    loaded.accuracy(loaded.simulate(batch=2, length=3).flatten(0, 1))
    assert contents(finished_run) == before


def test_a_finished_run_needs_no_remark(run):
    assert run.notes == []


def test_an_unfinished_run_says_so_first(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    text = (tmp_path / "run" / "run.json").read_text().replace('"finished"', '"interrupted"')
    (tmp_path / "run" / "run.json").write_text(text)
    assert "not finished (status: interrupted, checkpoint of episode 3)" in deqn.load_run(tmp_path / "run").notes[0]


def test_a_run_that_was_moved_loads_from_where_it_is(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "elsewhere")
    assert deqn.load_run(tmp_path / "elsewhere").path == tmp_path / "elsewhere"


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no .*/.hydra/config.yaml"):
        deqn.load_run(tmp_path)


def test_a_run_without_checkpoints_is_refused(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        deqn.load_run(tmp_path / "run")


def test_globals_tell_model_files_that_this_is_post_processing(run):
    assert run.model.Globals.POST_PROCESSING
    assert not run.model.Globals.DISABLE_SHOCKS


def test_a_simulation_has_the_size_that_is_asked(run):
    assert run.simulate(batch=3, length=5).shape == (5, 3, 2)


def test_a_simulation_goes_on_from_where_training_ended(run):
    assert torch.equal(run.simulate(batch=4, length=2)[0], run.starting_state[:4])


def test_more_trajectories_than_there_were_start_from_the_same_states_again(run):
    start = run.simulate(batch=20, length=1)[0]
    assert torch.equal(start[16:], start[:4])


def test_the_size_of_the_configuration_is_used(finished_run):
    loaded = deqn.load_run(finished_run, overrides=["N_simulated_batch_size=3", "N_simulated_episode_length=7"])
    assert loaded.simulate().shape == (7, 3, 2)


def test_each_simulated_state_follows_from_the_one_before(finished_run):
    loaded = deqn.load_run(finished_run, overrides=["DISABLE_SHOCKS=true"])
    states = loaded.simulate(batch=3, length=4)
    for t in range(3):
        K = loaded.model.Definitions.K_next(states[t], loaded.policies(states[t]))
        torch.testing.assert_close(states[t + 1, :, 0], K)


def test_the_accuracy_table_has_exact_quantiles(run):
    """Of the residuals 1, ..., 100 of an equation."""
    values = torch.arange(1.0, 101.0)[torch.randperm(100)] * torch.tensor([1.0, -1.0]).repeat(50)
    run.residuals, before = (lambda states: {"x": values}), run.residuals
    try:
        row = run.accuracy(torch.zeros(100, 2)).loc["x"]
    finally:
        run.residuals = before
    assert row["mean"] == pytest.approx(50.5)
    assert row["max"] == 100
    assert [row[q] for q in ("p50", "p95", "p99")] == pytest.approx([50.5, 95.5, 99.5], abs=0.6)
    assert row["log10 max"] == pytest.approx(2.0)
    assert row["log10 mean"] == pytest.approx(values.abs().double().log10().mean().item())


def test_the_wider_box_is_wider_by_a_quarter_on_either_side(run):
    cloud = torch.stack([torch.linspace(1.0, 2.0, 4000), torch.linspace(-0.1, 0.1, 4000)], dim=-1)
    box = run.wider_box(cloud)
    assert box.shape == cloud.shape
    torch.testing.assert_close(box.min(0).values, torch.tensor([0.75, -0.15]), atol=0.01, rtol=0)
    torch.testing.assert_close(box.max(0).values, torch.tensor([2.25, 0.15]), atol=0.01, rtol=0)


def test_states_are_evaluated_in_pieces_with_the_same_result(run, monkeypatch):
    states = run.simulate(batch=10, length=5).flatten(0, 1)
    whole = run.residuals(states)["euler"]
    monkeypatch.setattr(deqn.analysis.trained, "_CHUNK", 200)
    torch.testing.assert_close(run.residuals(states)["euler"], whole)


def test_a_checkpoint_of_another_network_is_refused(finished_run):
    with pytest.raises(CheckpointError, match="not the network of this configuration"):
        deqn.load_run(finished_run, overrides=["net.layers.0.hidden.units=9"])


def test_residuals_that_are_not_finite_are_counted_and_left_out():
    model = deqn.load_model("brock_mirman")
    run = deqn.Run(model, model.folder, model.initial_states(4))
    states = torch.tensor([[0.2, 0.0], [0.2, 1e30]])  # productivity overflows in the second
    frame = run.accuracy(states)
    assert list(frame.index) == ["euler (1 of 2 not finite)"]
    assert frame["max"].notna().all()
