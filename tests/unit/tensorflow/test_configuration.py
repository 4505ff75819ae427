"""Configurations of the TensorFlow library, old and new, in the form of this one."""

from __future__ import annotations

import copy

import pytest

from deqn.configuration.validate import known_fields, parse
from deqn.errors import ConfigError
from deqn.tensorflow.configuration import Translation
from deqn.tensorflow.keys import refusal

CONFIGURATION = {
    "constants": {"constants": {"beta": 0.9}},
    "net": {"layers": [{"hidden": {"units": 4}}, {"output": {"activation": "linear"}}]},
    "optimizer": {"optimizer": "Adam", "learning_rate": 0.01, "clipvalue": 1.0},
    "run": {"N_sim_batch": 8, "N_episode_length": 2, "N_minibatch_size": 8, "N_episodes": 3},
    "variables": {"states": [{"name": "K"}], "policies": [{"name": "s"}], "definitions": [{"name": "Y"}]},
    "MODEL_NAME": "growth",
    "seed": 1,
}


def translated(own_net=False, **changes):
    """The configuration and its notes; `run={...}` adds to a group, another key to the top."""
    tree = copy.deepcopy(CONFIGURATION)
    for key, value in changes.items():
        if isinstance(tree.get(key), dict) and isinstance(value, dict):
            tree[key] |= value
        else:
            tree[key] = value
    translation = Translation(tree, known_fields)
    return translation.finish(own_net), translation.notes


def test_a_plain_configuration_keeps_its_keys_and_gets_the_defaults_of_the_library():
    tree, notes = translated()
    assert tree["run"] == CONFIGURATION["run"] | {"episodes_overlap": True, "hook_counts_from": 0}
    assert tree["initialize_each_episode"] is False
    assert tree["constants"] == {"beta": 0.9}
    assert notes == []
    assert parse(tree).constants == {"beta": 0.9}


def test_what_is_written_wins_over_the_defaults_of_the_library():
    tree, _ = translated(initialize_each_episode=True, run={"episodes_overlap": False})
    assert tree["initialize_each_episode"] is True
    assert tree["run"]["episodes_overlap"] is False


def flat():
    """The same before the groups, as in the run folders of that time."""
    old = {key: value for key, value in CONFIGURATION.items() if key not in ("net", "optimizer", "run", "variables")}
    old["constants"] = CONFIGURATION["constants"]["constants"]
    for group in ("net", "run", "variables", "optimizer"):
        old |= copy.deepcopy(CONFIGURATION[group])
    return old


def test_a_configuration_of_before_the_groups_is_read_with_one_note():
    translation = Translation(flat(), known_fields)
    new = translation.finish(False)
    assert parse(new) == parse(translated()[0])
    assert [note for note in translation.notes if "before the groups" in note] == translation.notes


def test_a_key_at_the_top_beside_the_groups_is_noted_by_its_name():
    tree, notes = translated(net_initializer_mode="fan_in")
    assert tree["net"]["net_initializer_mode"] == "fan_in"
    assert notes == ["keys at the top of the configuration are read as net.net_initializer_mode."]


def test_the_copies_that_the_library_makes_of_an_old_configuration_are_read_without_more_notes():
    old = copied = flat()
    copied = {**old, "run": copy.deepcopy(old)}
    for group in ("constants", "net", "optimizer"):  # in the order of the library: each copy holds those before it
        copied = {**copied, group: copy.deepcopy({**copied, "optimizer": "Adam"})}
    translation = Translation(copied, known_fields)
    assert parse(translation.finish(False)) == parse(translated()[0])
    assert len(translation.notes) == 1


def test_a_key_at_the_top_does_not_win_over_that_of_its_group():
    tree, notes = translated(N_episodes=99)
    assert tree["run"]["N_episodes"] == 3
    assert notes == ["not read, as in the TensorFlow library: N_episodes."]


