"""What folders written for the TensorFlow library are made of: each obstacle on a small folder that has it."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from rich.console import Console

import deqn
from deqn.configuration.compose import compose
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from deqn.economy.rehearsal import starting_states
from deqn.errors import ModelError
from deqn.training.monitor import Monitor
from deqn.training.try_hooks import try_hooks
from tests.unit.tensorflow.folders import MODEL, load, overrides, write


def check(folder, *more: str, **files: str):
    """The model and what `--check` says of it."""
    model = load(folder, *more, **files)
    report = probe(model)
    try_hooks(model)
    return model, report


STATES = torch.tensor([[0.2, -0.1], [0.2, 0.1], [0.15, 0.02]])


def residual(model: deqn.Model) -> torch.Tensor:
    """Of the Euler equation at some states: `[3]`."""
    return model.equations(STATES, model.policy(STATES))["euler"]


def test_a_folder_passes_and_trains_unmodified(tmp_path):
    model, report = check(tmp_path)
    assert report.notes == []
    assert (model.expectations.stacked_step, model.expectations.stacked_function) == (True, True)
    deqn.Trainer(model).fit(quiet=True)
    assert (model.Parameters.starting_state[:, 1] != 0).any()


def test_residuals_are_those_of_the_same_economy_in_torch(tmp_path):
    model = load(tmp_path)
    K, z = STATES.unbind(-1)
    s = model.policy(STATES)[:, 0]
    nodes = torch.tensor([-1.224744871, 0.0, 1.224744871]) * 2**0.5 * 0.04
    weights = torch.tensor([0.2954089751, 1.1816359, 0.2954089751]) / torch.pi**0.5
    Y = torch.exp(z) * K**0.36
    expected = 0.0
    for node, weight in zip(nodes, weights, strict=True):
        K_next, z_next = s * Y, 0.9 * z + node
        s_next = model.policy(torch.stack([K_next, z_next], -1))[:, 0]
        Y_next = torch.exp(z_next) * K_next**0.36
        expected = expected + weight * 0.36 * Y_next / K_next / ((1 - s_next) * Y_next)
    torch.testing.assert_close(residual(model), 1 - 0.96 * (1 - s) * Y * expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "spread",
    ["tf.repeat(shock_values[shock_index, 0], n)", "tf.fill([n], shock_values[shock_index, 0])",
     "tf.constant(shock_values[shock_index, 0], shape=(n,))", "tf.ones(n) * shock_values[shock_index, 0]",
     "tf.gather(shock_values, shock_index, axis=0)[..., 0]", "tf.repeat(shock_values.numpy()[shock_index, 0], n)"],
)  # fmt: skip
def test_a_shock_that_is_spread_over_the_batch_is_evaluated_on_all_nodes_at_once(tmp_path, spread):
    dynamics = MODEL["Dynamics"]
    old = dynamics[dynamics.index("shock = State.update(\n") : dynamics.rindex("    return")]
    new = f'n = prev_state.shape[0]\n    shock = State.update(tf.zeros_like(prev_state), "z", {spread})\n'
    model = load(tmp_path, Dynamics=dynamics.replace(old, new))
    one_by_one = residual(model)
    probe(model)
    assert model.expectations.stacked_step
    torch.testing.assert_close(residual(model), one_by_one)


def test_the_step_to_all_nodes_compiles_in_one_graph(tmp_path):
    model, _ = check(tmp_path)
    compiled = torch.compile(model.equations, fullgraph=True, backend="eager")(STATES, model.policy(STATES))
    torch.testing.assert_close(compiled["euler"], residual(model))
    assert not model.expectations.all_nodes


# -- functions of TensorFlow --------------------------------------------------------------------------------------


def test_functions_of_plain_numbers_and_of_constants(tmp_path):
    check(
        tmp_path,
        Definitions="""+
            floor = tf.math.log(2.) + tf.math.exp(Parameters.rho) + tf.math.log([Parameters.alpha])[0]
            floor = tf.math.maximum(floor, 1e-5) + tf.sqrt(4)
            """,
    )


@pytest.mark.parametrize(
    "text",
    ["import tensorflow as tf", "from tensorflow import math", "import tensorflow.keras.backend as K", "import keras",
     "from tensorflow import keras", "from tensorflow.keras import layers as L"],
)  # fmt: skip
def test_imports_of_tensorflow(tmp_path, text):
    if "layers" in text:
        text = text.replace("layers as L", "activations as A")
    check(tmp_path, Equations=text + "\n" + MODEL["Equations"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tf.math.bincount([1])", r"tiny/Definitions.py:\d+: tf.math.bincount is not among.*torch.bincount"),
        ("tf.reduce_summ(1.0)", r"Did you mean tf.reduce_sum\?"),
        ("from tensorflow import scan", r"tf.scan is not among.*a loop in Python"),
        ("import tensorflow.data", r"tf.data is not among.*plain tensors"),
        ("from tensorflow.keras.applications import VGG16", r"tf.keras.applications is not among"),
    ],
)
def test_a_name_outside_is_said_with_file_and_line_before_anything_runs(tmp_path, line, said):
    with pytest.raises(ModelError, match=said):
        load(tmp_path, Definitions=f"+\n{line}\n")


def test_numpys_dropped_names(tmp_path):
    check(
        tmp_path,
        Dynamics="+\nimport numpy as np\nfrom numpy import linalg\nn = np.int(3)\nlow = np.NINF\nnp.random.rand(n)\n",
    )


def test_setattr_on_the_module_makes_names_that_no_file_lists(tmp_path):
    check(
        tmp_path,
        Definitions="""+
            import sys
            for i in (1, 2):
                setattr(sys.modules[__name__], "c" + str(i), (lambda k: lambda s, ps: k * C(s, ps))(i))
            """,
        Equations="""
            import Definitions, Parameters, PolicyState, State

            def equations(state, policy_state):
                E_t = State.E_t_gen(state, policy_state)
                return {"euler": 1 - Parameters.beta * Definitions.c2(state, policy_state) * E_t(
                    lambda s, ps: Parameters.alpha * Definitions.Y(s, ps) / State.K(s) / Definitions.c2(s, ps))}
            """,
    )


def test_importlib_gives_the_functions_without_bounds(tmp_path):
    model, _ = check(
        tmp_path,
        Hooks="""
            import importlib
            import Definitions, Parameters, State
            Raw = importlib.import_module(Parameters.MODEL_NAME + ".Definitions")
            from tiny.Definitions import C
            from importlib import import_module
            assert import_module("Definitions") is Definitions
            assert importlib.import_module("json").dumps(1) == "1"
            assert C is Raw.C

            def both(state, policy_state):
                return Raw.C(state, policy_state), Definitions.C(state, policy_state)
            """,
    )
    states = torch.tensor([[0.01, -20.0]])
    raw, bounded = model.linker.link("Hooks").both(states, model.policy(states))
    assert raw < bounded == 0.001


def test_helper_modules_beside_the_model_folder(tmp_path):
    """They see TensorFlow and the names of the model."""
    model, _ = check(
        tmp_path,
        Hooks="""
            import sampling as sm
            from tools.scaling import scale

            def post_init():
                sm.draw(scale(1.0))
            """,
        tools__scaling="import tensorflow as tf\n\ndef scale(x):\n    return tf.constant(x)\n",
        beside__sampling="""
            import tensorflow as tf
            import Parameters, State

            def draw(scale):
                n = Parameters.starting_state.shape[0]
                Parameters.starting_state.assign(State.update(Parameters.starting_state, "z", scale * tf.linspace(0.1, 0.2, n)))
            """,
    )
    assert "sampling" not in sys.modules
    assert starting_states(model, 3)[:, 1].min() > 0.09


# -- what is not read ---------------------------------------------------------------------------------------------


def test_left_over_files_and_dead_functions_are_not_read(tmp_path):
    check(
        tmp_path,
        Equations_backup="import tensorflow as tf\nimport State\nx = tf.nothing(State.missing(1))\n",
        Notes="this is no Python",
        Dynamics="""
