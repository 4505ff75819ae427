"""Composition of the configuration: groups, overrides, files of the TensorFlow library, run folders, sweeps."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
import yaml

import deqn
from deqn import shipped
from deqn.configuration import compose as config
from deqn.configuration.compose import compose
from deqn.disk.run_folder import comparable
from deqn.economy.probe import probe
from deqn.errors import ConfigError
from tests import warm
from tests.conftest import ROOT, TINY, contents, plain_environment

MODELS = sorted(path.stem for path in (shipped.CONFIG / "model").glob("*.yaml"))
GROUPS = ("constants", "net", "optimizer", "run", "variables")
FILES = [(path.parent.name, path.stem) for group in GROUPS for path in sorted((shipped.CONFIG / group).glob("*.yaml"))]


def model_of(name: str) -> str:
    """The model that a file belongs to: krusell_smith for krusell_smith_notebook; any, where it is of none."""
    return max((model for model in MODELS if name.startswith(model)), key=len, default="brock_mirman")


@pytest.mark.parametrize(("group", "name"), FILES)
def test_every_file_of_every_group_composes_and_passes_the_schema(group, name):
    composed = compose([f"model={model_of(name)}", f"{group}={name}"])
    text = (shipped.CONFIG / group / f"{name}.yaml").read_text(encoding="utf-8")
    written, there = yaml.safe_load(text), composed.tree
    if text.startswith("# @package _global_"):  # with keys of the top level beside those of the group
        top = {key: value for key, value in written.items() if key != group}
        assert top == {key: there[key] for key in top}
        written = written[group]
    assert set(written) - {"defaults"} <= set(there[group])


@pytest.mark.parametrize("name", MODELS)
def test_six_overrides_equal_the_model_option(name):
    six = [
        f"MODEL_NAME={name}",
        *(f"{group}={name}" for group in ("run", "net", "optimizer", "constants", "variables")),
    ]
    assert comparable(compose(six).config) == comparable(compose([f"model={name}"]).config)


def test_every_model_folder_has_a_model_option():
    assert {path.parent.name for path in (ROOT / "models").glob("*/Equations.py")} <= set(MODELS)


@pytest.mark.parametrize("order", [1, -1], ids=["after model=", "before model="])
def test_a_group_choice_wins_over_the_model_option(order):
    chosen = compose(["model=brock_mirman", "net=bm1972"][::order])
    assert chosen.config.net == compose(["model=bm1972"]).config.net
    assert chosen.config.variables == compose(["model=brock_mirman"]).config.variables


def test_the_default_is_bm1972():
    assert comparable(compose().config) == comparable(compose(["model=bm1972"]).config)


def test_the_default_run_folder_has_model_date_and_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, date, clock = compose(["model=brock_mirman"]).run_dir.relative_to(tmp_path / "runs").parts
    assert (model, len(date), len(clock)) == ("brock_mirman", len("2026-11-21"), len("23-59-59"))
    assert list(tmp_path.iterdir()) == []


def test_the_working_directory_is_never_changed_by_hydra():
    assert compose().hydra.job.chdir is False


def test_a_key_that_the_yaml_leaves_to_its_default_can_be_set():
    assert compose(["run.compile=true"]).config.run.compile


@pytest.mark.parametrize("override", ["constants.beta=0.5", "constants.constants.beta=0.5"])
def test_a_constant_is_set_in_either_form(override):
    assert compose(["model=brock_mirman", override]).config.constants["beta"] == 0.5


def test_a_constant_can_be_added():
    assert compose(["model=brock_mirman", "+constants.constants.tau=0.1"]).config.constants["tau"] == 0.1


def test_a_mapping_on_the_command_line_replaces_that_of_the_file():
    chosen = compose(["model=brock_mirman", "optimizer.schedule_kwargs={decay_steps: 5}"])
    assert chosen.config.optimizer.schedule_kwargs == {"decay_steps": 5}


def test_a_later_key_is_added_to_a_mapping_on_the_command_line():
    chosen = compose(
        ["model=brock_mirman", "optimizer.schedule_kwargs={decay_steps: 5}", "optimizer.schedule_kwargs.alpha=0.5"]
    )
    assert chosen.config.optimizer.schedule_kwargs == {"decay_steps": 5, "alpha": 0.5}


def test_a_schedule_can_be_turned_off():
    overrides = ["model=brock_mirman", "optimizer.learning_rate_schedule=null", "optimizer.schedule_kwargs={}"]
    assert compose(overrides).config.optimizer.learning_rate_schedule is None


def test_an_interpolation_follows_the_constant_that_was_set():
    init = compose(["model=bm1972", "constants.k_ub=2.0"]).config.variables.states[0].init
    assert init.kwargs["maxval"] == 2.0


def test_nothing_is_created_by_composing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compose(["model=bm1972", "hydra.run.dir=there"])
    assert list(tmp_path.iterdir()) == []


# -- files written for the TensorFlow library -------------------------------------------------------------------------

TF_FILES = {
    "constants/analytic": """
        constants:
          alpha: 0.36
          beta: 0.96
          sigma: 4e-2
        """,
    "net/analytic": """
        layers:
          - hidden:
              units: 12
              type: dense
              activation: relu
              init_scale: 0.1
              dropout_rate: 0.05
          - hidden:
              units: 10
              type: dense
              activation: tf.nn.leaky_relu
              init_scale: 0.1
              batch_normalize:
                momentum: 0.99
          - output:
              type: dense
              activation: linear
              init_scale: 0.1
        net_initializer_mode: fan_avg
        net_initializer_distribution: truncated_normal
        """,
    "optimizer/analytic": """
        optimizer: Adam
        learning_rate: 0.00001
        clipvalue: 1.0
        """,
    "run/analytic": """
        N_sim_batch: 32
        N_episode_length: 2
        N_epochs_per_episode: 1
        N_minibatch_size: 16
        N_episodes: 2
        expectation_type: monomial
        sorted_within_batch: false
        keras_precision: float32
        """,
    "variables/analytic": """
        states:
          - name: Kx
            bounds: {lower: 0.01}
            init:
              distribution: uniform
              kwargs:
                minval: ${constants.constants.alpha}
                maxval: 0.5
          - name: Ax
            init:
              distribution: normal
              kwargs:
                mean: 1.0
                stddev: 0.1
        policies:
          - name: p_x
            activation: implied
            bounds:
              lower: 0.1
              upper: 0.9
          - name: q_x
            activation: tf.nn.relu
            bounds:
              upper: 5.0
              lower: 0.0
              penalty_lower: 100000000.0
          - name: share
            activation: tf.keras.activations.sigmoid
          - name: nu
            activation: tf.nn.softplus
        definitions:
          - name: Yx
            bounds: {lower: 0.001}
        """,
}
TF_MODEL = {
    "Definitions": """
        import torch
        import State
        import PolicyState
        import Parameters

        def Yx(state, policy_state):
            return State.Ax(state) * State.Kx(state) ** Parameters.alpha
        """,
    "Dynamics": """
        import torch
        import State
        import PolicyState
        import Definitions
        import Parameters

        shock_values, shock_probs = State.monomial_rule([Parameters.sigma])

        def augment(prev_state, policy_state, shock):
            new_state = torch.zeros_like(prev_state)
            new_state = State.update(new_state, "Kx", PolicyState.p_x(policy_state) * Definitions.Yx(prev_state, policy_state))
            return State.update(new_state, "Ax", torch.exp(shock))

        def total_step_spec_shock(prev_state, policy_state, shock_index):
            n = prev_state.shape[0]
            return augment(prev_state, policy_state, shock_values[shock_index, 0].repeat(n))

        def total_step_random(prev_state, policy_state):
            shock = Parameters.rng.normal([prev_state.shape[0]], stddev=Parameters.sigma)
            return augment(prev_state, policy_state, shock)
        """,
    "Equations": """
        import Definitions
        import Parameters
        import PolicyState
        import State

        def equations(state, policy_state):
            E_t = State.E_t_gen(state, policy_state)
            loss_dict = {}
            loss_dict["eq_1"] = PolicyState.p_x(policy_state) - Parameters.beta * E_t(lambda s, ps: s[:, 0] + PolicyState.p_x(ps))
            share = PolicyState.share(policy_state)
            loss_dict["eq_2"] = PolicyState.q_x(policy_state) - share * Definitions.Yx(state, policy_state)
            loss_dict["eq_3"] = PolicyState.nu(policy_state) - E_t(lambda s, ps: State.Kx(s))
            return loss_dict
        """,
    "Hooks": """
        import Parameters

        def cycle_hook(state, i):
            pass
        """,
}


@pytest.fixture(scope="module")
def tf_folder(tmp_path_factory) -> Path:
    """A user's own folder: `config/` with YAML files and `models/analytic/`."""
    import textwrap

    folder = tmp_path_factory.mktemp("tf")
    for name, text in TF_FILES.items():
        path = folder / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    (folder / "models" / "analytic").mkdir(parents=True)
    for name, text in TF_MODEL.items():
        (folder / "models" / "analytic" / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


SIX = ["MODEL_NAME=analytic", *(f"{group}=analytic" for group in GROUPS)]


@pytest.fixture(scope="module")
def tf_model(tf_folder) -> deqn.Model:
    return deqn.Model(compose([*SIX, f"MODELS_DIR={tf_folder / 'models'}"], config_dir=tf_folder / "config").config)


def test_files_of_the_tensorflow_library_compose_unchanged(tf_folder):
    settings = compose(SIX, config_dir=tf_folder / "config").config
    assert settings.optimizer.learning_rate == 1e-5
    assert settings.constants == {"alpha": 0.36, "beta": 0.96, "sigma": 0.04}
    assert settings.variables.states[0].init.kwargs == {"minval": 0.36, "maxval": 0.5}


def test_a_model_of_the_tensorflow_library_links_and_passes_the_probe(tf_model):
    assert set(probe(tf_model).equations) == {"eq_1", "eq_2", "eq_3"}


def test_code_that_reads_single_columns_falls_back_to_one_node_at_a_time(tf_model):
    """`shock_values[shock_index, 0].repeat(n)` and `s[:, 0]` would read other entries of stacked nodes."""
    probe(tf_model)
    assert (tf_model.expectations.stacked_step, tf_model.expectations.stacked_function) == (False, False)


def test_the_activations_of_the_tensorflow_files_keep_their_ranges(tf_model):
    policies = tf_model.policy(10 * tf_model.initial_states(200))
    p_x, q_x, share, nu = policies.unbind(-1)
    assert ((p_x > 0.1) & (p_x < 0.9)).all()
    assert (q_x >= 0).all()
    assert ((share > 0) & (share < 1)).all()
    assert (nu > 0).all()


def test_a_custom_penalty_of_the_tensorflow_files_is_kept(tf_model):
    assert tf_model.policy_columns[1].bound.penalty_lower == 1e8


def test_own_models_and_configurations_train_from_the_command_line(tf_folder, answer, tmp_path):
    result = answer(
        *SIX, "--config-dir", str(tf_folder / "config"), f"MODELS_DIR={tf_folder / 'models'}", "hydra.run.dir=run"
    )
    assert result.code == 0, result.err
    assert (tmp_path / "run" / "ckpt" / "ckpt-2.pt").is_file()


def test_a_file_of_ones_own_stands_for_the_shipped_one_of_its_name(tmp_path):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "bm1972.yaml").write_text("optimizer: SGD\nlearning_rate: 0.5\n")
    assert compose(["model=bm1972"], config_dir=tmp_path).config.optimizer.optimizer == "SGD"
    assert compose(["model=bm1972"]).config.optimizer.optimizer == "Adam"
    assert compose(["model=brock_mirman"], config_dir=tmp_path).config.optimizer.learning_rate == 0.003


