"""`--from`: the configuration of a TensorFlow library's folder, as it is."""

from __future__ import annotations

import shutil

import pytest
import torch

import deqn
from deqn.configuration.compose import compose, write_run_configuration
from deqn.economy.catalogue import entries
from deqn.errors import ConfigError
from tests.library import FILES, VARIABLES, library, with_variables


def config(folder, *overrides, **options):
    return compose(overrides, library=folder, **options).config


def test_its_own_config_yaml_counts(tmp_path):
    found = config(library(tmp_path))
    assert (found.seed, found.CHECKPOINT_INTERVAL, found.initialize_each_episode) == (42, 2, True)
    assert ("growth", "LATEST", str(tmp_path)) == (found.MODEL_NAME, found.STARTING_POINT, found.MODELS_DIR)
    assert (found.written_for, found.run.episodes_overlap, found.run.hook_counts_from) == ("tensorflow", True, 0)
    assert found.run.N_sim_batch == 16
    assert found.variables.policies[0].activation == "implied"


def test_nothing_is_said_of_a_folder_that_is_plain(tmp_path):
    assert compose(library=library(tmp_path)).notes == ()


@pytest.mark.parametrize("self_", [False, True])
def test_its_own_keys_win_over_the_groups_with_self_and_without(tmp_path, self_, recwarn):
    folder = library(tmp_path)
    file = folder / "config" / "config.yaml"
    text = file.read_text().replace("  - variables: growth\n", "  - variables: growth\n" + "  - _self_\n" * self_)
    file.write_text(text + "run:\n  N_episodes: 7\n")
    assert config(folder).run.N_episodes == 7
    assert not [warning for warning in recwarn if "_self_" in str(warning.message)]


def test_what_is_typed_wins(tmp_path):
    folder = library(tmp_path)
    found = config(folder, "seed=3", "run.N_episodes=9", "constants.beta=0.5", "run.episodes_overlap=false")
    assert (found.seed, found.run.N_episodes, found.constants["beta"]) == (3, 9, 0.5)
    assert found.run.episodes_overlap is False


def test_a_group_file_with_a_shipped_name_is_its_own(tmp_path):
    folder = library(tmp_path, {"config/net/bm1972.yaml": "layers:\n  - output: {activation: linear}\n"})
    assert len(config(folder, "net=bm1972").net.layers) == 1


def test_a_shipped_group_file_can_be_typed(tmp_path):
    assert config(library(tmp_path), "optimizer=levenberg_marquardt").optimizer.optimizer == "LevenbergMarquardt"


def test_a_file_of_the_defaults_list_that_is_not_there_is_not_taken_from_elsewhere(tmp_path):
    folder = library(tmp_path)
    (folder / "config" / "net" / "growth.yaml").rename(folder / "config" / "net" / "other.yaml")
    text = (folder / "config" / "config.yaml").read_text()
    (folder / "config" / "config.yaml").write_text(text.replace("net: growth", "net: bm1972"))
    with pytest.raises(ConfigError, match=r"config.yaml:6: there is no net/bm1972.yaml beside it. .* Known: other."):
        config(folder)
    assert config(folder, "net=other").net.net_initializer_mode == "fan_avg"


