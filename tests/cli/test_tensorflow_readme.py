"""What the README of the TensorFlow library promises, row by row of the tables in docs/howto/from_tensorflow.md.

A row is checked by a test of this file, whose docstring begins with the row, or by one of another file (`ELSEWHERE`).
"""

from __future__ import annotations

import os
import re
import textwrap
import tomllib

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import deqn
from deqn.configuration.compose import compose
from deqn.economy.bounds import bound_of
from deqn.economy.probe import probe
from deqn.economy.reach import cut_ranges
from deqn.errors import ConfigError
from deqn.training import loss
from tests.conftest import ROOT, TINY, own_model, shipped
from tests.library import FILES, library

# a row, and the test of another file that checks it
ELSEWHERE = """
Version 1.1 has an eligibility trace as an option
    unit/training/test_trace.py::test_it_is_the_recursion_along_each_trajectory
environment.yaml lists everything, an editor (Spyder) too
    docs/test_readme.py::test_environment_yaml_installs_what_start_py_installs
Several nodes and GPUs train together with Horovod
    distributed/test_processes.py::test_both_engines_give_the_same_bits
`horovodrun` in front is enough: the program finds Horovod itself
    distributed/test_processes.py::test_one_and_four_processes_too
`python run_deepnet.py hydra.run.dir=DIR` runs the code in a folder
    cli/test_from.py::test_a_folder_trains_as_it_is_and_stays_as_it_is
config.yaml may give a default folder, with date and time
    unit/configuration/test_compose.py::test_the_default_run_folder_has_model_date_and_time
The folder has checkpoints, TensorBoard files, and `.hydra` with the merged configuration
    docs/test_readme.py::test_the_run_folder_has_what_the_table_says
A restart needs the same folder
    cli/test_from.py::test_latest_goes_on_where_there_is_a_checkpoint
`net=deep` takes another file of a group
    unit/configuration/test_compose.py::test_a_group_choice_wins_over_the_model_option
config/config.yaml is the base and says which files are taken
    unit/configuration/test_library.py::test_its_own_config_yaml_counts
A merged configuration is taken from `.hydra` of a run with `USE_CONFIG_FROM_RUN_DIR`
    unit/configuration/test_compose.py::test_the_configuration_of_a_run_is_read_in_place
Each policy may have its own activation on the output, `activation: tf.nn.relu`
    unit/economy/test_network.py::test_each_policy_has_its_own_activation
It may be any function, not only TensorFlow's
    unit/configuration/test_activations.py::test_a_dotted_path_names_a_function_of_ones_own
`init: {distribution: normal, kwargs: {mean, stddev}}` draws the first states
    unit/economy/test_model.py::test_initial_states_follow_their_distributions
`init: {distribution: uniform, kwargs: {minval, maxval}}` does too
    unit/economy/test_model.py::test_initial_states_follow_their_distributions
A model is a folder with Definitions, Dynamics, Equations and Hooks
    models/test_contract.py::test_it_has_the_files_of_a_model_and_its_configuration
`N_sim_batch` trajectories of `N_episode_length` periods make the states of an episode
    unit/training/test_simulate.py::test_where_episodes_overlap_the_last_state_is_the_first_of_the_next
`sorted_within_batch` makes minibatches of contiguous pieces of trajectories
    unit/training/test_simulate.py::test_sorted_minibatches_are_contiguous_pieces_of_one_trajectory
Then `N_episode_length` should be a multiple of `N_minibatch_size`, for one trajectory a minibatch
    unit/training/test_monitor.py::test_sorted_minibatches_that_cross_trajectories_are_remarked
`dropout_rate` of a layer puts dropout before it
    unit/economy/test_network.py::test_dropout_and_batch_normalisation_come_before_their_layer
Dropout is off in simulation and hooks, on in gradient steps
    unit/training/test_trainer.py::test_dropout_acts_in_gradient_steps_only
`learning_rate` and `clipvalue` go to the optimizer
    unit/training/test_trainer.py::test_clipvalue_cuts_each_entry_of_the_gradient
Initial weights: uniform, normal, truncated_normal; fan_in, fan_out, fan_avg; `init_scale`
    unit/numerics/test_initial_weights.py::test_weights_have_keras_variance_scale_over_fan
`batch_normalize` of a layer puts batch normalisation before it
    unit/economy/test_network.py::test_dropout_and_batch_normalisation_come_before_their_layer
Its entries go to Keras' BatchNormalization
    unit/economy/test_network.py::test_batch_normalisation_has_keras_momentum_and_epsilon
Dynamics.py has `shock_values`, a row an outcome, and `shock_probs`
    unit/numerics/test_expectations.py::test_it_is_the_sum_of_probability_times_value
`total_step_spec_shock` gives the next state at one shock, for expectations
    unit/tensorflow/test_folders.py::test_residuals_are_those_of_the_same_economy_in_torch
`total_step_random` gives the next state with a random shock, for the simulation
    unit/analysis/test_run.py::test_each_simulated_state_follows_from_the_one_before
Equations.py has `equations(state, policy_state)`, which returns a dictionary of deviations
    unit/tensorflow/test_parity.py::test_residuals_equal_tensorflows_before_and_after_the_probe
State, PolicyState and Definitions that it imports keep to their bounds
    unit/economy/test_model.py::test_inside_definitions_calls_are_raw_and_outside_they_are_bounded
`State.E_t_gen(state, policy_state)` gives the function that takes conditional expectations
    models/test_contract.py::test_the_expectation_of_a_constant_is_the_constant
Definitions.py has derived quantities as functions of state and policy
    models/test_contract.py::test_every_definition_is_finite_one_value_a_state
`cycle_hook(state, i)` of Hooks.py is called after each episode
    unit/training/test_monitor.py::test_the_hook_gets_the_states_and_the_number_of_each_episode
monomial: Dynamics.py takes its nodes from `State.monomial_rule`
    unit/numerics/test_quadrature.py::test_the_monomial_rule_has_two_nodes_a_shock_and_is_exact_to_degree_three
pseudo_random needs no change of the model, and `expectation_pseudo_draws`
    unit/numerics/test_expectations.py::test_pseudo_random_is_the_mean_of_its_draws
A bound adds a penalty to the loss
    unit/training/test_loss.py::test_the_penalty_pushes_the_policy_back
A definition can have bounds too
    unit/training/test_loss.py::test_a_bound_of_a_definition_is_penalised_too
A bound of a state is enforced without a penalty
    unit/training/test_loss.py::test_a_bound_of_a_state_is_enforced_without_a_penalty
`penalty_lower` and `penalty_upper` replace the default, one over the bound squared
    unit/training/test_loss.py::test_a_penalty_of_ones_own_replaces_the_default
The penalty is of the squared excess; a penalty of 0 takes it away
    unit/training/test_loss.py::test_a_penalty_of_zero_removes_the_term
Parameters has the bounds in dictionaries
    unit/economy/test_model.py::test_parameters_carry_what_the_tensorflow_library_has_there
`PolicyState.x` never leaves its bounds; `PolicyState.x_RAW` is not cut
    unit/economy/test_columns.py::test_an_accessor_cuts_to_the_bounds
`activation: implied` is a sigmoid between both bounds
    unit/economy/test_network.py::test_an_implied_activation_is_a_sigmoid_between_the_bounds
`STARTING_POINT=LATEST` goes on from the newest checkpoint
    cli/test_restart.py::test_three_and_three_more_equal_six_from_the_command_line
The name of a checkpoint goes on from that one
    unit/training/test_trainer.py::test_going_on_from_an_earlier_checkpoint_replaces_the_later_ones
A checkpoint is written after each episode, or each `CHECKPOINT_INTERVAL` episodes
    unit/training/test_trainer.py::test_checkpoints_follow_the_interval_and_the_end
`USE_CONFIG_FROM_RUN_DIR` restarts with the configuration of the run
    cli/test_restart.py::test_a_run_resumes_with_its_own_configuration_by_its_folder_alone
A restart with another configuration overwrites `.hydra/config.yaml`
    unit/configuration/test_compose.py::test_another_configuration_in_the_run_folder_is_kept_under_a_number
TensorBoard shows a run, pointed to its folder
    unit/training/test_monitor.py::test_tensorboard_has_scalars_histograms_and_what_the_hook_writes
Configuration, episode and the like are printed
    unit/training/test_monitor.py::test_constants_network_and_optimizer_are_shown_at_the_start
`USE_CONFIG_FROM_RUN_DIR=<run> python post_process.py STARTING_POINT=LATEST hydra.run.dir=<run>`
    cli/test_post_process.py::test_each_table_has_a_column_for_each_variable_and_a_row_for_each_state
`python post_process_bm1972.py`, a script that imports Parameters, does as well
    cli/test_from.py::test_a_script_runs_on_a_run
The model has the settings of the run
    unit/analysis/test_run.py::test_the_network_is_that_of_the_checkpoint
A copy of the outputs is advisable before files of the run change
    cli/test_post_process.py::test_the_run_is_left_as_it_was_byte_for_byte
Globals has `POST_PROCESSING` and `DISABLE_SHOCKS`, which any file can read
    cli/test_post_process.py::test_disabled_shocks_reach_the_simulation
post_process.py sets `Globals.POST_PROCESSING`
    unit/analysis/test_run.py::test_globals_tell_model_files_that_this_is_post_processing
Length and width of the simulation follow `initialize_each_episode`
    unit/analysis/test_sample.py::test_an_ergodic_cloud_covers_a_thousand_periods_with_about_ten_thousand_states
`+N_simulated_batch_size=100 +N_simulated_episode_length=100` change them
    cli/test_post_process.py::test_each_table_has_a_column_for_each_variable_and_a_row_for_each_state
Each process draws from a seed of its own, by its rank
    distributed/test_processes.py::test_seeds_differ_by_rank
The learning rate is multiplied by the number of processes
    distributed/test_processes.py::test_learning_rate_times_processes
The first process sends its parameters to the others at the start
    distributed/test_processes.py::test_every_rank_has_the_same_network
Gradients are averaged, and parameters stay the same in all
    distributed/test_processes.py::test_gradients_are_averaged
The first process alone writes checkpoints and TensorBoard files
    distributed/test_processes.py::test_only_the_first_rank_writes
After a restart, all processes begin at the states of the first, with other seeds
    distributed/test_processes.py::test_two_and_two_more_equal_four
"""


