"""Hooks of folders written for the TensorFlow library, and their draws; the check calls the hooks of every model."""

from __future__ import annotations

import io
import sys
from pathlib import Path

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


def test_draws_of_tensorflow_resume_exactly(tmp_path):
    def trained(path, episodes, starting_point="NEW"):
        model = load(tmp_path / "lib", f"run.N_episodes={episodes}", Dynamics=DRAWS)
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


def test_another_seed_of_the_run_gives_other_draws(tmp_path):
    one, same, other = (load(tmp_path, f"seed={seed}", Dynamics=DRAWS) for seed in (0, 0, 1))
    start = torch.full((5, 2), 0.2)
    assert torch.equal(one.step(start), same.step(start))
    assert not torch.equal(one.step(start), other.step(start))


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
        OUT = Parameters.LOG_DIR + "/own"
        writer = tf.summary.create_file_writer(OUT)

        def cycle_hook(state, i):
            import os
            os.makedirs(OUT, exist_ok=True)
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