def test_a_relative_folder_of_models_is_found_from_elsewhere_later(tf_folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tf_folder)
    composed = compose([*SIX, "MODELS_DIR=models"], config_dir="config")
    monkeypatch.chdir(tmp_path)
    assert deqn.Model(composed.config).name == "analytic"


# -- the configuration of a run folder --------------------------------------------------------------------------------


def test_the_configuration_of_a_run_is_read_in_place(finished_run):
    before = contents(finished_run)
    composed = compose(run_dir=finished_run)
    assert composed.config == compose([*TINY, "run.N_episodes=3"]).config
    assert (composed.source, composed.run_dir) == (finished_run, finished_run)
    assert contents(finished_run) == before


def test_single_keys_of_a_run_can_be_changed(finished_run):
    assert compose(["seed=3", "run.N_episodes=9"], run_dir=finished_run).config.run.N_episodes == 9


def test_the_overrides_that_were_typed_are_kept(finished_run):
    assert yaml.safe_load((finished_run / ".hydra" / "overrides.yaml").read_text())[0] == "model=brock_mirman"


def test_another_configuration_in_the_run_folder_is_kept_under_a_number(tmp_path):
    for seed in (1, 2, 3):
        config.write_run_configuration(compose([f"seed={seed}"]), tmp_path)
    seeds = {
        name: yaml.safe_load((tmp_path / ".hydra" / name).read_text())["seed"]
        for name in ("config.1.yaml", "config.2.yaml", "config.yaml")
    }
    assert seeds == {"config.1.yaml": 1, "config.2.yaml": 2, "config.yaml": 3}


