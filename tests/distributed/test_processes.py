"""Many processes train one model: the same on every engine, on every restart, and only once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from deqn.configuration.compose import compose
from deqn.disk.checkpoint import Checkpoints
from deqn.economy.model import Model
from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.training import loss
from deqn.training.foresight import Foresight
from deqn.training.least_squares import Residuals
from tests.conftest import ROOT, TINY, assert_same, own_model, train
from tests.distributed.launches import BOTH, last, launch, needs_horovod, needs_mpirun, several
from tests.distributed.several import BATCH_NORM, CLIP, DROPOUT, KEEPING, LEAST_SQUARES, SGD

KRUSELL_SMITH = [
    "model=krusell_smith", "constants.nA=40", "run.N_sim_batch=8", "run.N_episode_length=4", "run.N_minibatch_size=16",
]  # fmt: skip
SETTINGS = {
    "dropout": [*TINY, DROPOUT],
    "batch_normalize": [*TINY, BATCH_NORM],
    "momentum": [*SGD, "optimizer.optimizer_kwargs={momentum: 0.9}"],
    "RMSprop": [*TINY, "optimizer.optimizer=RMSprop", "run.expectation_type=pseudo_random"],
    "schedule": [*TINY, "optimizer.schedule_kwargs={decay_steps: 32}", "optimizer.clipvalue=0.01"],
    "pieces": [*TINY, DROPOUT, "run.N_states_held=32"],
    "krusell_smith": KRUSELL_SMITH,
    "phases": [
        *TINY, "optimizer=phases",
        "optimizer.phases=[{optimizer: Adam, N_episodes: 1}, {optimizer: LevenbergMarquardt, N_steps_per_episode: 2}]",
    ],
    **{name: KEEPING[name] for name in ("reweighting", "MAO", "AdaHessian")},
}  # fmt: skip
ON = {
    "torchrun": [*SETTINGS],
    "horovodrun": ["dropout", "batch_normalize", "krusell_smith", "phases"],
}  # with two processes
PAIRS = [
    pytest.param(engine, name, marks=needs_horovod if engine == "horovodrun" else ())
    for engine, names in ON.items()
    for name in names
]


def jobs(names) -> list[list[str]]:
    """Four episodes in one go, two, and two more."""
    made = []
    for name in names:
        made += [
            [*SETTINGS[name], "run.N_episodes=4", f"hydra.run.dir=whole/{name}"],
            [*SETTINGS[name], "run.N_episodes=2", f"hydra.run.dir=parts/{name}"],
            [*SETTINGS[name], "run.N_episodes=4", f"hydra.run.dir=parts/{name}", "STARTING_POINT=LATEST"],
        ]
    return made


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What a number of processes on an engine leave of all jobs; every pair is launched once."""
    folders: dict[tuple[str, int], Path] = {}

    def ask(engine: str, n: int) -> Path:
        if (engine, n) not in folders:
            cwd = tmp_path_factory.mktemp(f"{engine}{n}")
            several(engine, n, cwd, jobs(ON[engine] if n == 2 else ["dropout"]), inside=n == 2)
            folders[engine, n] = cwd
        return folders[engine, n]

    return ask