def test_model_chooses_all_groups_that_have_a_file_of_its_name(tmp_path):
    folder = library(tmp_path, {"config/run/bigger.yaml": "N_sim_batch: 32\n"})
    shutil.copytree(folder / "growth", folder / "bigger")
    found = config(folder, "model=bigger", "run.N_minibatch_size=4", "run.N_episode_length=1", "run.N_episodes=1")
    assert (found.MODEL_NAME, found.run.N_sim_batch, len(found.net.layers)) == ("bigger", 32, 2)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model=grwth", r"No model 'grwth' in .*Did you mean growth\? Known: growth"),
        ("MODEL_NAME=bm1972", r"MODEL_NAME = 'bm1972': there is no folder bm1972/ with an Equations.py"),
        ("constants.bta=1", r"there is no constant 'bta'. Did you mean beta\?"),
        ("preset=smoke", r"preset=smoke: presets are those of shipped models. Write run.N_sim_batch"),
        ("run.N_episode=1", r"run.N_episode is not a field of run. Did you mean N_episodes\?"),
        (
            "optimizer.schedule_kwarg.x=1",
            r"optimizer.schedule_kwarg is not a field of optimizer. Did you mean schedule_kwargs",
        ),
        ("net.layers.0.hidden.unit=3", r"net.layers\[0\].hidden.unit is not a field of .*Did you mean units\?"),
        (
            "variables.policies.0.activatoin=1",
            r"policies\[0\] 's'.activatoin is not a field of .*Did you mean activation\?",
        ),
    ],
)
def test_a_wrong_name_on_the_command_line_is_refused_as_anywhere(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        config(library(tmp_path), override)


def test_of_a_key_that_stands_twice_the_last_one_counts_and_a_note_says_so(tmp_path):
    text = "optimizer: SGD\nlearning_rate: 0.1\nlearning_rate: 1e-3\noptimizer: Adam\n"
    composed = compose(library=library(tmp_path, {"config/optimizer/growth.yaml": text}))
    assert (composed.config.optimizer.learning_rate, composed.config.optimizer.optimizer) == (0.001, "Adam")
    (note,) = composed.notes
    assert "growth.yaml: learning_rate, optimizer stands there twice" in note


def test_a_plugin_of_hydra_that_colours_messages_is_not_read(tmp_path):
    file = library(tmp_path) / "config" / "config.yaml"
    text = file.read_text()
    file.write_text(text.replace("defaults:\n", "defaults:\n  - override hydra/job_logging: colorlog\n"))
    composed = compose(library=tmp_path)
    assert composed.config.MODEL_NAME == "growth"
    assert f"{file}: hydra/job_logging of its defaults is not read" in composed.notes[0]


@pytest.mark.parametrize("place", ["config", "..", "nowhere"])
def test_another_folder_is_refused_with_what_to_type(tmp_path, place):
    library(tmp_path / "lib")
    with pytest.raises(
        ConfigError, match="there is no such folder" if place == "nowhere" else r"Did you mean --from .*lib\?"
    ):
        compose(library=tmp_path / "lib" / place)


def test_its_config_yaml_behind_config_dir_is_an_error_with_what_to_type(tmp_path):
    with pytest.raises(ConfigError, match=rf"is not read .*write --from {tmp_path} in its place"):
        compose(config_dir=library(tmp_path) / "config")


def test_models_dir_beside_it_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="leave out MODELS_DIR"):
        config(library(tmp_path), f"MODELS_DIR={tmp_path}")


def test_a_model_name_alone_is_noted_where_it_has_files_of_its_own(tmp_path):
    folder = library(tmp_path, {"config/constants/other.yaml": "constants: {alpha: 0.3, beta: 0.9}"})
    shutil.copytree(folder / "growth", folder / "other")
    composed = compose(["MODEL_NAME=other"], library=folder)
    assert composed.config.constants["alpha"] == 0.36
    (note,) = composed.notes
    assert note.startswith(
        "constants=growth, as typed or in config.yaml: MODEL_NAME=other chooses the Python files alone."
    )
    assert compose(["MODEL_NAME=other", "constants=other"], library=folder).notes == ()
    assert compose(["model=other", "constants=growth"], library=folder).notes == ()


def test_an_activation_may_be_a_lambda_in_the_yaml(tmp_path):
    variables = FILES["config/variables/growth.yaml"].replace(
        "activation: implied", 'activation: "lambda x: beta * tf.nn.sigmoid(x)"'
    )
    model = deqn.Model(config(library(tmp_path, {"config/variables/growth.yaml": variables})))
    states = model.initial_states(3)
    torch.testing.assert_close(model.policy(states), 0.96 * torch.sigmoid(model.network.body(states)))


def test_a_model_of_such_a_folder_can_be_loaded_from_python(tmp_path):
    assert deqn.load_model("growth", library=library(tmp_path)).Parameters.alpha == 0.36