# -- Hydra's own options ----------------------------------------------------------------------------------------------


def hydra(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm.python(), str(ROOT / "run_deepnet.py"), *arguments],
        cwd=cwd,
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Three jobs, of which the second is wrong."""
    cwd = tmp_path_factory.mktemp("sweep")
    process = hydra(
        cwd, "-m", *TINY, "run.N_episodes=1", "optimizer.learning_rate=1e-3,-1,1e-4", "constants.beta=0.95",
        "hydra.sweep.dir=many",
    )  # fmt: skip
    return process, cwd / "many"


def test_a_sweep_trains_each_learning_rate_in_a_folder_of_its_own(sweep):
    process, folder = sweep
    assert process.returncode == 0, process.stderr
    assert [deqn.load_run(folder / job).config.optimizer.learning_rate for job in ("0", "2")] == [1e-3, 1e-4]


def test_a_constant_is_set_in_a_sweep_too(sweep):
    assert deqn.load_run(sweep[1] / "0").model.Parameters.beta == 0.95


def test_a_wrong_job_of_a_sweep_is_reported_and_ends_no_other(sweep):
    process, folder = sweep
    assert "optimizer.learning_rate = -1" in process.stderr
    assert "1 of 3 jobs failed" in process.stderr
    assert not (folder / "1" / "ckpt").exists()


def test_the_configuration_can_be_printed(tmp_path):
    process = hydra(tmp_path, "model=brock_mirman", "seed=3", "--cfg", "job")
    assert process.returncode == 0, process.stderr
    assert yaml.safe_load(process.stdout)["seed"] == 3
    assert list(tmp_path.iterdir()) == []


def test_check_trains_nothing_and_leaves_nothing(answer, tmp_path):
    result = answer("model=brock_mirman", "--check")
    assert result.code == 0
    for fragment in ("euler", "5 nodes", "0.01 .. 0.99", "check passed"):
        assert fragment in result.out
    assert list(tmp_path.iterdir()) == []


def test_composing_leaves_the_state_of_hydra_as_it_was():
    """So that a program with a configuration of its own can load a model."""
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    compose()
    assert not GlobalHydra.instance().is_initialized()


def test_two_configurations_of_one_model_are_two_models():
    one, other = (deqn.load_model("brock_mirman", [f"constants.beta={beta}"]) for beta in (0.9, 0.95))
    states = one.initial_states(5)
    assert (one.Parameters.beta, other.Parameters.beta) == (0.9, 0.95)
    residuals = [model.equations(states, torch.full((5, 1), 0.3))["euler"] for model in (one, other)]
    assert not torch.equal(*residuals)


def test_an_unknown_model_from_python_has_the_same_message():
    with pytest.raises(ConfigError, match=r"No model 'bm1927'\. Did you mean bm1972\?"):
        deqn.load_model("bm1927")