@pytest.fixture(scope="module", params=BOTH)
def inside(request, done) -> list[dict]:
    """What each of two processes holds."""
    folder = done(request.param, 2)
    return [torch.load(folder / f"inside.{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module", params=BOTH)
def from_the_command_line(request, tmp_path_factory):
    """Two episodes and two more, as a user types them, of brock_mirman with a calibration that leaves a mark."""
    cwd = tmp_path_factory.mktemp(f"typed-{request.param}")
    real = (ROOT / "models" / "brock_mirman" / "Calibration.py").read_text()
    models_dir = own_model(cwd / "models", Calibration=f"{real}\n\nopen('calibrated', 'a').write('once\\n')\n")
    mine = ["MODEL_NAME=mine", f"MODELS_DIR={models_dir}"]
    first = launch(request.param, 2, cwd, *SETTINGS["dropout"], *mine, "run.N_episodes=2", "hydra.run.dir=run")
    (cwd / "calibrated").rename(cwd / "calibrated_at_first")
    second = launch(
        request.param, 2, cwd, "STARTING_POINT=LATEST", "run.N_episodes=4", USE_CONFIG_FROM_RUN_DIR="run"
    )  # fmt: skip
    return cwd, first, second


# -- the same bits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("engine", "name"), PAIRS)
def test_two_and_two_more_equal_four(engine, name, done):
    folder = done(engine, 2)
    whole, parts = last(folder / "whole" / name), last(folder / "parts" / name)
    assert whole["episode"] == 4
    assert len(whole["others"]) == 1
    assert_same(parts, whole)


@pytest.mark.parametrize(
    ("engine", "n"), [("srun", 1), ("torchrun", 4), pytest.param("horovodrun", 4, marks=needs_horovod)]
)
def test_one_and_four_processes_too(engine, n, done):
    folder = done(engine, n)
    whole, parts = last(folder / "whole" / "dropout"), last(folder / "parts" / "dropout")
    assert len(whole["others"]) == n - 1
    assert_same(parts, whole)


@needs_horovod
@pytest.mark.parametrize(("n", "name"), [*((2, name) for name in ON["horovodrun"]), (4, "dropout")])
def test_both_engines_give_the_same_bits(n, name, done):
    left, right = (last(done(engine, n) / "whole" / name) for engine in ("torchrun", "horovodrun"))
    assert_same(left, right)


def test_the_command_line_gives_them_too(from_the_command_line, done):
    cwd, *_ = from_the_command_line
    assert_same(last(cwd / "run"), last(done("torchrun", 2) / "whole" / "dropout"))


# -- the rules --------------------------------------------------------------------------------------------------------


def test_seeds_differ_by_rank(done):
    """The first rank draws what one process draws, the others something else, also for dropout."""
    two, one = (last(done(engine, n) / "whole" / "dropout", "ckpt-1") for engine, n in (("torchrun", 2), ("srun", 1)))
    (other,) = two["others"]
    assert_same(two["torch_rng"], one["torch_rng"])
    assert_same(two["rng"], one["rng"])
    for key in ("rng", "torch_rng", "starting_state"):
        assert not torch.equal(two[key], other[key])


def test_states_of_a_rank_are_those_of_its_seed(inside, tmp_path):
    for rank, found in enumerate(inside):
        alone = train(None, *SGD, "run.N_episodes=1", f"seed={rank}").model
        alone.rng.generator.manual_seed(rank)
        assert_same(found["step"]["batch"], alone.initial_states(16))


def test_dropout_masks_differ_by_rank(inside):
    assert not torch.equal(inside[0]["dropped"], inside[1]["dropped"])


def test_every_rank_has_the_same_network(inside):
    assert_same(inside[0]["network"], inside[1]["network"])
    assert_same(inside[0]["after_post_init"], inside[1]["after_post_init"])


@pytest.mark.parametrize("name", KEEPING)
def test_every_rank_has_the_same_weights_and_moments(inside, name):
    assert_same(inside[0]["kept"][name], inside[1]["kept"][name])


def test_what_processes_tell_each_other_does_not_depend_on_the_default_device(inside):
    (gathered, first), (nothing, same) = (found["told"] for found in inside)
    assert [told["rank"] for told in gathered] == [0, 1]
    assert nothing == []
    assert first[0] == same[0] == 7
    for tensor in (first[1], same[1], *(told["x"] for told in gathered)):
        assert torch.equal(tensor, torch.linspace(0.5, 1.0, 32).reshape(16, 2))


def test_learning_rate_times_processes(inside):
    for found in inside:
        assert found["learning_rate"] == pytest.approx(0.02)
        assert found["unscaled"] == pytest.approx(0.01)


def _gradient(step: dict) -> torch.Tensor:
    """Gradient at a minibatch, computed by one process."""
    model = Model(compose(SGD).config)
    torch.nn.utils.vector_to_parameters(step["before"], model.network.parameters())
    model.fit_normalization()
    with model.context():
        value = loss.terms(model, step["batch"]).loss
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(model.network.parameters()))])


