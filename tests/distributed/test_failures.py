"""What clusters do to runs of many processes: nothing is lost, and the end is the same."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

from deqn.disk.checkpoint import Checkpoints, not_finite
from tests.conftest import ROOT, TINY, assert_same, own_model
from tests.distributed.launches import BOTH, Launch, last, last_episode, launch, needs_horovod

EPISODES = 800
BM = ["model=bm1972", "net.layers.0.hidden.units=8", "net.layers.1.hidden.units=8", "hydra.run.dir=run"]
RUN = [*BM, f"run.N_episodes={EPISODES}", "CHECKPOINT_INTERVAL=5"]
ENDLESS = [*BM, "run.N_episodes=1000000", "CHECKPOINT_INTERVAL=5"]
RESUME = ["STARTING_POINT=LATEST", "hydra.run.dir=run"]
FROM = {"USE_CONFIG_FROM_RUN_DIR": "run"}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> dict:
    """Where a run that nothing happened to ends."""
    cwd = tmp_path_factory.mktemp("whole")
    launch("srun", 2, cwd, *RUN)
    return last(cwd / "run")


def resume(cwd: Path) -> Launch:
    return launch("srun", 2, cwd, *RESUME, **FROM)


# -- a process dies ---------------------------------------------------------------------------------------------------


def test_a_run_whose_processes_are_killed_ends_as_if_nothing_had_happened(tmp_path, uninterrupted):
    """First rank 1, then, in the resumed run, rank 0: the survivor ends within 30 s and says who is gone, and what is left."""
    typed, environment, episode = RUN, {}, 0
    for victim in (1, 0):
        with Launch("srun", 2, tmp_path, *typed, **environment) as run:
            run.until_episode(episode + 20)
            pid = run.workers[victim]
            run.kill(victim)
            killed = time.monotonic()
            codes = run.wait(30)
            seconds = time.monotonic() - killed
        episode = last_episode(tmp_path / "run")
        assert episode < EPISODES
        assert codes == ([5, -9] if victim == 1 else [-9, 5])
        message = f"ProcessError: rank {victim} of 2 (process {pid} on "
        assert run.err.count(message) == 1, run.err
        assert re.search(r"\) (was killed by SIGKILL|has ended) ", run.err), run.err
        assert f"The last checkpoint is ckpt-{episode}; start the same processes with STARTING_POINT=LATEST" in run.err
        assert "Traceback" not in run.err
        print(f"the survivor of rank {victim} had ended after {seconds:.2f} s")
        typed, environment = RESUME, FROM
    assert f"Resumed from ckpt-{episode}" in resume(tmp_path).out
    assert_same(last(tmp_path / "run"), uninterrupted)


@pytest.mark.parametrize("engine", BOTH)
def test_a_launcher_whose_process_is_killed_ends_the_others(engine, tmp_path, uninterrupted):
    with Launch(engine, 2, tmp_path, *RUN) as run:
        run.until_episode(20)
        survivor = run.workers[0]
        run.kill(1)
        killed = time.monotonic()
        codes = run.wait(40)
        while Path(f"/proc/{survivor}").exists():
            assert time.monotonic() < killed + 30, run.text
            time.sleep(0.01)
        print(f"{engine}: all had ended after {time.monotonic() - killed:.2f} s")
    assert codes[0] != 0
    if engine == "horovodrun" and "ProcessError" not in run.text:  # it may kill the survivor before that has spoken
        assert "Process 1 exit with status code 137" in run.text, run.text
    else:
        assert "ProcessError: rank 1 of 2" in run.text, run.text
        assert "STARTING_POINT=LATEST" in run.text
    resume(tmp_path)
    assert_same(last(tmp_path / "run"), uninterrupted)


def test_torchrun_starts_again_by_itself(tmp_path, uninterrupted):
    """In the same folder, whose name holds the time of the first start, from its last checkpoint."""
    typed = [*RUN, "hydra.run.dir=runs/${now:%H-%M-%S}"]
    with Launch("torchrun", 2, tmp_path, *typed, options=["--max-restarts", "1"]) as run:
        run.until(lambda: any(last_episode(folder) >= 20 for folder in tmp_path.glob("runs/*")))
        run.kill(1)
        assert run.wait() == [0], run.text
    (folder,) = tmp_path.glob("runs/*")
    assert run.out.count("Resumed from ckpt-") == 1
    assert_same(last(folder), uninterrupted)


def test_where_torchrun_itself_is_started_again_nothing_is_lost(tmp_path):
    """Only a NEW that was typed starts over, and another configuration is not taken for the same run."""
    typed = [*TINY, "hydra.run.dir=run"]
    elastic = {"TORCHELASTIC_MAX_RESTARTS": "3"}
    launch("srun", 2, tmp_path, *typed, "run.N_episodes=2")
    whole, run = last(tmp_path / "run"), tmp_path / "run"
    state = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(state | {"status": "running"}))
    again = launch("srun", 2, tmp_path, *typed, "run.N_episodes=3", TORCHELASTIC_RUN_ID="x", **elastic)
    assert again.out.count("Resumed from ckpt-2") == 1
    assert_same(last(run, "ckpt-2"), whole)
    with Launch("srun", 2, tmp_path, *typed, "seed=7", "run.N_episodes=4", TORCHELASTIC_RUN_ID="y", **elastic) as other:
        assert other.wait() == [2, 2], other.text
    assert "holds a finished run with another configuration (seed 0 -> 7" in other.err
    assert last_episode(run) == 3
    over = launch(
        "srun", 2, tmp_path, *typed, "STARTING_POINT=NEW", "run.N_episodes=3", TORCHELASTIC_RUN_ID="z", **elastic
    )
    assert "Resumed" not in over.out


@pytest.mark.slow
def test_a_start_that_was_refused_stays_refused_when_torchrun_starts_it_again(tmp_path):
    launch("srun", 2, tmp_path, *TINY, "run.N_episodes=2", "hydra.run.dir=run")
    whole = last(tmp_path / "run")
    typed = [*TINY, "seed=5", "run.N_episodes=4", "hydra.run.dir=run"]
    with Launch("torchrun", 2, tmp_path, *typed, options=["--max-restarts", "1"]) as refused:
        assert refused.wait()[0] != 0
    assert refused.err.count("holds a finished run with another configuration") == 2
    assert_same(last(tmp_path / "run"), whole)


# -- signals ----------------------------------------------------------------------------------------------------------


def test_signals_stop_all_processes_at_the_same_step(tmp_path, uninterrupted):
    """One run, stopped three times by three signals; SIGUSR1 reaches one process only. It ends as if nothing had happened."""
    typed, episode = RUN, 0
    for number, victims in ((signal.SIGUSR1, [1]), (signal.SIGTERM, [0, 1]), (signal.SIGINT, [0, 1])):
        with Launch("srun", 2, tmp_path, *typed) as run:
            run.until_episode(episode + 20)
            for rank in victims:
                run.kill(rank, number)
            codes = run.wait(60)
        assert codes == [128 + number] * 2, run.text
        assert run.err.strip() == "", run.err
        episode = last_episode(tmp_path / "run")
        assert episode < EPISODES
        (line,) = re.findall(r"^interrupted at episode (\d+); resume: (.*)$", run.out, re.MULTILINE)
        assert int(line[0]) == episode
        words = shlex.split(line[1])
        assert words[:3] == ["srun", "-n", "2"]
        assert [Path(word).name for word in words[3:5]] == ["python", "run_deepnet.py"]
        assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
        typed = words[5:]
    resume(tmp_path)
    assert_same(last(tmp_path / "run"), uninterrupted)


def test_a_signal_to_torchrun_and_to_its_processes(tmp_path, uninterrupted):
    """As SLURM sends it; torchrun passes it on, and the second one must not end the run at once."""
    with Launch("torchrun", 2, tmp_path, *RUN) as run:
        run.until_episode(20)
        for pid in [*run.workers.values(), run.processes[0].pid]:
            os.kill(pid, signal.SIGTERM)
        assert run.wait(60)[0] != 0
    assert "stopped at once" not in run.text
    assert run.out.count("interrupted at episode") == 1, run.text
    resume(tmp_path)
    assert_same(last(tmp_path / "run"), uninterrupted)


def test_a_signal_to_the_launcher_alone(tmp_path, uninterrupted):
    """Ctrl-C in a terminal."""
    with Launch("torchrun", 2, tmp_path, *RUN) as run:
        run.until_episode(20)
        os.killpg(run.processes[0].pid, signal.SIGINT)
        assert run.wait(60)[0] != 0
    assert run.out.count("interrupted at episode") == 1, run.text
    resume(tmp_path)
    assert_same(last(tmp_path / "run"), uninterrupted)


def test_a_folder_in_use_is_refused(tmp_path):
    with Launch("srun", 2, tmp_path, *ENDLESS) as first:
        first.until_episode(5)
        with Launch("srun", 2, tmp_path, *BM, "seed=5") as second:
            assert second.wait() == [2, 2], second.text
        assert second.err.count("CheckpointError") == 1, second.err
        assert f"in use by process {first.workers[0]}" in second.err
        assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 0
        for rank in (0, 1):
            first.kill(rank, signal.SIGTERM)
        assert first.wait(60) == [143, 143], first.text


def test_processes_that_were_not_started_alike_are_refused(tmp_path):
    """A slip on one of two machines."""
    with Launch("srun", 2, tmp_path, *TINY, "hydra.run.dir=run", "error_filename=errors.${oc.env:SLURM_PROCID}") as run:
        assert run.wait() == [2, 2], run.text
    assert (
        run.err.count("ConfigError: rank 1 was not started like rank 0: error_filename errors.0 -> errors.1.") == 1
    ), run.err
    assert "Traceback" not in run.err
    assert not (tmp_path / "run").exists()


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", BOTH)
def test_a_wrong_key_is_one_message(engine, tmp_path):
    with Launch(engine, 2, tmp_path, *RUN, "run.N_episode=3") as run:
        assert run.wait(90)[0] != 0
    assert run.text.count("ConfigError") == 1, run.text
    assert "Did you mean" in run.text
    assert "deqn" not in run.text.replace("run_deepnet", "").split("ConfigError")[0]
    assert not (tmp_path / "run").exists()


def test_an_error_of_the_model_is_one_message(tmp_path):
    equations = (
        (ROOT / "models" / "brock_mirman" / "Equations.py").read_text().replace("Parameters.beta", "Parameters.bta")
    )
    models = own_model(tmp_path / "models", Equations=equations)
    with Launch("srun", 2, tmp_path, *TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}", "hydra.run.dir=run") as run:
        assert run.wait() == [2, 2]
    assert run.err.count("ModelError") == 1, run.err
    assert "'bta'" in run.err
    assert "Traceback" not in run.err


NOT_FINITE = """
import os

