"""Hooks of folders written for the TensorFlow library, and their draws; the check calls the hooks of every model."""

from __future__ import annotations

import io
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

import deqn
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from deqn.errors import ModelError
from deqn.training.monitor import Monitor
from deqn.training.try_hooks import try_hooks
from tests.unit.tensorflow.folders import MODEL, check, load, overrides, write


@pytest.mark.parametrize(
    ("hook", "said"),
    [("def cycle_hook(state, i):\n    undefined_name\n", r"tiny/Hooks.py:2: cycle_hook\(state, i\) failed: NameError"),
     ("def cycle_hook(state, i):\n    if i == 2:\n        1 / 0\n", r"tiny/Hooks.py:3: cycle_hook\(state, i\) failed: ZeroDiv"),
     ("def cycle_hook(state, i):\n    exit()\n", r"Hooks.py:2: cycle_hook\(state, i\) failed: SystemExit")],
)  # fmt: skip
def test_the_check_finds_a_hook_that_would_fail_in_training(tmp_path, hook, said):
    model = load(tmp_path, Hooks=hook)
    probe(model)
    with pytest.raises(ModelError, match=said):
        try_hooks(model)


def test_the_check_leaves_nothing_of_the_hooks(tmp_path):
    model = load(
        tmp_path,
        Hooks="""
            import os, torch
            import Globals, Parameters
            places = []

            def post_init():
                Parameters.starting_state.copy_(torch.zeros_like(Parameters.starting_state))
                for weights in Parameters.policy_net.parameters():
                    weights.zero_()
                Globals.POST_PROCESSING = True

            def cycle_hook(state, i):
                places.append(Parameters.LOG_DIR)
                open(os.path.join(Parameters.LOG_DIR, "x.txt"), "w").close()
                Parameters.rng.normal([3])
                torch.rand(3)
            """,
    )
    before = [model.rng.get_state(), torch.get_rng_state(), *(p.clone() for p in model.network.parameters())]
    try_hooks(model)
    after = [model.rng.get_state(), torch.get_rng_state(), *model.network.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not model.Globals.POST_PROCESSING
    places = model.linker.link("Hooks").places
    assert len(places) == 2
    assert not any(Path(place).exists() for place in places)


def test_states_of_the_probe_are_those_that_post_init_makes(tmp_path):
    """Such folders have ones in the YAML and the states in post_init; at ones their equations may not be finite."""
    definitions = MODEL["Definitions"].replace(
        "tf.math.exp(State.z(state))", "tf.math.exp(tf.math.log(0.5 - State.z(state)))"
    )
    check(tmp_path, Definitions=definitions)


@pytest.mark.parametrize(("redraw", "noted"), [("true", True), ("false", False)])
def test_states_of_post_init_that_later_episodes_do_not_have_are_noted(tmp_path, redraw, noted):
    """z has no `init`: it is 1 where states are drawn anew, and 0 where post_init has made them."""
    report = check(tmp_path, f"initialize_each_episode={redraw}")[1]
    said = [note for note in report.notes if "Later ones begin at 1 for z, which have no `init` in the YAML" in note]
    assert bool(said) == noted


def test_histograms_are_written_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = load(
        tmp_path,
        Hooks=MODEL["Hooks"].replace(
            "return True", 'tf.summary.histogram("own", state, step=i); tf.summary.scalar("mean", 1.0)'
        ),
    )
    report = probe(model)
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    monitor = Monitor(model, folder, Console(file=io.StringIO()))
    trainer = deqn.Trainer(model, watcher=monitor)
    monitor.start(report)
    with monitor:
        trainer.fit()
    events = EventAccumulator(str(folder.path), size_guidance={"histograms": 0})
    events.Reload()
    counts = {name: len(events.Histograms(name)) for name in events.Tags()["histograms"]}
    assert counts == {"hist_K": 2, "hist_z": 2, "hist_s": 2, "hist_Y": 2, "hist_C": 2, "own": 2}
    assert [event.value for event in events.Scalars("mean")] == [1.0, 1.0]


DRAWS = MODEL["Dynamics"].replace(
    "normals = Parameters.rng.normal([prev_state.shape[0], 1])",
    "normals = tf.random.normal([prev_state.shape[0], 1]) + own.normal([prev_state.shape[0], 1])\n"
    "    index = tf.random.categorical(tf.math.log([shock_probs]), prev_state.shape[0])[0, :]\n"
    "    normals = normals + tf.expand_dims(tf.gather(shock_values, index)[:, 0], -1)",
).replace("def AR_step", "own = tf.random.Generator.from_seed(7)\n\ndef AR_step")  # fmt: skip


NUMPY_DRAWS = MODEL["Dynamics"].replace(
    "normals = Parameters.rng.normal([prev_state.shape[0], 1])",
    "normals = tf.constant(np.random.normal(size=(prev_state.shape[0], 1)) * random.gauss(1.0, 0.1))"
).replace("import itertools, math", "import itertools, math, random\nimport numpy as np")  # fmt: skip


@pytest.mark.parametrize("dynamics", [DRAWS, NUMPY_DRAWS], ids=["tf.random", "NumPy and Python"])
def test_draws_resume_exactly(tmp_path, dynamics):
    def trained(path, episodes, starting_point="NEW"):
        np.random.seed(episodes)  # where they were before the run does not matter
        model = load(tmp_path / "lib", f"run.N_episodes={episodes}", Dynamics=dynamics)
        probe(model)
        trainer = deqn.Trainer(model, RunFolder(path))
        path.mkdir(exist_ok=True)
        (path / "ckpt").mkdir(exist_ok=True)
        if starting_point != "NEW":
            trainer.restore(starting_point)
        trainer.fit(quiet=True)
        return trainer.state.payload()

    whole = trained(tmp_path / "whole", 4)
    trained(tmp_path / "parts", 2)
    parts = trained(tmp_path / "parts", 4, "LATEST")
    assert torch.equal(whole["starting_state"], parts["starting_state"])
    assert torch.equal(whole["rng"], parts["rng"])


@pytest.mark.parametrize("dynamics", [DRAWS, NUMPY_DRAWS], ids=["tf.random", "NumPy and Python"])
def test_another_seed_of_the_run_gives_other_draws(tmp_path, dynamics):
    start = torch.full((5, 2), 0.2)
    one, same, other = (load(tmp_path, f"seed={seed}", Dynamics=dynamics).step(start) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_draws_of_numpy_are_repeatable_for_the_check_and_a_generator_of_ones_own_is_named(tmp_path):
    assert check(tmp_path, Dynamics=NUMPY_DRAWS)[1].notes == check(tmp_path)[1].notes
    own = NUMPY_DRAWS + "own = np.random.default_rng(0)\ngrid = np.random.default_rng(0).normal(size=3)\n"
    line = own.splitlines().index("own = np.random.default_rng(0)") + 1
    (note,) = [note for note in check(tmp_path, Dynamics=own)[1].notes if "generator" in note]
    assert note.startswith(f"tiny/Dynamics.py:{line}: default_rng() makes a generator that no checkpoint holds")


def test_what_numpy_leaves_over_of_a_pair_of_normal_draws_is_kept(tmp_path):
    model = load(tmp_path, Dynamics=NUMPY_DRAWS)
    np.random.standard_normal(), random.gauss(0.0, 1.0)  # both make two at once
    state = model.rng.get_state()
    drawn = [np.random.standard_normal(3).tolist(), random.gauss(0.0, 1.0), random.random()]
    model.rng.set_state(state)
    assert [np.random.standard_normal(3).tolist(), random.gauss(0.0, 1.0), random.random()] == drawn


def test_folders_that_do_not_draw_from_numpy_leave_its_generator_alone(tmp_path):
    before = np.random.get_state(legacy=True)[1].tolist()
    model = load(tmp_path)
    assert len(model.rng.get_state()) == len(torch.Generator().get_state()) * 2  # the run's, and that of tf.random
    assert np.random.get_state(legacy=True)[1].tolist() == before


@pytest.mark.parametrize("draw", ["tf.random.normal([2])", "np.random.normal(size=2)", "Parameters.rng.normal([2])"])
def test_a_hook_draws_other_numbers_after_each_episode_and_changes_nothing_of_the_run(tmp_path, draw):
    hooks = f"""+
        import numpy as np
        drawn = []

        def cycle_hook(state, i):
            drawn.append([float(x) for x in {draw}])
        """
    model = load(tmp_path, "run.N_episodes=3", Hooks=hooks)
    trainer = deqn.Trainer(model)
    trainer.watcher = SimpleNamespace(episode=lambda numbers, state: model.cycle_hook(state, 0), message=print)
    payload = trainer._fit().payload()
    drawn = model.linker.link("Hooks").drawn
    assert len({tuple(numbers) for numbers in drawn}) == 3
    without = deqn.Trainer(load(tmp_path, "run.N_episodes=3", Hooks=hooks))
    without.fit(quiet=True)
    assert torch.equal(payload["starting_state"], without.state.payload()["starting_state"])


def test_a_generator_made_while_training_changes_nothing_of_a_checkpoint(tmp_path):
    model = load(
        tmp_path,
        Hooks="def cycle_hook(state, i):\n    import late\n    return late.rng.normal([2])\n",
        late="import tensorflow as tf\nrng = tf.random.Generator.from_seed(3)\n",
    )
    before = len(model.rng.get_state())
    try_hooks(model)
    assert len(model.rng.get_state()) == before


def test_a_hook_simulates_with_graphs(tmp_path):
    check(
        tmp_path,
        Hooks="""
            import tensorflow as tf
            from Graphs import do_random_step, run_episode

            def cycle_hook(state, i):
                start = tf.tile(tf.expand_dims(state[:1], axis=0), [3, 5, 1])
                assert run_episode(start).shape == (3, 5, 2)
                assert do_random_step(state).shape == state.shape
            """,
    )
    assert "Graphs" not in sys.modules


def test_files_may_read_the_run_folder_while_they_are_first_run(tmp_path, answer):
    hooks = """+
        import os
        OUT = Parameters.LOG_DIR + "/own"
        writer = tf.summary.create_file_writer(OUT)
        os.makedirs(OUT)

        def cycle_hook(state, i):
            open(Parameters.LOG_DIR + f"/own/{i}.txt", "w").close()
            open(OUT + f"/{i}.txt", "w").close()
        """
    folder = write(tmp_path, Hooks=hooks)
    typed = [f"--config-dir={folder / 'config'}", *overrides(folder), "hydra.run.dir=run"]
    assert answer("--check", *typed).code == 0
    assert not (tmp_path / "run").exists()
    assert answer(*typed).code == 0
    assert sorted(path.name for path in (tmp_path / "run" / "own").iterdir()) == ["1.txt", "2.txt"]
    assert load(tmp_path, Hooks=hooks).Parameters.LOG_DIR is None


def test_what_post_init_prints_is_shown_once(tmp_path, answer):
    hooks = """+
        def post_init():
            print("post init")
        """
    folder = write(tmp_path, Hooks=hooks, Equations="+print('equations')\n")
    typed = [f"--config-dir={folder / 'config'}", *overrides(folder)]
    for said in (answer("--check", *typed), answer(*typed, "hydra.run.dir=run")):
        assert said.code == 0, said.err
        assert said.out.count("post init") == said.out.count("equations\n") == 1