def elsewhere() -> dict[str, str]:
    """Row -> file and name of a test."""
    lines = ELSEWHERE.strip().splitlines()
    return dict(zip(lines[::2], (line.strip() for line in lines[1::2]), strict=True))


def rows() -> list[str]:
    """What the README promises, the first cell of each row of the tables."""
    page = (ROOT / "docs" / "howto" / "from_tensorflow.md").read_text(encoding="utf-8")
    tables = page.partition("## What its README promises")[2].partition("\n## ")[0]
    return [cell for cell in re.findall(r"^\| (.+?) \| ", tables, re.MULTILINE) if cell != "README"]


def test_every_row_has_a_test():
    here = [
        text
        for name, value in globals().items()
        if name.startswith("test_") and (text := (value.__doc__ or "").strip().splitlines()[:1])
    ]
    assert sorted(rows()) == sorted([*elsewhere(), *(text[0] for text in here)])


def test_the_tests_of_other_files_exist():
    for file, name in (test.split("::") for test in elsewhere().values()):
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), name


# -- what no other test checks ----------------------------------------------------------------------------------------


def test_packages():
    """It needs TensorFlow 2.3, Hydra from 1.1 on, and TensorBoard"""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {re.match(r"[\w-]+", line)[0] for line in needed}
    assert {"torch", "hydra-core", "tensorboard"} <= names
    assert not {name for name in names if "tensorflow" in name or "keras" in name}


