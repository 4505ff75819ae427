"""What the TensorFlow library passes over is a note in its folders; names that only they have."""

from __future__ import annotations

import textwrap

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.economy.probe import probe
from deqn.economy.rehearsal import starting_states
from deqn.errors import ModelError
from deqn.training.try_hooks import try_hooks
from tests.unit.tensorflow.folders import MODEL, check, load, overrides, residual, write

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


def test_files_may_add_names_to_parameters_and_change_those(tmp_path):
    hooks = """+
        Parameters.best = tf.Variable(1e6)
        Parameters.calls = 0

        def cycle_hook(state, i):
            Parameters.best.assign(tf.minimum(Parameters.best, tf.reduce_mean(Definitions.counted(state, policy(state)))))
            Parameters.calls += 1
        """
    definitions = (
        MODEL["Definitions"]
        + "\ndef counted(state, policy_state):\n    return C(state, policy_state) + Parameters.calls\n"
    )
    model = check(tmp_path, Hooks=hooks, Definitions=definitions)[0]
    assert model.Parameters.calls == 0  # the check has called the hook twice, on copies
    states = model.initial_states(3)
    model.Parameters.best.assign(1e6)
    model.cycle_hook(states, 1)
    assert model.Parameters.calls == 1
    torch.testing.assert_close(model.Parameters.best, model.Definitions.C(states, model.policy(states)).mean())


def test_what_the_configuration_gives_stays(tmp_path):
    with pytest.raises(
        ModelError, match=r"tiny/Hooks.py:\d+: AttributeError: Parameters is read-only: Parameters.beta cannot"
    ):
        load(tmp_path, Hooks="+Parameters.beta = 0.9\n")


@pytest.mark.parametrize("place", ["beside__Globals", "Globals"])
def test_values_of_a_globals_file_are_there_beside_the_folder_and_in_it(tmp_path, place):
    """`deqn port` puts a copy into the folder."""
    assert load(tmp_path, **{place: "PREF_SHOCK = True\n"}).Globals.PREF_SHOCK is True
