"""Wrong inputs: one clear message each, an exit status that is not zero, no traceback, and nothing left behind."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.conftest import ROOT, TINY, contents, own_model, shipped

BM = "model=brock_mirman"

# what is typed -> fragments that the message must have
TYPED = {
    "a model that is not there": (["model=bm1927"], ["No model 'bm1927'", "Did you mean bm1972?", "Known: "]),
    "a group option that is not there": (["optimizer=brock_mirmann"], ["optimizer configuration", "brock_mirman?"]),
    "two group options that are not there": (["net=nett", "run=runn"], ["2 problems", "net configuration", "run conf"]),
    "a MODEL_NAME without a folder": (["MODEL_NAME=bm1927"], ["MODEL_NAME = 'bm1927'", "Did you mean bm1972?"]),
    "a key that is not there": (
        ["optimizer.lerning_rate=1e-3"],
        ["optimizer.lerning_rate is not a field of optimizer", "Did you mean learning_rate?"],
    ),
    "a key of the top level that is not there": (["sed=1"], ["sed is not a key", "Did you mean seed?"]),
    "a key in the wrong place": (
        ["N_episodes=3"],
        ["N_episodes is not a key of the configuration. Write run.N_episodes=3."],
    ),
    "keys in the wrong place": (
        ["learning_rate=1e-3", "beta=.9", "run.seed=1", "units=5", "expectation_type=monomial"],
        [
            "5 problems",
            "Write optimizer.learning_rate=1e-3.",
            "Write constants.beta=.9.",
            "Write seed=1.",
            "Write net.layers.0.hidden.units=5 or net.layers.1.hidden.units=5.",
            "Write run.expectation_type=monomial.",
        ],
    ),
    "a misspelt key in the wrong place": (["learnin_rate=1"], ["Did you mean optimizer.learning_rate?"]),
    "a constant that is a key elsewhere": (["constants.learning_rate=1"], ["Write optimizer.learning_rate=1."]),
    "a Greek constant that is not there": (["constants.β=1"], ["no constant 'β'", "+constants.β=1"]),
    "an index in brackets": (["net.layers[0].hidden.units=16"], ["[ is not", "Write net.layers.0.hidden.units=16."]),
    "the home folder": (["hydra.run.dir=~/x"], ["~ is not understood", "Write hydra.run.dir=$HOME/x."]),
    "a folder with an umlaut": (["hydra.run.dir=läufe/x"], ["'ä' is not", "Write \"hydra.run.dir='läufe/x'\"."]),
    "a Greek key": (["net.λ=1"], ["'λ' is not understood in a key", "YAML file"]),
    "a list that is not closed": (["variables.states=[1"], ["[ is opened and not closed"]),
    "a parenthesis": (["device=a(b"], ["'(' is not understood without quotes", "Write \"device='a(b'\"."]),
    "two lines that are not understood": (["device=a(b", "=3"], ["2 problems on the command line", "=3: an empty key"]),
    "a key of a layer that is not there": (
        ["net.layers.0.hidden.unit=3"],
        ["net.layers[0].hidden.unit is not a field", "Did you mean units?"],
    ),
    "a text for a number": (["net.layers.0.hidden.units=abc"], ["net.layers[0].hidden.units = 'abc'", "an integer"]),
    "a broken number of episodes": (["run.N_episodes=1.5"], ["run.N_episodes = 1.5", "an integer"]),
    "a float for an integer": (["run.N_episodes=10.0"], ["run.N_episodes = 10.0", "Write 10."]),
    "a negative integer": (["run.N_sim_batch=-1"], ["run.N_sim_batch = -1", "greater than 0"]),
    "a learning rate of zero": (["optimizer.learning_rate=0"], ["optimizer.learning_rate = 0", "greater than 0"]),
    "a learning rate that is not finite": (["optimizer.learning_rate=inf"], ["optimizer.learning_rate", "finite"]),
    "a dropout rate above one": (["++net.layers.0.hidden.dropout_rate=1.5"], ["dropout_rate = 1.5", "less than 1"]),
    "a precision that is not there": (
        ["run.keras_precision=float46"],
        ["run.keras_precision = 'float46'", "'float32' or 'float64'", "Did you mean float64?"],
    ),
    "an expectation that is not there": (["run.expectation_type=monomail"], ["Did you mean monomial?"]),
    "a number for a switch": (["run.sorted_within_batch=1"], ["run.sorted_within_batch = 1", "true or false"]),
    "a seed that is a text": (["seed=one"], ["seed = 'one'", "an integer"]),
    "a minibatch larger than an episode": (
        ["run.N_minibatch_size=1000000"],
        ["run.N_minibatch_size = 1000000", "128", "20", "2560 states", "no step would be taken"],
    ),
    "an optimizer that is not there": (
        ["optimizer.optimizer=Adm"],
        ["optimizer.optimizer = 'Adm'", "Did you mean Adam"],
    ),
    "an optimizer that cannot be used": (["optimizer.optimizer=SparseAdam"], ["'SparseAdam'", "sparse gradients"]),
    "an argument of the optimizer that is not there": (
        ["optimizer.optimizer_kwargs={betas_1: 0.9}"],
        ["optimizer.optimizer_kwargs.betas_1", "not an argument of Adam", "betas"],
    ),
    "a schedule that is not there": (["optimizer.learning_rate_schedule=CosinDecay"], ["Did you mean CosineDecay?"]),
    "an argument of the schedule that is not there": (
        ["optimizer.schedule_kwargs={decay_step: 3}"],
        ["optimizer.schedule_kwargs.decay_step", "Did you mean decay_steps?"],
    ),
    "an activation that is not there": (
        ["net.layers.0.hidden.activation=rellu"],
        ["net.layers[0].hidden.activation = 'rellu'", "Did you mean relu?"],
    ),
    "an activation that cannot be imported": (
        ["net.layers.0.hidden.activation=no_package.f"],
        ["net.layers[0].hidden.activation = 'no_package.f'", "No module named 'no_package'"],
    ),
    "an option of batch normalisation that is not there": (
        ["++net.layers.0.hidden.batch_normalize={momentun: 0.9}"],
        ["net.layers[0].hidden.batch_normalize.momentun", "Did you mean momentum?"],
    ),
    "a constant that is not there": (["constants.betta=0.9"], ["no constant 'betta'", "Did you mean beta?"]),
    "a constant with the name of something else": (["+constants.constants.rng=1"], ["constants.rng", "taken"]),
    "a constant that is no number": (
        ["constants.beta=high"],
        ["Calibration.py:", "constants.beta = 'high' is a text; was"],
    ),
    "a lower bound above the upper": (
        ["variables.policies.0.bounds.lower=0.995"],
        ["variables.policies[0] 's'", "0.995", "0.99", "not below"],
    ),
    "a bound of zero without a penalty": (
        ["variables.policies.0.bounds.lower=0", "variables.policies.0.activation=null"],
        ["variables.policies[0] 's'", "1/bound**2", "Set bounds.penalty_lower"],
    ),
    "`implied` without bounds": (
        ["variables.policies.0.bounds.upper=null"],
        ["variables.policies[0] 's'", "`implied` needs both bounds", "upper is missing"],
    ),
    "an argument of a distribution that is not there": (
        ["variables.states.0.init.kwargs={minvall: 0.1, maxval: 0.4}"],
        ["variables.states[0] 'K'.init.kwargs", "'minvall' is unknown", "Did you mean minval?"],
    ),
    "a distribution that is not there": (
        ["variables.states.0.init.distribution=unifrom"],
        ["variables.states[0] 'K'.init.distribution = 'unifrom'", "Did you mean uniform?"],
    ),
    "a name of a constant in a distribution that is not there": (
        ["variables.states.0.init.kwargs={minval: 0.1, maxval: betta}"],
        ["variables.states[0] 'K'.init.kwargs.maxval", "Did you mean beta?"],
    ),
    "two states with one name": (["variables.states.1.name=K"], ["'K' appears twice in variables.states"]),
    "a state with the name of a function": (["variables.states.1.name=update"], ["'update'", "taken by the library"]),
    "a key without a value": (["optimizer.learning_rate"], ["optimizer.learning_rate", "key=value"]),
    "several values without -m": (["seed=1,2"], ["seed=1,2 has several values", "Give -m"]),
    "a device that is not there": (["device=gpu"], ["device = 'gpu'", "auto, cpu, cuda"]),
    "more threads than any machine has": (["run.threads=100000"], ["run.threads = 100000", "1024"]),
    "a run folder without a name": (["hydra.run.dir="], ["hydra.run.dir is empty", "working directory"]),
    "a sweep into a folder that cannot be made": (
        ["-m", "seed=1,2", "hydra.sweep.dir=/proc/sweep"],
        ["/proc/sweep", "cannot be written", "hydra.sweep.dir"],
    ),
    "a GPU that is not there": (["device=cuda:99"], ["device = 'cuda:99'", "CUDA device"]),
    "a folder of models that is not there": (["MODELS_DIR=nowhere"], ["MODELS_DIR", "nowhere", "no such folder"]),
    "a folder of configurations that is not there": (["--config-dir", "nowhere"], ["--config-dir nowhere", "no such"]),
    "an error file in another folder": (["error_filename=a/b.txt"], ["error_filename = 'a/b.txt'", "without folders"]),
    "nothing to resume": (
        ["STARTING_POINT=LATEST"],
        ["STARTING_POINT=LATEST", "no checkpoint in", "STARTING_POINT=NEW"],
    ),
    "a checkpoint that is not there": (["STARTING_POINT=ckpt-99"], ["STARTING_POINT=ckpt-99", "no such checkpoint"]),
}


@pytest.mark.parametrize(("typed", "fragments"), TYPED.values(), ids=TYPED.keys())
def test_a_wrong_command_line_has_one_clear_answer_and_leaves_nothing(answer, tmp_path, typed, fragments):
    result = answer(*([] if typed[0].startswith("model=") else [BM]), *typed)
    assert result.code == 2, result.out + result.err
    assert "Error: " in result.err
    for fragment in fragments:
        assert fragment in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert list(tmp_path.iterdir()) == []


def test_all_problems_are_reported_at_once_and_numbered(answer):
    result = answer(
        BM,
        "optimizer.lerning_rate=1",
        "run.N_episodes=0",
        "variables.policies.0.bounds.lower=0",
        "variables.policies.0.activation=null",
        "net.layers.0.hidden.units=x",
    )
    assert result.code == 2
    assert "ConfigError: 4 problems in the configuration\n 1. " in result.err
    for fragment in ("lerning_rate", "run.N_episodes = 0", "bounds.penalty_lower", "units = 'x'", "\n 4. "):
        assert fragment in result.err


# the model's files: (file, old text, new text) -> fragments that the message must have
EULER = """return {"euler": 1 - Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * C / Definitions.C(s, p))}"""
FILES = {
    "a residual with a column too many": (
        ("Equations", "C = Definitions.C(state, policy_state)", "C = Definitions.C(state, policy_state).unsqueeze(-1)"),
        ["equations() returned 'euler' with shape", "expected [7]", "mixed"],
    ),
    "a state that does not exist": (
        ("Definitions", "State.z(state)", "State.zz(state)"),
        ["mine/Definitions.py:12", "State has no 'zz'", "Did you mean z?"],
    ),
    "a constant that does not exist": (
        ("Definitions", "Parameters.delta) * State.K", "Parameters.detla) * State.K"),
        ["mine/Definitions.py:27", "Parameters has no 'detla'", "Did you mean delta?", "constants has:", "alpha, beta"],
    ),
    "a definition that does not exist": (
        ("Equations", "Definitions.R(s, p)", "Definitions.Rr(s, p)"),
        ["mine/Equations.py:11", "Definitions has no 'Rr'"],
    ),
    "a definition of the YAML that is missing": (
        ("Definitions", "def K_next(", "def K_nxt("),
        ["variables.definitions", "K_next(state, policy_state) is missing", "Did you mean K_nxt?"],
    ),
    "an unclosed bracket": (("Equations", EULER, "return {'euler': ("), ["mine/Equations.py:11", "never closed"]),
    "TensorFlow": (
        ("Definitions", "import torch", "import tensorflow as tf\nimport torch\n\ntf.linalg_solve(1)"),
        ["mine/Definitions.py:6", "linalg_solve"],
    ),
    "torch.math": (("Definitions", "torch.exp", "torch.math.exp"), ["mine/Definitions.py:12", "cuts the gradient"]),
    "a detached policy": (
        ("Equations", "    E_t = ", "    policy_state = policy_state.detach()\n    E_t = "),
        ["no equation depends on policy 's'"],
    ),
    "equations that return a tensor": (
        ("Equations", EULER, "return C"),
        ["equations() returns Tensor", "expected a dictionary"],
    ),
    "equations with another name": (("Equations", "def equations(", "def equation("), ["equations is missing"]),
    "an equation that is not finite": (
        ("Equations", EULER, "return {'euler': torch.log(-C)}\n\nimport torch"),
        ["equation 'euler': not finite for 7 of 7 initial states, first at K=", "z="],
    ),
    "an error in an equation": (
        ("Equations", EULER, "return {'euler': C @ State.K}"),
        ["mine/Equations.py:11", "equations() failed: TypeError"],
    ),
    "probabilities that do not sum to one": (
        ("Dynamics", "def next_state", "shock_probs = 0.7 * shock_probs\n\n\ndef next_state"),
        ["mine/Dynamics.py", "shock_probs sums to 0.7, not 1"],
    ),
    "a negative probability": (
        ("Dynamics", "def next_state", "shock_probs = torch.tensor([2.0, -1.0])\n\n\ndef next_state"),
        ["shock_probs has an entry that is negative"],
    ),
    "nodes without probabilities": (
        ("Dynamics", "def next_state", "shock_values = shock_values[:3]\n\n\ndef next_state"),
        ["shock_values has 3 rows, shock_probs has 5 entries"],
    ),
    "a next state of another shape": (
        ("Dynamics", "    return next_state(prev_state, policy_state, shock)", "    return prev_state[:, 0]"),
        ["total_step_random(prev_state, policy_state) has shape [7], expected [7, 2]"],
    ),
    "a step that is missing": (
        ("Dynamics", "def total_step_random", "def total_step_rnadom"),
        ["total_step_random is missing", "Did you mean total_step_rnadom?"],
    ),
    "a file that fails when it is run": (("Dynamics", "else:", "1 / 0\nif False:"), ["mine/Dynamics.py:10", "ZeroDivision"]),
}  # fmt: skip


@pytest.mark.parametrize(("change", "fragments"), FILES.values(), ids=FILES.keys())
def test_a_wrong_model_file_has_one_clear_answer_and_leaves_nothing(answer, tmp_path, change, fragments):
    file, old, new = change
    text = shipped("brock_mirman", file)
    assert old in text
    if "torch" in new and file == "Dynamics":
        new = f"import torch\n{new}"
    folder = own_model(tmp_path / "models", **{file: text.replace(old, new)})
    before = contents(tmp_path)
    result = answer(BM, "MODEL_NAME=mine", f"MODELS_DIR={folder}")
    assert result.code == 2, result.out + result.err
    assert result.err.startswith("ModelError: ")
    for fragment in fragments:
        assert fragment in result.err
    assert "Traceback" not in result.err
    assert contents(tmp_path) == before


def test_a_missing_file_of_a_model_is_named(answer, tmp_path):
    folder = own_model(tmp_path / "models", Dynamics=None)
    result = answer(BM, "MODEL_NAME=mine", f"MODELS_DIR={folder}")
    assert result.code == 2
    assert "Dynamics.py is missing" in result.err


def test_a_policy_that_no_equation_uses_is_named(answer):
    result = answer(
        BM, "variables.policies=[{name: s, activation: implied, bounds: {lower: 0.01, upper: 0.99}}, {name: mu}]"
    )
    assert result.code == 2
    assert "no equation depends on policy 'mu'" in result.err


def test_a_network_of_its_own_with_another_width_is_named(answer, tmp_path):
    net = "import torch\n\n\ndef define_net(net_config, model):\n    return torch.nn.Linear(model.n_states, 3)\n"
    folder = own_model(tmp_path / "models", Net=net)
    result = answer(BM, "MODEL_NAME=mine", f"MODELS_DIR={folder}")
    assert result.code == 2
    assert "it has 3 outputs, expected 1" in result.err


# -- folders and checkpoints ------------------------------------------------------------------------------------------


@pytest.fixture
def run_copy(tmp_path, finished_run):
    """A finished run of three episodes that a test may spoil, in the working directory."""
    shutil.copytree(finished_run, tmp_path / "run")
    return tmp_path / "run"


def refused(answer, folder, *typed, fragments, script="run_deepnet.py", **environment):
    """The answer to a command that must be refused and must change nothing in the run folder."""
    before = contents(folder)
    result = answer(*typed, script=script, **environment)
    assert result.code == 2, result.out + result.err
    for fragment in fragments:
        assert fragment in result.err
    assert "Traceback" not in result.err
    assert contents(folder) == before


def test_a_named_checkpoint_that_is_not_there_is_answered_with_those_that_are(answer, run_copy):
    refused(answer, run_copy, *TINY, "STARTING_POINT=ckpt-99", "hydra.run.dir=run",
            fragments=["no such checkpoint", "It has: ckpt-1, ckpt-2, ckpt-3"])  # fmt: skip


def test_a_damaged_checkpoint_is_refused_when_named(answer, run_copy):
    file = run_copy / "ckpt" / "ckpt-3.pt"
    file.write_bytes(file.read_bytes()[:1000])
    refused(answer, run_copy, *TINY, "STARTING_POINT=ckpt-3", "hydra.run.dir=run",
            fragments=["ckpt-3.pt is damaged"])  # fmt: skip


def test_latest_falls_back_to_the_newest_whole_checkpoint_and_says_so(answer, run_copy):
    file = run_copy / "ckpt" / "ckpt-3.pt"
    file.write_bytes(file.read_bytes()[:1000])
    result = answer(*TINY, "run.N_episodes=3", "STARTING_POINT=LATEST", "hydra.run.dir=run")
    assert result.code == 0, result.err
    assert "ckpt-3.pt is damaged" in result.out
    assert "Falling back" in result.out
    assert "Resumed from ckpt-2" in result.out


def test_a_checkpoint_of_another_network_is_refused(answer, run_copy):
    refused(answer, run_copy, *TINY, "net.layers.0.hidden.units=9", "STARTING_POINT=LATEST", "hydra.run.dir=run",
            fragments=["network 2x8x8x1", "network 2x9x8x1", "USE_CONFIG_FROM_RUN_DIR="])  # fmt: skip


def test_a_checkpoint_of_another_model_is_refused(answer, run_copy):
    refused(answer, run_copy, "model=bm1972", "STARTING_POINT=LATEST", "hydra.run.dir=run",
            fragments=["model brock_mirman", "model bm1972"])  # fmt: skip


def test_a_finished_run_is_not_started_over_with_another_configuration(answer, run_copy):
    refused(answer, run_copy, *TINY, "run.N_episodes=3", "seed=7", "hydra.run.dir=run",
            fragments=["finished run with another configuration", "seed 0 -> 7"])  # fmt: skip


def test_a_run_is_not_started_over_by_forgetting_the_starting_point(answer, run_copy):
    refused(answer, run_copy, "hydra.run.dir=run", USE_CONFIG_FROM_RUN_DIR="run",
            fragments=["would be started over", "STARTING_POINT=LATEST"])  # fmt: skip


def test_a_group_choice_is_refused_with_the_configuration_of_a_run(answer, run_copy):
    refused(answer, run_copy, "net=bm1972", "STARTING_POINT=LATEST", USE_CONFIG_FROM_RUN_DIR="run",
            fragments=["net=bm1972", "no group to choose from"])  # fmt: skip


def test_a_folder_without_a_configuration_is_named(answer, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(answer, tmp_path, "STARTING_POINT=LATEST", USE_CONFIG_FROM_RUN_DIR="empty",
            fragments=["USE_CONFIG_FROM_RUN_DIR=empty", str(tmp_path / "empty/.hydra/config.yaml")])  # fmt: skip


def test_a_file_where_the_run_folder_should_be_is_refused(answer, tmp_path):
    (tmp_path / "run").write_text("mine")
    refused(answer, tmp_path, BM, "hydra.run.dir=run", fragments=["run", "hydra.run.dir"])


def test_starting_anew_removes_only_what_this_program_wrote(answer, run_copy):
    """A user's own files stay, even in the folder of the checkpoints."""
    for name in ("notes.txt", "ckpt/best.pt", "events.out.tfevents.1.other"):
        (run_copy / name).write_text("mine")
    result = answer(*TINY, "run.N_episodes=1", "hydra.run.dir=run")
    assert result.code == 0, result.err
    assert [(run_copy / n).read_text() for n in ("notes.txt", "ckpt/best.pt", "events.out.tfevents.1.other")] == [
        "mine"
    ] * 3
    assert sorted(path.name for path in (run_copy / "ckpt").glob("ckpt-*")) == ["ckpt-1.pt"]