def test_yaml_values(tmp_path):
    """Single values can be changed in the YAML files"""
    folder = library(tmp_path, {"config/run/growth.yaml": FILES["config/run/growth.yaml"].replace("16", "32")})
    assert compose(library=folder).config.run.N_sim_batch == 32
    assert compose(["net.layers.0.hidden.units=64"], library=folder).config.net.layers[0].hidden.units == 64


def test_analytic():
    """`python run_deepnet.py MODEL_NAME=analytic run=analytic net=analytic optimizer=analytic ...` runs an example"""
    groups = [f"{group}=analytic" for group in ("run", "net", "optimizer", "constants", "variables")]
    small = [
        "run.N_sim_batch=32",
        "run.N_episode_length=2",
        "run.N_minibatch_size=32",
        "run.N_episodes=1",
        "net.warm_start=none",
    ]
    trainer = deqn.Trainer(deqn.Model(compose(["MODEL_NAME=analytic", *groups, *small]).config))
    assert trainer.fit(quiet=True).step == 4  # two epochs


def test_keys_of_a_run(tmp_path):
    """`config/run/*.yaml` has six keys, from `N_sim_batch` to `sorted_within_batch`"""
    keys = yaml.safe_load(textwrap.dedent(FILES["config/run/growth.yaml"]))
    assert sorted(keys) == [
        "N_episode_length", "N_episodes", "N_epochs_per_episode", "N_minibatch_size", "N_sim_batch", "sorted_within_batch"
    ]  # fmt: skip
    run = compose(library=library(tmp_path)).config.run
    assert {name: getattr(run, name) for name in keys} == keys