@pytest.mark.parametrize("group", ["run", "optimizer", "net", "constants"])
def test_a_key_that_nobody_knows_is_passed_over_with_a_note(group):
    tree, notes = translated(**{group: {"my_own_key": 3}})
    assert "my_own_key" not in tree[group]
    assert notes == [f"not read, as in the TensorFlow library: {group}.my_own_key."]


def test_a_misspelt_key_is_noted_with_the_nearest_name():
    assert (
        "run.sorted_within_bath (did you mean sorted_within_batch?)"
        in translated(run={"sorted_within_bath": True})[1][0]
    )


def test_a_net_py_of_the_models_own_gets_the_keys_that_only_it_knows():
    assert translated(own_net=True, net={"width": 7})[0]["net"]["options"] == {"width": 7}


def test_entries_of_variables_that_the_library_ignores_are_noted_once():
    states = [{"name": "K", "activation": "relu"}, {"name": "z", "activation": "relu", "unit": "log"}]
    tree, notes = translated(variables={"states": states})
    assert tree["variables"]["states"] == [{"name": "K"}, {"name": "z"}]
    assert notes == [
        "variables.states: `activation` of K, z is not read.",
        "variables.states: `unit` of z is not read.",
    ]


def test_of_a_definition_that_is_listed_twice_the_second_bounds_count():
    twice = [{"name": "Y", "bounds": {"lower": 1.0, "upper": 3.0}}, {"name": "Y", "bounds": {"lower": 2.0}}]
    tree, notes = translated(variables={"definitions": twice})
    assert tree["variables"]["definitions"] == [{"name": "Y", "bounds": {"lower": 2.0, "upper": 3.0}}]
    assert "Y is listed twice" in notes[0]


def test_a_penalty_without_its_bound_is_passed_over():
    policies = [{"name": "s", "bounds": {"penalty_lower": 3.0, "upper": 2.0}}, {"name": "t", "bounds": None}]
    tree, notes = translated(variables={"policies": policies})
    assert tree["variables"]["policies"] == [{"name": "s", "bounds": {"upper": 2.0}}, {"name": "t"}]
    assert notes == ["variables.policies: `penalty_lower` of s is not read without a bound."]


def test_a_constant_may_have_a_name_that_only_getattr_reads():
    tree = translated(constants={"constants": {"lambda": 0.5}})[0]
    assert parse(tree | {"written_for": "tensorflow"}).constants == {"lambda": 0.5}


def test_a_number_with_an_exponent_counts_episodes():
    assert translated(run={"N_episodes": 1e6})[0]["run"]["N_episodes"] == 1_000_000


def test_null_is_what_is_not_given():
    tree, notes = translated(run={"sorted_within_batch": None}, optimizer={"clipvalue": None})
    assert "sorted_within_batch" not in tree["run"]
    assert "clipvalue" not in tree["optimizer"]
    assert notes == []


def test_every_layer_is_dense_and_the_last_one_has_no_dropout_as_there():
    layers = [{"hidden": {"units": 4, "type": "lstm"}}, {"output": {"activation": "linear", "dropout_rate": 0.1}}]
    tree, notes = translated(net={"layers": layers})
    assert tree["net"]["layers"] == [{"hidden": {"units": 4, "type": "dense"}}, {"output": {"activation": "linear"}}]
    assert "every layer is dense" in notes[0]
    assert "net.layers[1].output.dropout_rate" in notes[1]


def test_training_that_never_leaves_its_first_states_is_noted():
    run = {"N_episode_length": 1, "N_sim_batch": 8}
    assert "stays at its first states" in translated(run=run)[1][0]
    assert translated(run=run, initialize_each_episode=True)[1] == []


@pytest.mark.parametrize("key", ["ENABLE_TB", "VERBOSE", "reload_optimizer", "use_new_shuffling"])
def test_a_harmless_key_of_a_newer_version_is_ignored_with_a_note(key):
    tree, notes = translated(**{key: True})
    assert key not in tree
    assert notes[0].startswith(f"{key} is not needed: ")