def test_post_processing_without_a_run_says_how_to_name_one(answer, tmp_path):
    refused(answer, tmp_path, BM, script="post_process.py",
            fragments=["post-processing needs a run: hydra.run.dir=<run folder>", "USE_CONFIG_FROM_RUN_DIR="])  # fmt: skip


def test_post_processing_a_checkpoint_that_is_not_there_lists_those_that_are(answer, run_copy):
    refused(answer, run_copy, "STARTING_POINT=ckpt-9", script="post_process.py", USE_CONFIG_FROM_RUN_DIR="run",
            fragments=["ckpt-9", "It has: ckpt-1, ckpt-2, ckpt-3"])  # fmt: skip


def test_post_processing_a_key_that_is_not_there_is_refused(answer, run_copy):
    refused(answer, run_copy, "+N_simulated_batch=3", script="post_process.py", USE_CONFIG_FROM_RUN_DIR="run",
            fragments=["N_simulated_batch is not a key", "Did you mean N_simulated_batch_size?"])  # fmt: skip


def test_a_folder_that_cannot_be_made_is_refused(answer, tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(answer, tmp_path, BM, "hydra.run.dir=file/run", fragments=["file/run cannot be written: Not a directory"])


def test_a_real_process_answers_as_this_one_does(command, answer, tmp_path):
    typed = [BM, "optimizer.lerning_rate=1e-3", "net.layers.0.hidden.units=abc"]
    process = command(*typed)
    result = answer(*typed)
    assert (process.returncode, process.stdout, process.stderr) == (result.code, result.out, result.err)
    assert list(tmp_path.iterdir()) == []


def test_the_full_traceback_is_there_for_who_wants_it(command):
    process = command("model=bm1927", HYDRA_FULL_ERROR="1")
    assert process.returncode == 1
    assert "Traceback" in process.stderr
    assert str(ROOT / "deqn") in process.stderr


def test_a_function_of_the_model_that_fails_after_training_is_one_message_with_its_line(answer, tmp_path):
    hooks = "def closing_lines(run):\n    return [1 / 0]\n"
    folder = own_model(tmp_path / "models", Hooks=hooks)
    ended = answer(*TINY, "run.N_episodes=1", "MODEL_NAME=mine", f"MODELS_DIR={folder}", "hydra.run.dir=run")
    assert ended.code == 2
    assert "ModelError: mine/Hooks.py:2: ZeroDivisionError: division by zero" in ended.err
    assert "Absolute Euler discrepancies" in ended.out
    assert "verdict" in json.loads((tmp_path / "run" / "run.json").read_text())
    assert "Traceback" not in ended.err