def test_gradients_are_averaged(inside):
    """The step is that of one process with both minibatches, whose loss is a sum, at half the (doubled) learning rate."""
    steps = [found["step"] for found in inside]
    mean = torch.stack([_gradient(step) for step in steps]).mean(0)
    union = _gradient({"before": steps[0]["before"], "batch": torch.cat([step["batch"] for step in steps])})
    assert not torch.allclose(_gradient(steps[0]), mean, rtol=1e-2)
    for step in steps:
        assert_same(step["gradient"], steps[0]["gradient"])
        torch.testing.assert_close(step["gradient"], mean, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(step["after"], step["before"] - 0.01 * union, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("solver", ["primal", "dual"])
def test_a_step_of_least_squares_is_that_of_one_process_with_both_minibatches(inside, solver):
    steps = [found["least_squares"][solver] for found in inside]
    assert_same(steps[0]["after"], steps[1]["after"])
    model = Model(compose(LEAST_SQUARES).config)
    torch.nn.utils.vector_to_parameters(steps[0]["before"].clone(), model.network.parameters())
    model.fit_normalization()
    optimizer = LevenbergMarquardt(model.network.parameters())
    here = {name: p.detach() for name, p in model.network.named_parameters()}
    with model.context(), Foresight(model)(here, optimizer.param_groups[0]["foresight"]):
        optimizer.advance(Residuals(model), torch.cat([step["batch"] for step in steps]))
    alone = torch.cat([p.detach().flatten() for p in model.network.parameters()])
    assert not torch.allclose(steps[0]["before"], alone, rtol=1e-3)
    torch.testing.assert_close(steps[0]["after"], alone, rtol=1e-6, atol=1e-9)


def test_gradients_are_clipped_after_they_are_averaged(inside):
    steps = [found["clipped"] for found in inside]
    each = torch.stack([_gradient(step) for step in steps])
    after = each.mean(0).clamp(-CLIP, CLIP)
    before = each.clamp(-CLIP, CLIP).mean(0)
    for step in steps:
        torch.testing.assert_close(step["gradient"], after, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(before, after, rtol=1e-2, atol=1e-5), "the two orders must differ for the test to tell"


def test_statistics_of_batch_normalisation_are_equal(inside):
    first, second = (found["statistics"] for found in inside)
    assert_same(first, second)
    means = [value for name, value in first.items() if name.endswith("running_mean")]
    assert means
    assert all(bool(mean.abs().sum() > 0) for mean in means)


def test_only_the_first_rank_writes(from_the_command_line):
    cwd, first, second = from_the_command_line
    run = cwd / "run"
    assert Checkpoints(run).names() == ["ckpt-1", "ckpt-2", "ckpt-3", "ckpt-4"]
    assert len(list(run.glob("events.*"))) == 2  # one a start
    assert len((run / "error_file.txt").read_text().splitlines()) == 4 * 2  # two epochs an episode
    assert not [path for path in run.rglob("*") if path.suffix == ".tmp" or path.name == "run.lock"]
    for launched in (first, second):
        assert launched.out.count("deqn mine |") == 1
        assert launched.out.count("2 processes (") == 1
        assert launched.out.count("next:") == 1
        assert "Traceback" not in launched.text
    assert "learning rate 0.003 x 2 = 0.006, seeds 0 to 1, minibatch 2 x 16" in first.out
    assert second.out.count("Resumed from ckpt-2: 2 episodes, 16 gradient steps.") == 1
    assert json.loads((run / "run.json").read_text())["status"] == "finished"


def test_a_calibration_is_computed_once(from_the_command_line):
    cwd, *_ = from_the_command_line
    assert len((cwd / "calibrated_at_first").read_text().split()) == 1
    assert not (cwd / "calibrated").exists()  # a resumed run reads it


@needs_mpirun
def test_mpirun_gives_the_same_bits(tmp_path):
    """Open MPI's own launcher; torch.distributed joins the processes."""
    typed = [*SETTINGS["dropout"], "run.N_episodes=2", "hydra.run.dir=run"]
    first = launch("mpirun", 2, tmp_path, *typed)
    assert "2 processes (torch.distributed" in first.out or "2 processes (horovod mpi" in first.out
    launch("mpirun", 2, tmp_path, "STARTING_POINT=LATEST", "run.N_episodes=4", USE_CONFIG_FROM_RUN_DIR="run")
    launch("srun", 2, tmp_path, *typed, "run.N_episodes=4", "hydra.run.dir=whole")
    assert_same(last(tmp_path / "run"), last(tmp_path / "whole"))


# -- sweeps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["srun", *BOTH])
def test_a_sweep_trains_each_job_with_all_processes(engine, tmp_path):
    """The second job is refused; the first process alone says so, and alone leaves anything on the disk."""
    typed = [*TINY, "run.N_episodes=1", "optimizer.learning_rate=0.003,-1", "hydra.sweep.dir=sweep"]
    ended = launch(engine, 2, tmp_path, "-m", *typed)
    folder = tmp_path / "sweep"
    assert len(last(folder / "0")["others"]) == 1
    assert (folder / "0" / "run_deepnet.log").is_file()
    assert not (folder / "1" / "ckpt").exists()
    assert ended.text.count("optimizer.learning_rate = -1: expected a number greater than 0") == 1
    assert (
        ended.text.count("1 of 2 jobs failed")
        == ended.text.count("a sweep of 2 jobs")
        == ended.text.count("2 jobs in")
        == 1
    )
    launch("srun", 2, tmp_path, *TINY, "run.N_episodes=1", "optimizer.learning_rate=0.003", "hydra.run.dir=alone")
    assert_same(last(folder / "0"), last(tmp_path / "alone"))


def test_a_job_that_fails_on_the_first_process_alone_ends_on_all(tmp_path):
    """The calibration is that of the first process: the others hear of its failure, and all go on with the next job."""
    calibration = (ROOT / "models" / "brock_mirman" / "Calibration.py").read_text()
    fails = "\nthere = calibrate\n\ndef calibrate(constants):\n    assert constants['beta'] < 0.99\n    return there(constants)\n"
    models = own_model(tmp_path / "models", Calibration=calibration + fails)
    mine = [
        "MODEL_NAME=mine",
        f"MODELS_DIR={models}",
        "run.N_episodes=1",
        "hydra.sweep.dir=sweep",
        "constants.beta=0.995,0.95",
    ]
    ended = launch("srun", 2, tmp_path, "-m", *TINY, *mine)
    assert ended.text.count("ModelError") == 1
    assert "rank 1" not in ended.text
    assert len(last(tmp_path / "sweep" / "1")["others"]) == 1


# -- another number of processes --------------------------------------------------------------------------------------


def test_another_number_of_processes_goes_on_and_says_so(tmp_path):
    def start(n: int, episodes: int, point: str) -> str:
        typed = [*SETTINGS["dropout"], f"run.N_episodes={episodes}", "hydra.run.dir=run", f"STARTING_POINT={point}"]
        return " ".join(launch("srun", n, tmp_path, *typed).out.split())

    start(2, 2, "NEW")
    two = last(tmp_path / "run")
    first = "ckpt-2 was written by 2 processes with 32 trajectories, this run has 1 with 16"
    assert f"{first}: it goes on from the same parameters; 16 trajectories go on, 0 begin anew." in start(
        1, 3, "LATEST"
    )
    one = last(tmp_path / "run")
    assert (one["episode"], one["step"], len(one["others"])) == (3, 24, 0)
    assert not torch.equal(one["rng"], two["rng"])
    second = "ckpt-3 was written by 1 process with 16 trajectories, this run has 2 with 32"
    assert f"{second}: it goes on from the same parameters; 16 trajectories go on, 16 begin anew." in start(
        2, 4, "LATEST"
    )
    again = last(tmp_path / "run")
    assert (again["episode"], again["step"], len(again["others"])) == (4, 32, 1)
    assert not torch.equal(again["starting_state"], again["others"][0]["starting_state"])