def test_keys_that_only_the_models_files_read_are_handed_to_them():
    tree, notes = translated(run={"exp_samples": 5}, theta_lhs_frac=0.3)
    assert tree["constants"] == {"beta": 0.9, "exp_samples": 5, "theta_lhs_frac": 0.3}
    assert "run.exp_samples: the model's files read it as Parameters.exp_samples." in notes


def test_the_number_of_quadrature_nodes_is_a_key_of_run_wherever_it_stands():
    for changes in ({"run": {"n_quad_pts": 5}}, {"n_quad_pts": 5}):
        assert translated(**changes)[0]["run"]["n_quad_pts"] == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_foc_derivative_loss": True}, r"penalised derivatives .* Leave it out; run.loss.kind=sobolev"),
        ({"bounds_compensate_no_eq": True}, r"multiplied the penalties .* give bounds.penalty_lower"),
        ({"use_ift_tangent_loss": True}, r"tangent of the policy"),
    ],
)  # fmt: skip
def test_what_trains_differently_there_is_refused_with_a_sentence(changes, message):
    with pytest.raises(ConfigError, match=message):
        parse(translated(**changes)[0])


def test_what_is_switched_off_is_not_spoken_of():
    tree, notes = translated(
        use_foc_derivative_loss=False, foc_derivative_lambda=0.1, sensitivity_parameters=["x"], loss_choice="mse",
        use_weight_adjustment=False, reweighting_scheme="inverse", bounds_compensate_no_eq=False,
    )  # fmt: skip
    assert notes == []
    parse(tree)


def test_a_schedule_is_taken_with_its_learning_rate():
    cosine = {"lr_scheduler": "CosineDecay", "lr_scheduler_kwargs": {"initial_learning_rate": 0.1, "decay_steps": 50}}
    tree, notes = translated(optimizer=cosine)
    optimizer = parse(tree).optimizer
    assert (optimizer.learning_rate, optimizer.learning_rate_schedule) == (0.1, "CosineDecay")
    assert optimizer.schedule_kwargs == {"decay_steps": 50}
    assert notes == ["optimizer.lr_scheduler is optimizer.learning_rate_schedule here."]


def test_amsgrad_is_an_argument_of_the_optimizer():
    assert parse(translated(optimizer={"amsgrad": True})[0]).optimizer.optimizer_kwargs == {"amsgrad": True}
    assert translated(optimizer={"amsgrad": False})[1] == []


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimizer.lr_scheduler=CosineDecay", "Write optimizer.learning_rate_schedule"),
        ("VERBOSE=1", "Leave it out: the terminal shows"),
    ],
)
def test_such_a_key_typed_without_a_folder_of_that_library_is_told_what_to_write(override, sentence):
    from deqn.configuration.compose import compose

    with pytest.raises(ConfigError, match=f"In the TensorFlow library it .*{sentence}"):
        compose([override])


def test_what_means_the_same_is_taken_where_there_is_such_a_key_and_refused_elsewhere():
    def fields(path):  # as where run.loss is part of the schema
        return {"run.loss": ["kind", "reweighting"], "run": [*known_fields("run"), "loss"]}.get(path) or known_fields(
            path
        )

    tree = copy.deepcopy(CONFIGURATION) | {
        "loss_choice": "huber",
        "use_loss_reweighting": True,
        "reweighting_scheme": "inverse",
    }
    translation = Translation(tree, fields)
    assert translation.finish(False)["run"]["loss"] == {"kind": "huber", "reweighting": "inverse"}
    assert translation.notes == [
        "loss_choice is run.loss.kind here.",
        "use_loss_reweighting is run.loss.reweighting here.",
    ]
    assert refusal(("loss_choice",), lambda key: True).endswith("it chose the loss. Write run.loss.kind.")
    assert refusal(("loss_choice",), lambda key: False).endswith("There is nothing like it here: leave it out.")
