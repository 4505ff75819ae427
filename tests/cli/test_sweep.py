"""A sweep as it is typed: what is said before, during and after its jobs."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

import deqn
from deqn.training.monitor import Monitor
from deqn.training.trainer import Trainer
from tests import warm
from tests.conftest import ROOT, TINY, own_model, plain_environment

SHORT = [*TINY, "run.N_episodes=1", "hydra.sweep.dir=many"]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Two learning rates, one of them wrong, and two seeds, in a terminal of 80 columns."""
    cwd = tmp_path_factory.mktemp("sweep")
    process = subprocess.run(
        [warm.python(), str(ROOT / "run_deepnet.py"), "-m", *SHORT, "optimizer.learning_rate=1e-3,-1", "seed=1,2"],
        cwd=cwd, env=plain_environment(COLUMNS="80"), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return process, cwd / "many"


# -- what is said -----------------------------------------------------------------------------------------------------


def test_the_header_is_shown_once(sweep):
    assert sweep[0].returncode == 0, sweep[0].stderr
    assert [sweep[0].stdout.count(word) for word in ("deqn brock_mirman |", "constants: ", "run folder: ")] == [1, 1, 1]


def test_each_job_has_a_line_when_it_has_ended(sweep):
    lines = [line for line in sweep[0].stdout.splitlines() if line.startswith("[")]
    assert [line.partition(": ")[0] for line in lines] == [
        "[1/4] learning_rate=0.001 seed=1",
        "[2/4] learning_rate=0.001 seed=2",
        "[3/4] learning_rate=-1 seed=1",
        "[4/4] learning_rate=-1 seed=2",
    ]
    assert all(line.endswith(f"; {job}/") for job, line in enumerate(lines))
    assert "|residual| " in lines[0]
    assert "refused" in lines[2]


def test_an_error_names_the_job_and_what_tells_it_from_the_others(sweep):
    assert "job 2 (optimizer.learning_rate=-1 seed=1): ConfigError: 1 problem" in sweep[0].stderr
    assert "2 of 4 jobs failed" in sweep[0].stderr


def test_the_closing_table_has_the_jobs_and_the_median_and_worst_over_seeds(sweep):
    closing = sweep[0].stdout.partition("4 jobs in")[2].splitlines()
    rows = [line.split() for line in closing[3:]]
    assert [row[0] for row in rows[:4]] == ["0", "1", "2", "3"]
    assert [row[:2] for row in rows[4:7]] == [["0.001", "median"], ["0.001", "worst"], ["-1", "median"]]


def test_the_table_says_what_the_record_of_each_run_says(sweep):
    folder = sweep[1]
    rows = table(folder)
    assert [(row["job"], row["optimizer.learning_rate"], row["seed"]) for row in rows[:2]] == [
        ("0", "0.001", "1"),
        ("1", "0.001", "2"),
    ]
    for row in rows[:2]:
        ran = record(folder / row["folder"])
        found = [float(row[key]) for key in ("loss", "mean_residual", "max_residual", "policy_error", "seconds")]
        accuracy, exact = ran["accuracy"]["euler"], ran["closed_form"]["s"]
        assert found == [ran["loss"], accuracy["mean"], accuracy["max"], exact["max"], ran["seconds"]]
        assert row["verdict"] == ", ".join(finding["kind"] for finding in ran["verdict"]["findings"])
    assert [row["verdict"] for row in rows[2:]] == ["refused", "refused"]
    assert "learning_rate = -1" in rows[2]["error"]


def test_the_record_has_the_loss_and_the_distance_to_the_closed_form(sweep):
    """Both once more, from the error file and from the policy itself."""
    run = deqn.load_run(sweep[1] / "0")
    last = (run.path / "error_file.txt").read_text().splitlines()[-1].split()
    assert record(run.path)["loss"] == pytest.approx(float(last[1]), rel=1e-6)
    savings, exact = run.model.PolicyState.s(run.policies(run.cloud())), 0.36 * 0.96
    assert record(run.path)["closed_form"]["s"]["max"] == pytest.approx(float((savings - exact).abs().max()), rel=0.05)


def test_another_model_of_a_sweep_has_a_header_of_its_own(answer):
    ended = answer("-m", "model=brock_mirman,bm1972", "run.N_episodes=1", "hydra.sweep.dir=many")
    assert ended.code == 0
    assert [ended.out.count(f"deqn {name} |") for name in ("brock_mirman", "bm1972")] == [1, 1]


# -- what is typed ----------------------------------------------------------------------------------------------------

WRONG = {
    "a key in the wrong place": (["learning_rate=1e-3,1e-4"], "Write optimizer.learning_rate=1e-3,1e-4."),
    "a constant in the wrong place": (["beta=.9,.95"], "Write constants.beta=.9,.95."),
    "a constant that is not there": (["constants.bta=.9,.95"], "To add one, write +constants.bta=.9,.95."),
    "a Greek constant that is not there": (["constants.β=.9,.95"], "To add one, write +constants.β=.9,.95."),
    "a key of each job": (["sed=3", "seed=1,2"], "Did you mean seed?"),
    "a file that is not there": (["net=bm1972,bm1927"], "No net configuration 'bm1927'. Did you mean bm1972?"),
    "an interval": (["seed=interval(1,3)"], "-m takes single values: seed=1,2,3"),
    "a preset of several models": (["model=bm1972,brock_mirman", "preset=smoke"], "a preset is that of one model"),
    "a value that is wrong in all jobs": (
        ["seed=1,2", "optimizer.learning_rate=-1"],
        "expected a number greater than 0",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_in_every_job_is_said_before_a_folder_exists(answer, tmp_path, case):
    typed, fragment = WRONG[case]
    ended = answer("-m", "model=brock_mirman", *typed)
    assert ended.code == 2
    assert fragment in ended.err or (fragment == "write" and "seed=1,2,3" in ended.err)
    assert ended.err.count("Error") == 1
    assert not list(tmp_path.iterdir())


def test_a_greek_constant_is_swept(answer, tmp_path):
    ended = answer("-m", *SHORT, "+constants.β=.9,.95")
    assert ended.code == 0
    assert [table(tmp_path / "many")[job]["constants.β"] for job in (0, 1)] == ["0.9", "0.95"]
    assert [deqn.load_run(tmp_path / "many" / job).model.Parameters.β for job in ("0", "1")] == [0.9, 0.95]
    assert "constants.β=0.9\n" in (tmp_path / "many" / "0" / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")


def test_a_greek_constant_that_the_model_has_is_changed_and_not_added(answer, tmp_path):
    models = own_model(tmp_path / "models")
    config = tmp_path / "conf" / "constants"
    config.mkdir(parents=True)
    shipped = (ROOT / "config" / "constants" / "brock_mirman.yaml").read_text(encoding="utf-8")
    (config / "mine.yaml").write_text(shipped.replace("constants:\n", "constants:\n  β: 0.5\n", 1), encoding="utf-8")
    own = ["--config-dir", str(tmp_path / "conf"), "MODEL_NAME=mine", f"MODELS_DIR={models}", "constants=mine"]
    assert answer("-m", *SHORT, *own, "constants.β=.9,.95").code == 0
    constants = [record(tmp_path / "many" / job)["configuration"]["constants"] for job in ("0", "1")]
    assert [(names["β"], [name for name in names if not name.isascii()]) for names in constants] == [
        (0.9, ["β"]),
        (0.95, ["β"]),
    ]


def test_a_constant_that_one_of_the_models_lacks_is_refused_there(answer, tmp_path):
    ended = answer("-m", "model=brock_mirman,bm1972", "run.N_episodes=1", "constants.sigma=.03", "hydra.sweep.dir=many")
    assert "job 1 (model=bm1972): ConfigError: constants.sigma=0.03: there is no constant 'sigma'" in ended.err
    assert [row["verdict"] == "refused" for row in table(tmp_path / "many")] == [False, True]


def test_post_processing_takes_one_run(answer, finished_run, tmp_path):
    ended = answer(
        "-m", "STARTING_POINT=ckpt-1,ckpt-2", script="post_process.py", USE_CONFIG_FROM_RUN_DIR=str(finished_run)
    )
    assert (ended.code, ended.err) == (2, "ConfigError: This command takes one configuration: leave out -m.\n")
    assert not list(tmp_path.iterdir())


# -- how it ends ------------------------------------------------------------------------------------------------------


def test_strict_makes_the_status_of_a_sweep_that_of_a_job_that_is_not_solved(answer):
    assert answer("-m", *SHORT, "seed=1,2", "--strict").code == 6


def test_a_mapping_on_the_command_line_replaces_that_of_the_file_as_in_a_single_run(answer, tmp_path):
    ended = answer("-m", *SHORT, "optimizer.learning_rate_schedule=null", "optimizer.schedule_kwargs={}", "seed=1,2")
    assert ended.code == 0, ended.err
    text = (tmp_path / "many" / "1" / ".hydra" / "config.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["optimizer"]["schedule_kwargs"] == {}


def test_a_sweep_over_seeds_alone_names_no_best(answer):
    ended = answer("-m", *SHORT, "seed=1,2")
    assert "2 jobs in" in ended.out
    assert "smallest" not in ended.out


def test_when_all_jobs_fail_the_status_is_two(answer, tmp_path):
    models = own_model(tmp_path / "models", Hooks="def cycle_hook(state, i):\n    raise RuntimeError('no')\n")
    ended = answer("-m", *SHORT, "MODEL_NAME=mine", f"MODELS_DIR={models}", "seed=1,2")
    assert ended.code == 2
    assert "2 of 2 jobs failed" in ended.err
    assert "job 0 (seed=1): ModelError" in ended.err


def test_ctrl_c_ends_the_sweep_and_the_table_of_what_ended_is_written(answer, tmp_path, monkeypatch):
    show = Monitor.episode

    def stopped(self, record, state):
        show(self, record, state)
        if self.config.seed == 2 and record.episode == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Monitor, "episode", stopped)
    ended = answer("-m", *SHORT, "run.N_episodes=3", "seed=1,2,3")
    assert ended.code == 130
    assert "2 jobs (of 3) in" in ended.out
    assert [row["verdict"] for row in table(tmp_path / "many")][1:] == ["interrupted"]


def test_ctrl_c_before_a_job_trains_names_the_job(answer, tmp_path, monkeypatch):
    def stopped(self, *arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "__init__", stopped)
    ended = answer("-m", *SHORT, "seed=1,2")
    assert ended.code == 130
    assert "stopped in job 0 (seed=1)" in ended.err
    assert [row["verdict"] for row in table(tmp_path / "many")] == ["failed"]


def test_a_crash_names_the_job_and_ends_no_other(answer, tmp_path, monkeypatch):
    fit = Trainer.fit

    def crash(self, *arguments, **options):
        if self.config.seed == 1:
            raise RuntimeError("a mistake of ours")
        return fit(self, *arguments, **options)

    monkeypatch.setattr(Trainer, "fit", crash)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        answer("-m", *SHORT, "seed=1,2")
    assert [row["error"] for row in table(tmp_path / "many")] == ["RuntimeError: a mistake of ours", ""]