def test_steps():
    """`N_minibatch_size` states make a gradient step: 30,000 states are 60 steps of 500"""
    sizes = [
        "run.N_sim_batch=1000",
        "run.N_episode_length=30",
        "run.N_minibatch_size=500",
        "run.N_epochs_per_episode=1",
    ]
    assert compose(["model=brock_mirman", *sizes]).config.steps_per_episode == 60


def test_sudden_stop():
    """`python run_deepnet.py MODEL_NAME=sudden_stop_calibrated constants=... variables=...` runs a calibrated example"""
    name = "sudden_stop_calibrated"
    line = [f"MODEL_NAME={name}", f"constants={name}", f"variables={name}"]
    config = compose([*line, "run.N_episodes=5"]).config  # of 2,001
    assert config.net.layers[-1].output.activation == "sigmoid"  # bm1972's
    model = deqn.Model(config)
    assert not cut_ranges(model)
    assert deqn.Trainer(model).fit(quiet=True).step == 5
    states = model.initial_states(500)
    with torch.no_grad():
        residual = model.equations(states, model.policy(states))["euler"].abs()
    assert 1e-4 < residual.mean() < 0.1  # not far at the start, and not solved


@pytest.mark.parametrize("name", ["Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "RMSprop", "SGD"])
def test_optimizers(name):
    """`optimizer` takes any name of Keras' optimizers"""
    config = compose([*TINY, f"optimizer.optimizer={name}", "run.N_episodes=1", "optimizer.optimizer_kwargs={}"]).config
    model = deqn.Model(config)
    before = [p.detach().clone() for p in model.network.parameters()]
    deqn.Trainer(model).fit(quiet=True)
    after = list(model.network.parameters())
    assert all(bool(torch.isfinite(p).all()) for p in after)
    assert any(not torch.equal(b, a) for b, a in zip(before, after, strict=True))


def test_variables(tmp_path):
    """A YAML file in config/variables names states, policies, definitions and their bounds"""
    model = deqn.load_model("growth", library=library(tmp_path))
    assert (model.Parameters.states, model.Parameters.policy_states) == (["K", "z"], ["s"])
    assert model.Parameters.definitions == ["Y", "C"]
    assert model.Parameters.policy_bounds_hard["upper"] == {"s": 0.99}


def test_one_operator(monkeypatch):
    """One such function for several expectations saves policies that are computed again"""
    model = deqn.load_model("brock_mirman")
    states = model.initial_states(4)
    policies, calls = model.policy(states), []
    before = model.expectations.policy
    monkeypatch.setattr(model.expectations, "policy", lambda next_states: calls.append(1) or before(next_states))
    E_t = model.State.E_t_gen(states, policies)
    E_t(model.Definitions.C), E_t(model.Definitions.R)
    assert len(calls) == 1


@pytest.mark.parametrize("kind", ["product", "monomial", "pseudo_random"])
def test_expectation_types(kind):
    """`expectation_type` is product, monomial or pseudo_random"""
    settings = [f"run.expectation_type={kind}", "run.expectation_pseudo_draws=5"]
    report = probe(deqn.Model(compose([*TINY, *settings]).config))
    assert report.nodes == {"product": 5, "monomial": 2, "pseudo_random": 5}[kind]


def _model(tmp_path, *, Definitions="", equations="", bounds="{}", definition=""):
    """Growth with more definitions, bounds of K and further equations."""
    variables = f"""\
        states:
          - {{name: K, bounds: {bounds}, init: {{distribution: uniform, kwargs: {{minval: 0.1, maxval: 0.3}}}}}}
          - {{name: z, init: {{distribution: normal, kwargs: {{mean: 0.0, stddev: 0.01}}}}}}
        policies:
          - {{name: s, bounds: {{lower: 0.1, upper: 0.9}}}}
        definitions:
          - {{name: Y}}
          - {{name: C}}
        {definition}
        """
    changed = FILES["growth/Equations.py"].replace("import Definitions", "import torch, PolicyState, Definitions")
    changed = changed.replace("return {", "return {" + equations)
    files = {
        "config/variables/growth.yaml": variables, "growth/Equations.py": changed,
        "growth/Definitions.py": textwrap.dedent(FILES["growth/Definitions.py"]) + textwrap.dedent(Definitions),
    }  # fmt: skip
    return deqn.Model(compose(library=library(tmp_path, files)).config)


def test_a_definition_of_states_alone(tmp_path):
    """A bound of a definition that does not depend on the policy is enforced, and pushes nothing"""
    more = "\ndef twice(state, policy_state):\n    return 2 * State.K(state)\n"
    line = "  - {name: twice, bounds: {lower: 1.0}}"
    model = _model(tmp_path, Definitions=more, definition=line)
    states = model.initial_states(5)
    policies = model.policy(states)
    assert model.Definitions.twice(states, policies).tolist() == [1.0] * 5
    penalty = loss.bound_penalties(model, states, policies)["penalty_lower_def_twice"]
    assert penalty > 0
    assert not penalty.requires_grad


def test_a_bound_of_next_states(tmp_path):
    """`E_t` of `(State.x - State.x_RAW)**2` is an equation that keeps next states in their bounds"""
    model = _model(
        tmp_path, bounds="{upper: 0.05}", equations='"K": E_t(lambda s, p: (State.K(s) - State.K_RAW(s)) ** 2), '
    )
    states = model.initial_states(5)
    policies = torch.full((5, 1), 0.8, requires_grad=True)
    residual = model.equations(states, policies)["K"]
    (slope,) = torch.autograd.grad(residual.sum(), policies)
    assert bool((residual > 0).all())
    assert bool((slope > 0).all())  # less saving brings K back


def test_a_bound_of_zero(tmp_path):
    """A bound of 0 needs a penalty of its own"""
    variables = FILES["config/variables/growth.yaml"]
    for text, wrong in (("{lower: 0.0}", True), ("{lower: 0.0, penalty_lower: 1.0e+8}", False)):
        folder = library(tmp_path, {"config/variables/growth.yaml": variables.replace("{lower: 0.001}", text)})
        if wrong:
            with pytest.raises(ConfigError, match=r"the default penalty 1/bound\*\*2 is infinite"):
                compose(library=folder)
        else:
            assert bound_of(compose(library=folder).config.variables.definitions[0], {}).penalty_lower == 1e8


def test_another_penalty(tmp_path):
    """A penalty of another form is one more equation, such as an exponential of `z - PolicyState.x_RAW`"""
    text = '"bound": torch.exp(torch.relu(Parameters.policy_bounds_hard["lower"]["s"] - PolicyState.s_RAW(policy_state))), '
    model = _model(tmp_path, equations=text)
    found = model.equations(model.initial_states(2), torch.tensor([[0.5], [-0.9]]))["bound"]
    assert found.tolist() == pytest.approx([1.0, 2.718281828])


def test_raw_minus_cut():
    """`x_RAW - x` is zero where the bound does not bind"""
    s = deqn.load_model("brock_mirman", check=False).PolicyState
    policies = torch.tensor([[0.5], [1.5], [0.0]])
    assert (s.s_RAW(policies) - s.s(policies)).tolist() == pytest.approx([0.0, 0.51, -0.01])


def test_link_of_tensorboard(tmp_path, answer):
    """For the TensorBoard of a notebook, a link `tensorboard_logdir` is made to the run"""
    assert answer("--from", str(library(tmp_path / "lib")), "hydra.run.dir=runs/a", "run.N_episodes=1").code == 0
    os.symlink(tmp_path / "runs" / "a", tmp_path / "tensorboard_logdir")
    events = EventAccumulator(str(tmp_path / "tensorboard_logdir")).Reload()
    assert "loss" in events.Tags()["scalars"]


def test_two_kinds_of_dynamics(tmp_path):
    """Dynamics.py may take another step where `Globals.POST_PROCESSING` is set"""
    step = "    if Globals.POST_PROCESSING:\n        return prev_state\n"
    dynamics = shipped("brock_mirman", "Dynamics").replace('simulation."""\n', f'simulation."""\n{step}')
    assert step in dynamics
    models = own_model(tmp_path / "models", Dynamics=dynamics)
    model = deqn.Model(compose([*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}"]).config)
    states = model.initial_states(3)
    assert not torch.equal(model.step(states), states)
    model.Globals.POST_PROCESSING = True
    assert torch.equal(model.step(states), states)