calls = 0
there = equations


def equations(state, policy_state):
    global calls
    calls += 1
    factor = float("nan") if calls > 60 and os.environ.get("SLURM_PROCID") == os.environ.get("BAD_RANK") else 1.0
    return {name: factor * residual for name, residual in there(state, policy_state).items()}
"""


def test_a_number_that_is_not_finite_on_one_rank_stops_all(tmp_path):
    equations = (ROOT / "models" / "brock_mirman" / "Equations.py").read_text() + NOT_FINITE
    models = own_model(tmp_path / "models", Equations=equations)
    typed = [*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}", "run.N_episodes=12", "hydra.run.dir=run"]
    with Launch("srun", 2, tmp_path, *typed, BAD_RANK="1") as run:
        assert run.wait() == [3, 3], run.text
    assert run.err.count("TrainingError") == 1, run.err
    assert "rank 1: equation 'euler'" in run.err
    checked = [*typed, "hydra.run.dir=checked", "enable_check_numerics=true"]
    with Launch("srun", 2, tmp_path, *checked, BAD_RANK="1") as run:
        assert run.wait() == [3, 3], run.text
    assert run.err.count("TrainingError") == 1, run.err
    assert re.search(
        r"rank 1: .*the first operation with a result that is not finite is `mul`", " ".join(run.err.split())
    )
    kept = Checkpoints(tmp_path / "run").names()
    assert f"Kept {kept[-1]}." in run.err
    for name in kept:
        assert not not_finite(last(tmp_path / "run", name))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "not finite"
    launch("srun", 2, tmp_path, *RESUME, BAD_RANK="none", **FROM)
    launch("srun", 2, tmp_path, *typed, "hydra.run.dir=whole", BAD_RANK="none")
    assert_same(last(tmp_path / "run"), last(tmp_path / "whole"))


ONCE = NOT_FINITE.replace("calls > 60", "calls == 60")


@pytest.mark.parametrize("engine", ["srun", pytest.param("horovodrun", marks=needs_horovod)])
def test_all_processes_go_back_together(engine, tmp_path):
    """The other ranks have finite numbers, and go back and lower their learning rate all the same."""
    ranks = {"srun": "SLURM_PROCID", "horovodrun": "HOROVOD_RANK"}
    once = ONCE.replace("SLURM_PROCID", ranks[engine])
    equations = (ROOT / "models" / "brock_mirman" / "Equations.py").read_text() + once
    models = own_model(tmp_path / "models", Equations=equations)
    typed = [*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}", "hydra.run.dir=run", "on_nonfinite=rollback"]
    ended = launch(engine, 2, tmp_path, *typed, "run.N_episodes=12", "MAX_TO_KEEP_NUMBER=20", BAD_RANK="1")
    assert ended.out.count("(rollback 1 of 10)") == 1
    (episode,) = map(int, re.findall(r"Back to the end of episode (\d+)", ended.out))
    end = last(tmp_path / "run")
    assert end["episode"] == 12
    assert end["rollbacks"] == {"n": 1, "factor": 0.5, "failed": episode + 1, "target": episode}
    plain = [*typed, "hydra.run.dir=plain"]
    launch("srun", 2, tmp_path, *plain, f"run.N_episodes={episode}", BAD_RANK="none")
    half = ["optimizer.learning_rate=0.0015", "run.N_episodes=12", "STARTING_POINT=LATEST"]
    launch("srun", 2, tmp_path, *plain, *half, BAD_RANK="none")
    for part in ("policy", "others", "starting_state", "rng"):
        assert_same(end[part], last(tmp_path / "plain")[part])


# -- the disk is full -------------------------------------------------------------------------------------------------

MESSAGE = r"note ckpt-\d+ could not be written: .*\([\d,]+ bytes free in .*\)\. Training goes on; the next checkpoint is tried"
KEEP_ALL = "MAX_TO_KEEP_NUMBER=100000"


@pytest.mark.parametrize("n", [1, 2])
def test_a_full_disk_that_is_emptied_again(n, tmp_path, small_disk):
    """Training goes on, earlier checkpoints stay whole, the next ones are tried again, and nothing is lost."""
    on_disk = f"hydra.run.dir={small_disk / 'run'}"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(700_000))
    environment = {"PYTHONUNBUFFERED": "1"}
    with Launch("srun", n, tmp_path, *ENDLESS, KEEP_ALL, on_disk, **environment) as run:
        run.until(lambda: "could not be written" in run.out)
        full = last_episode(small_disk / "run")
        assert last(small_disk / "run")["episode"] == full
        assert re.search(MESSAGE, " ".join(run.out.split())), run.out
        ballast.unlink()
        run.until(lambda: "could be written again" in run.out)
        assert last_episode(small_disk / "run") > full
        for rank in range(n):
            run.kill(rank, signal.SIGTERM)
        assert run.wait(60) == [143] * n, run.text
    assert run.err.strip() == "", run.err
    stopped = last_episode(small_disk / "run")
    # until that episode nothing differs from a run on a disk with room
    launch("srun", n, tmp_path, *BM, f"run.N_episodes={stopped}", "hydra.run.dir=roomy", "CHECKPOINT_INTERVAL=1000000")
    assert_same(last(small_disk / "run"), last(tmp_path / "roomy"))


@pytest.mark.parametrize("n", [1, 2])
def test_a_disk_that_is_full_to_the_end_is_an_exit_status(n, small_disk):
    """What is printed goes to the same disk, and is lost in part."""
    (small_disk / "ballast").write_bytes(bytes(700_000))
    with Launch("srun", n, small_disk, *RUN, KEEP_ALL) as run:
        assert run.wait() == [4] * n, run.text
        assert "Traceback" not in run.text
    names = Checkpoints(small_disk / "run").names()
    assert names
    assert f"ckpt-{EPISODES}" not in names
    for name in names:
        assert last(small_disk / "run", name)["episode"] < EPISODES
    assert not list(small_disk.rglob("*.tmp"))


def test_a_size_without_a_rank_is_refused(answer):
    result = answer(*RUN, HOROVOD_SIZE="2")
    assert result.code == 2
    assert "ConfigError: HOROVOD_SIZE=2, but HOROVOD_RANK is not set" in result.err


@needs_horovod
def test_variables_of_horovodrun_that_are_left_over_are_refused(answer):
    result = answer(*RUN, HOROVOD_SIZE="2", HOROVOD_RANK="0")
    assert result.code == 2
    assert "ConfigError: HOROVOD_SIZE=2 is set, but HOROVOD_GLOO_RENDEZVOUS_ADDR is not" in result.err


def test_several_processes_without_an_engine_are_refused(answer, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "horovod", None)
    monkeypatch.setitem(sys.modules, "horovod.torch", None)
    result = answer(*RUN, HOROVOD_SIZE="2", HOROVOD_RANK="0")
    assert result.code == 2
    for words in ("ConfigError: horovodrun has started 2 processes", "scripts/install_horovod.sh", "torchrun"):
        assert words in result.err
    assert not (tmp_path / "run").exists()
