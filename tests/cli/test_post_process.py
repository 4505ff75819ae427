"""post_process.py as a user runs it, and deqn.load_run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import torch

import deqn
from tests import warm
from tests.conftest import ROOT, TINY, contents, own_model, plain_environment

NAMES = {"brock_mirman": "ergodic cloud", "bm1972": "from initial states"}  # bm1972 draws its states anew
CSV = ("simulated_states", "simulated_policies", "simulated_definitions", "simulated_euler_discrepancies")


def post_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm.python(), str(ROOT / "post_process.py"), "STARTING_POINT=LATEST", "hydra.run.dir=run", *arguments],
        cwd=folder.parent,
        env=plain_environment(USE_CONFIG_FROM_RUN_DIR="run"),
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module", params=["brock_mirman", "bm1972"])
def processed(request, tmp_path_factory):
    """(run folder before, run folder after, process) of the command line of the README."""
    source = request.getfixturevalue("finished_run" if request.param == "brock_mirman" else "finished_bm1972")
    folder = tmp_path_factory.mktemp("post") / "run"
    shutil.copytree(source, folder)
    before = contents(folder)
    process = post_process(folder, "+N_simulated_batch_size=11", "+N_simulated_episode_length=13")
    assert process.returncode == 0, process.stdout + process.stderr
    return before, folder, process


@pytest.mark.parametrize("name", CSV)
def test_each_table_has_a_column_for_each_variable_and_a_row_for_each_state(processed, name):
    _, folder, _ = processed
    model = deqn.load_run(folder).model
    columns = {
        "simulated_states": list(model.Parameters.states),
        "simulated_policies": list(model.Parameters.policy_states),
        "simulated_definitions": list(model.Parameters.definitions),
        "simulated_euler_discrepancies": ["euler"] if model.name == "brock_mirman" else ["REE"],
    }
    frame = pd.read_csv(folder / f"{name}.csv")
    assert list(frame.columns) == columns[name]
    assert len(frame) == 11 * 13
    assert frame.notna().all(axis=None)


def test_the_tables_belong_together(processed):
    """Policies and residuals of a row are those of its states."""
    _, folder, _ = processed
    run = deqn.load_run(folder)
    states, policies, _, residuals = (
        torch.tensor(pd.read_csv(folder / f"{name}.csv").to_numpy(), dtype=torch.float32) for name in CSV
    )
    torch.testing.assert_close(run.policies(states), policies, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(next(iter(run.residuals(states).values())), residuals[:, 0], rtol=1e-4, atol=1e-5)


def test_the_accuracy_table_has_the_cloud_and_the_wider_box(processed):
    _, folder, process = processed
    (post,) = (folder / "post").iterdir()
    table = pd.read_csv(post / "euler_discrepancies.csv")
    name = NAMES[deqn.load_run(folder).model.name]
    assert set(table["states"]) == {name, "wider box"}
    figures = table[["mean", "p50", "p95", "p99", "max"]]
    assert (figures.drop(columns="mean").diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert table["log10 p50"].to_numpy() == pytest.approx(
        table["p50"].map(lambda x: torch.tensor(x).log10().item()).to_numpy(), abs=1e-4
    )
    assert f"simulated {name}: 143 states of 11 trajectories x 13 periods" in process.stdout
    assert f"closed form on 143 states ({name}): |s" in process.stdout
    page = (post / "euler_discrepancies.md").read_text(encoding="utf-8")
    assert "closed form on 143 states" in page
    assert "`log10 mean` is the mean of log10 |residual|" in page
    assert "necessary, not sufficient" in process.stdout


def test_the_accuracy_table_is_that_of_the_residuals(processed):
    _, folder, _ = processed
    (post,) = (folder / "post").iterdir()
    table = pd.read_csv(post / "euler_discrepancies.csv")
    residuals = pd.read_csv(folder / "simulated_euler_discrepancies.csv").abs()
    row = table[table["states"] != "wider box"].iloc[0]
    assert row["mean"] == pytest.approx(residuals.mean().iloc[0], rel=1e-4)
    assert row["max"] == pytest.approx(residuals.max().iloc[0], rel=1e-4)
    assert row["p95"] == pytest.approx(residuals.quantile(0.95, interpolation="higher").iloc[0], rel=0.05)


def test_the_figures_are_drawn(processed):
    _, folder, _ = processed
    (post,) = (folder / "post").iterdir()
    drawn = {path.name for path in post.glob("*.png")}
    assert {"loss.png", "euler_discrepancies.png", "paths.png", "policies.png"} <= drawn
    assert all((post / name).stat().st_size > 1000 for name in drawn)


def test_the_linear_solution_is_said_to_be_drawn(processed):
    """Its root of capital is that of K' = alpha beta z K^alpha."""
    assert "linear solution, drawn in policies.png: one stable solution; roots 0.36" in processed[2].stdout