def total_step_random(prev_state, policy_state):  # replaced by the second one
    return State.update(prev_state, "z", State.gone(prev_state) * Parameters.gone)

""" + MODEL["Dynamics"] + """
def never_called(prev_state):
    return also_never_called(Parameters.no_such_constant)

def also_never_called(x):
    return State.no_such_state(x)
""",
    )  # fmt: skip


def test_a_function_that_is_called_through_others_is_read(tmp_path):
    with pytest.raises(ModelError, match=r"State has no 'no_such_state'"):
        load(
            tmp_path,
            Equations="""+
                def first(s):
                    return getattr(Definitions, "second")(s)
                penalty = first
                """,
            Definitions="+\ndef second(s):\n    return State.no_such_state(s)\n",
        )


def test_a_folder_without_tensorflow_is_read_as_strictly_as_before(tmp_path):
    plain = {name: text.replace("import tensorflow as tf", "import torch") for name, text in MODEL.items()}
    plain = {name: text.replace("tf.math.exp", "torch.exp") for name, text in plain.items()}
    with pytest.raises(ModelError, match=r"State has no 'gone'"):
        load(tmp_path, **plain, Old="import State\ndef f(x):\n    return State.gone(x)\n")


# -- what is a note -----------------------------------------------------------------------------------------------

UNUSED = """
    states: [{name: K, init: {distribution: uniform, kwargs: {minval: 0.1, maxval: 0.3}}}, {name: z}]
    policies: [{name: s, activation: tf.nn.sigmoid}, {name: dummy}]
    definitions: [{name: Y}, {name: C}]
    """


def loaded_with(tmp_path, variables: str, *more: str, **files: str):
    write(tmp_path, **files)
    (tmp_path / "config" / "variables" / "tiny.yaml").write_text(textwrap.dedent(variables))
    return deqn.Model(compose([*overrides(tmp_path), *more], config_dir=tmp_path / "config").config)


def test_an_unused_policy_is_a_note(tmp_path):
    model = loaded_with(tmp_path, UNUSED)
    assert any("no equation depends on policy 'dummy'" in note for note in probe(model).notes)
    deqn.Trainer(model).fit(quiet=True)
    with pytest.raises(ModelError, match="no equation depends on policy 'dummy'"):
        probe(loaded_with(tmp_path, UNUSED, "strict=true"))


def test_a_listed_definition_that_nothing_defines_is_a_note(tmp_path):
    variables = UNUSED.replace(", {name: dummy}", "").replace("{name: Y}", "{name: Y}, {name: gone}")
    model = loaded_with(tmp_path, variables)
    (note,) = probe(model).notes
    assert "tiny/Definitions.py does not define gone" in note
    assert model.Parameters.definitions == ["Y", "C"]
    try_hooks(model)
    with pytest.raises(ModelError, match=r"gone\(state, policy_state\) is missing"):
        loaded_with(tmp_path, variables, "strict=true")


def test_residuals_that_vanish_at_the_start_are_a_note(tmp_path):
    equations = """
        import tensorflow as tf
        import PolicyState, State

        def equations(state, policy_state):
            return {"euler": 0.0 * PolicyState.s(policy_state)}
        """
    _, report = check(tmp_path, Equations=equations)
    assert any("equation 'euler' is zero" in note for note in report.notes)
    with pytest.raises(ModelError, match="equation 'euler' is zero"):
        check(tmp_path, "strict=true", Equations=equations)


def test_a_scalar_residual_counts_once_in_the_loss(tmp_path):
    equations = MODEL["Equations"].replace(
        "    return loss_dict", "    loss_dict['mean'] = tf.reduce_mean(loss_dict['euler'])\n    return loss_dict"
    ).replace("import Definitions,", "import tensorflow as tf\nimport Definitions,")  # fmt: skip
    model, report = check(tmp_path, Equations=equations)
    assert any("one residual for the whole batch" in note for note in report.notes)
    states = starting_states(model, 5)
    terms = deqn.training.loss.terms(model, states)
    torch.testing.assert_close(terms.deviations["mean"].detach(), terms.residuals["euler"].mean().square())
    assert terms.residuals["mean"].shape == (5,)


def test_probabilities_that_do_not_sum_to_one_are_a_note(tmp_path):
    dynamics = MODEL["Dynamics"].replace("shock_probs = tf.constant([p for", "shock_probs = tf.constant([0.9 * p for")
    _, report = check(tmp_path, Dynamics=dynamics)
    assert any("shock_probs sums to 0.9, not 1" in note for note in report.notes)


# -- names of that library ----------------------------------------------------------------------------------------


def test_training_arguments_change_nothing(tmp_path):
    equations = MODEL["Equations"].replace("(state, policy_state):", "(state, policy_state, training=None):")
    equations = equations.replace("E_t_gen(state, policy_state)", "E_t_gen(state, policy_state, training=training)")
    there, plain = load(tmp_path / "one", Equations=equations), load(tmp_path / "two")
    assert torch.equal(residual(there), residual(plain))
    states = starting_states(there, 3)
    assert torch.equal(there.Parameters.policy(states, training=True), there.policy(states))


def test_switches_that_a_script_sets_are_off_until_then(tmp_path):
    dynamics = MODEL["Dynamics"].replace(
        'shock = State.update(tf.zeros_like(prev_state), "z", normals[:, 0] * Parameters.sigma)',
        'shock = tf.zeros_like(prev_state)\n    if not Globals.DISABLE_SCHOCKS and not Globals.PREF_SHOCK:\n'
        '        shock = State.update(shock, "z", normals[:, 0] * Parameters.sigma)',
    ).replace("import Definitions,", "import Globals, Definitions,")  # fmt: skip
    model, _ = check(tmp_path, Dynamics=dynamics)
    start = starting_states(model, 5)

    def moves():
        return bool(model.step(start)[:, 1].any())

    assert moves()
    model.Globals.DISABLE_SHOCKS = True
    assert model.Globals.DISABLE_SCHOCKS
    assert not moves()
    model.Globals.DISABLE_SCHOCKS = False
    assert not model.Globals.DISABLE_SHOCKS
    model.Globals.PREF_SHOCK = True
    assert not moves()


def test_the_counter_of_episodes(tmp_path):
    hooks = """
        import tensorflow as tf
        import Parameters
        from Parameters import global_default_dtype, n_quad_pts, ENABLE_TB, current_episode
        seen = []

        def post_init():
            assert Parameters.ckpt.current_episode < 2
            seen.append(int(tf.cast(current_episode, tf.int32)))

        def cycle_hook(state, i):
            with Parameters.model.writer.as_default(), Parameters.writer.as_default():
                tf.summary.scalar("own", tf.reduce_mean(tf.zeros(3, dtype=global_default_dtype)))
            seen.append(int(Parameters.ckpt.current_episode.numpy()))
        """
    model, _ = check(tmp_path, Hooks=hooks)
    seen = model.linker.link("Hooks").seen
    seen.clear()

    class Watcher:
        def message(self, text):
            raise AssertionError(text)

        def episode(self, record, state):
            model.cycle_hook(state, record.episode)

    deqn.Trainer(model, watcher=Watcher()).fit()
    assert seen == [1, 2, 3]


def test_a_constant_of_the_same_name_wins(tmp_path):
    model = load(tmp_path, "+constants.n_states=9")
    assert model.Parameters.n_states == 9


# -- hooks --------------------------------------------------------------------------------------------------------


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


# -- draws --------------------------------------------------------------------------------------------------------

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


# -- the Keras version --------------------------------------------------------------------------------------------

AT_ONCE = """
    import tensorflow as tf
    import Definitions, Parameters, PolicyState, State
    from Parameters import global_default_dtype, policy

    shock_values = tf.constant([[-0.05], [0.0], [0.05]], dtype=global_default_dtype)
    calm = tf.constant([0.1, 0.8, 0.1])
    wild = tf.constant([0.4, 0.2, 0.4])
    n_int_samples = 3

    def step(prev_state, policy_state, shock):
        state = State.update(prev_state, "z", Parameters.rho * State.z(prev_state) + shock)
        return State.update(state, "K", PolicyState.s(policy_state) * Definitions.Y(prev_state, policy_state))

    def total_step_random(prev_state, policy_state, mode=None):
        probs = tf.where(tf.expand_dims(State.z(prev_state), -1) > 0, wild, calm)
        index = tf.random.categorical(tf.math.log(probs), 1)[:, 0]
        return step(prev_state, policy_state, tf.gather(shock_values, index)[:, 0])

    def total_step_spec_shock(prev_state, policy_state, mode=None):
        old_state = tf.repeat(prev_state, n_int_samples, axis=0)
        old_pol = tf.repeat(policy_state, n_int_samples, axis=0)
        next_states = step(old_state, old_pol, tf.tile(shock_values, [prev_state.shape[0], 1])[:, 0])
        return old_state, old_pol, next_states, policy(next_states)

    def total_step_spec_probs(prev_state, policy_state, mode=None):
        up = tf.repeat(tf.cast(State.z(prev_state) > 0, global_default_dtype), n_int_samples, axis=0)
        n = [prev_state.shape[0]]
        return (1 - up) * tf.tile(calm, n) + up * tf.tile(wild, n)
    """
FOUR = MODEL["Equations"].replace(
    "lambda s, ps: Parameters.alpha * Definitions.Y(s, ps) / State.K(s) / Definitions.C(s, ps)",
    "lambda sold, psold, s, ps: Parameters.alpha * Definitions.Y(s, ps) / State.K(s) / Definitions.C(s, ps)",
)
BY_NODE = """+
    shock_values, weights = tf.constant([[-0.05], [0.0], [0.05]]), None
    shock_probs = None

    def shock_probs(state, policy_state):
        return tf.where(tf.expand_dims(State.z(state), -1) > 0, tf.constant([0.4, 0.2, 0.4]), tf.constant([0.1, 0.8, 0.1]))
    """


def test_a_step_to_all_nodes_at_once_with_functions_of_four(tmp_path):
    model, report = check(tmp_path / "at once", Dynamics=AT_ONCE, Equations=FOUR)
    assert (report.nodes, report.notes) == (3, [])
    by_node = load(tmp_path / "by node", Dynamics=BY_NODE)
    torch.testing.assert_close(residual(model), residual(by_node), rtol=1e-5, atol=1e-6)
    episode = STATES.expand(2, 3, 2)
    of_episode = model.equations(episode, model.policy(episode))["euler"]
    torch.testing.assert_close(of_episode, residual(model).expand(2, 3))
    deqn.Trainer(model).fit(quiet=True)


def test_probabilities_of_the_state_with_an_index_of_the_shock(tmp_path):
    probs = BY_NODE.replace(
        "def shock_probs(state, policy_state)", "def total_step_spec_probs(prev_state, policy_state)"
    )
    probs = probs.replace("shock_probs = None", "").replace("State.z(state)", "State.z(prev_state)")
    one_by_one = probs.replace("(prev_state, policy_state)", "(prev_state, policy_state, shock_index)").replace(
        "        return tf.where(", "        return tf.gather(tf.where("
    ).replace("0.1]))\n", "0.1])), shock_index, axis=1)\n")  # fmt: skip
    expected = load(tmp_path / "plain", Dynamics=BY_NODE)
    for name, dynamics in (("all", probs), ("one", one_by_one)):
        model, _ = check(tmp_path / name, Dynamics=dynamics)
        torch.testing.assert_close(residual(model), residual(expected))


def test_another_return_is_said(tmp_path):
    with pytest.raises(ModelError, match=r"must return \(old state, old policy, next state, next policy\)"):
        probe(
            load(
                tmp_path,
                Dynamics=AT_ONCE.replace(
                    "return old_state, old_pol, next_states, policy(next_states)", "return next_states"
                ),
            )
        )


def test_a_file_with_networks_of_its_own_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(ModelError, match=r"tiny/Model.py is not read: .*docs/tensorflow_model_files.md"):
        load(tmp_path, Model="class Model:\n    pass\n")


# -- start --------------------------------------------------------------------------------------------------------


def test_other_models_import_nothing_of_it():
    code = (
        "import sys, deqn; deqn.load_model('brock_mirman')\n"
        "print([m for m in sys.modules if m.startswith('deqn.tensorflow.') and m != 'deqn.tensorflow.folder'])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_a_run_ends_with_its_verdict_and_resumes(tmp_path, answer):
    write(tmp_path / "lib")
    arguments = [*overrides(tmp_path / "lib"), "--config-dir", str(tmp_path / "lib" / "config"), "hydra.run.dir=run"]
    result = answer(*arguments)
    assert result.code == 0, result.err
    assert "The equations do not hold" in result.out
    result = answer("hydra.run.dir=run", "STARTING_POINT=LATEST", "run.N_episodes=3")
    assert result.code == 0, result.err


def test_a_generator_made_while_training_changes_nothing_of_a_checkpoint(tmp_path):
    model = load(
        tmp_path,
        Hooks="def cycle_hook(state, i):\n    import late\n    return late.rng.normal([2])\n",
        late="import tensorflow as tf\nrng = tf.random.Generator.from_seed(3)\n",
    )
    before = len(model.rng.get_state())
    try_hooks(model)
    assert len(model.rng.get_state()) == before