# -- Variables.py -------------------------------------------------------------------------------------------------------


def test_variables_are_made_in_python_and_constants_of_the_yaml_win(tmp_path):
    found = config(with_variables(tmp_path))
    assert [v.name for v in found.variables.states] == ["K", "z"]
    assert found.variables.policies[0].activation == "Variables.s"
    assert found.constants == {"alpha": 0.36, "beta": 0.96}


def test_where_the_yaml_is_full_too_a_note_says_which_counts(tmp_path):
    composed = compose(library=library(tmp_path, {"growth/Variables.py": VARIABLES}))
    assert composed.config.variables.policies[0].activation == "Variables.s"
    (note,) = composed.notes
    assert note.startswith(
        "growth/Variables.py counts: states, policies, definitions of config/variables are not read."
    )


def test_a_typed_constant_wins_over_variables(tmp_path):
    assert config(with_variables(tmp_path), "+constants.beta=0.5").constants["beta"] == 0.5


def test_a_named_activation_that_is_given_as_a_function_gets_its_name(tmp_path):
    text = VARIABLES.replace("lambda x: 0.98 * x.sigmoid() + 0.01", "torch.nn.functional.softplus").replace(
        "import numpy as np", "import numpy as np\nimport torch"
    )
    assert config(with_variables(tmp_path, text)).variables.policies[0].activation == "tf.nn.softplus"


def test_settings_of_the_run_in_variables_count_unless_they_are_typed(tmp_path):
    text = VARIABLES + "config = {'N_episodes': 11, 'N_sim_batch': 64, 'learning_rate': 0.5, 'my_width': 3}\n"
    composed = compose(["run.N_sim_batch=16"], library=with_variables(tmp_path, text))
    run, optimizer = composed.config.run, composed.config.optimizer
    assert (run.N_episodes, run.N_sim_batch, optimizer.learning_rate) == (11, 16, 0.5)
    assert composed.notes == ("growth/Variables.py: of `config`, my_width are not read.",)


def test_settings_in_variables_that_stand_in_a_group_leave_the_rest_of_the_group(tmp_path):
    before = config(with_variables(tmp_path / "a")).run
    run = config(with_variables(tmp_path / "b", VARIABLES + "config = {'run': {'N_episodes': 11}}\n")).run
    assert run == before.model_copy(update={"N_episodes": 11})


def test_the_model_has_the_activation_the_arrays_and_the_functions_of_variables(tmp_path):
    model = deqn.Model(config(with_variables(tmp_path)))
    states = model.initial_states(3)
    policies = model.policy(states)
    raw = model.network.body(states)
    torch.testing.assert_close(policies, 0.98 * torch.sigmoid(raw) + 0.01)
    assert model.Parameters.grid.tolist() == [0.0, 0.5, 1.0]
    assert model.Parameters.double(2) == 4


def test_variables_serve_a_folder_of_ones_own_too(tmp_path):
    folder = with_variables(tmp_path)
    overrides = [f"MODELS_DIR={folder}", "MODEL_NAME=growth", "net=bm1972", "optimizer=bm1972", "run=bm1972"]
    found = compose([*overrides, "constants=growth", "variables=growth"], config_dir=_groups_of(folder)).config
    assert [v.name for v in found.variables.policies] == ["s"]
    assert found.written_for == "deqn"


def _groups_of(folder):
    """Its YAML files without config.yaml."""
    (folder / "config" / "config.yaml").unlink()
    (folder / "config" / "variables" / "growth.yaml").write_text("states: []\npolicies: []\n")
    return folder / "config"


BARE = {
    "config/config.yaml": "seed: 1\nMODEL_NAME: growth\n",
    "config/variables/growth.yaml": "",
    "growth/Variables.py": VARIABLES,
}
SETTINGS = "config = {'N_sim_batch': 8, 'N_episode_length': 2, 'N_minibatch_size': 8, 'N_episodes': 2}\n"