def test_the_run_is_left_as_it_was_byte_for_byte(processed):
    before, folder, _ = processed
    after = contents(folder)
    assert {name: after[name] for name in before} == before
    new = {name.split("/")[0] for name in after if name not in before}
    assert new == {"post", *(f"{name}.csv" for name in CSV)}


def test_a_second_post_processing_keeps_the_first(processed):
    _, folder, _ = processed
    copy = folder.parent / "again" / "run"
    shutil.copytree(folder, copy)
    process = post_process(copy, "+N_simulated_batch_size=5", "+N_simulated_episode_length=3")
    assert process.returncode == 0, process.stderr
    assert len(list((copy / "post").iterdir())) == 2
    assert len(pd.read_csv(copy / "simulated_states.csv")) == 15


def test_disabled_shocks_reach_the_simulation(finished_run, tmp_path):
    """Without shocks log productivity falls by the factor rho each period."""
    shutil.copytree(finished_run, tmp_path / "run")
    process = post_process(
        tmp_path / "run", "DISABLE_SHOCKS=true", "+N_simulated_batch_size=4", "+N_simulated_episode_length=6"
    )
    assert process.returncode == 0, process.stderr
    z = torch.tensor(pd.read_csv(tmp_path / "run" / "simulated_states.csv")["z"].to_numpy()).reshape(6, 4)
    torch.testing.assert_close(z[1:], 0.9 * z[:-1], rtol=1e-4, atol=1e-7)


def test_a_models_own_post_processing_is_run(finished_run, tmp_path):
    """PostProcess.py sees the run, POST_PROCESSING and the folder for its figures."""
    post = """
import Globals
import Parameters


def post_process(run):
    assert Globals.POST_PROCESSING
    (run.output / "own.txt").write_text(f"{Parameters.beta} {len(run.cloud())}")
"""
    models = own_model(tmp_path / "models", PostProcess=post)
    arguments = [*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}", "run.N_episodes=1", "hydra.run.dir=run"]
    process = subprocess.run(
        [warm.python(), str(ROOT / "run_deepnet.py"), *arguments],
        cwd=tmp_path, env=plain_environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    process = post_process(tmp_path / "run", "+N_simulated_batch_size=4", "+N_simulated_episode_length=6")
    assert process.returncode == 0, process.stderr
    (folder,) = (tmp_path / "run" / "post").iterdir()
    assert (folder / "own.txt").read_text() == "0.96 24"


def test_of_several_processes_the_first_does_it(answer, finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    before = contents(tmp_path / "run")
    typed = ["STARTING_POINT=LATEST", "hydra.run.dir=run"]
    second = answer(*typed, script="post_process.py", USE_CONFIG_FROM_RUN_DIR="run", WORLD_SIZE="2", RANK="1")
    assert (second.code, second.out, second.err) == (0, "", "")
    assert contents(tmp_path / "run") == before
    assert answer(*typed, script="post_process.py", USE_CONFIG_FROM_RUN_DIR="run", WORLD_SIZE="2", RANK="0").code == 0
    assert len(list((tmp_path / "run" / "post").iterdir())) == 1