def test_a_config_yaml_without_groups_takes_them_from_variables_and_the_command_line(tmp_path):
    folder = library(tmp_path, BARE | {"growth/Variables.py": VARIABLES + SETTINGS})
    found = config(folder, "net=growth")
    assert (found.run.N_sim_batch, found.optimizer.optimizer, len(found.net.layers)) == (8, "Adam", 2)


def test_a_network_in_model_py_is_refused_with_the_page_that_says_what_to_do(tmp_path):
    folder = library(tmp_path, BARE | {"growth/Model.py": "class Model: pass\n"})
    with pytest.raises(ConfigError, match=r"growth/Model.py is not read.*docs/reference/tensorflow_model_files.md"):
        config(folder)


def test_a_network_in_net_py_needs_no_net_group(tmp_path):
    folder = library(
        tmp_path, BARE | {"growth/Variables.py": VARIABLES + SETTINGS, "growth/Net.py": "def define_net(c, m): ...\n"}
    )
    assert len(config(folder).net.layers) == 1


# -- run folders --------------------------------------------------------------------------------------------------------


def test_the_configuration_of_a_run_stands_in_its_folder_without_the_library(tmp_path):
    composed = compose(["hydra.run.dir=" + str(tmp_path / "run")], library=with_variables(tmp_path / "lib"))
    (tmp_path / "run").mkdir()
    write_run_configuration(composed, tmp_path / "run")
    (tmp_path / "lib" / "growth" / "Variables.py").write_text("states = 1 / 0\npolicies = []\n")
    again = compose(run_dir=tmp_path / "run").config
    assert again == composed.config.model_copy(update={"STARTING_POINT": "NEW"})


def test_a_library_that_has_moved_can_be_named_anew(tmp_path):
    composed = compose(["hydra.run.dir=" + str(tmp_path / "run")], library=library(tmp_path / "lib"))
    (tmp_path / "run").mkdir()
    write_run_configuration(composed, tmp_path / "run")
    (tmp_path / "lib").rename(tmp_path / "moved")
    assert str(tmp_path / "moved") == config(tmp_path / "moved", run_dir=tmp_path / "run").MODELS_DIR


def test_a_run_folder_of_the_tensorflow_library_is_read_old_form_too(tmp_path):
    folder = library(tmp_path / "lib")
    hydra = tmp_path / "run" / ".hydra"
    hydra.mkdir(parents=True)
    texts = [
        (folder / "config" / group / "growth.yaml").read_text()
        for group in ("constants", "net", "optimizer", "run", "variables")
    ]
    top = "seed: 5\nMODEL_NAME: growth\nSTARTING_POINT: LATEST\ninitialize_each_episode: false\nerror_filename: e.txt\n"
    (hydra / "config.yaml").write_text(top + "".join(texts))
    composed = compose(library=folder, run_dir=tmp_path / "run")
    assert (composed.config.seed, composed.config.run.N_sim_batch, composed.config.STARTING_POINT) == (5, 16, "NEW")
    assert composed.config.variables == config(folder).variables
    assert composed.notes[0].startswith("a configuration of before the groups")


def test_a_run_folder_without_its_models_is_told_to_name_the_library(tmp_path):
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("MODEL_NAME: tipping\nvariables: {states: []}\n")
    with pytest.raises(ConfigError, match=r"MODEL_NAME = 'tipping': .* Give --from <folder of the TensorFlow library>"):
        compose(run_dir=tmp_path)


def test_an_option_may_lie_in_a_folder_of_its_group(tmp_path):
    folder = library(tmp_path, {"config/net/small/one.yaml": "layers:\n  - output: {activation: linear}\n"})
    assert len(config(folder, "net=small/one").net.layers) == 1


# -- catalogue ----------------------------------------------------------------------------------------------------------


def test_its_models_are_listed(tmp_path):
    folder = library(tmp_path)
    shutil.copytree(folder / "growth", folder / "made")
    (folder / "made" / "Variables.py").write_text("states = policies = []\npolicies = []\n")
    growth, made = entries(library=folder)
    assert (growth.name, growth.states, growth.policies, growth.equations) == ("growth", ("K", "z"), ("s",), ("euler",))
    assert made.states == ("made in Variables.py",)
