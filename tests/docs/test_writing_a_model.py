"""docs/tutorials/writing_a_model.md is complete: its files, commands and messages are what a reader gets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import deqn
from deqn.economy.probe import probe
from tests.docs.blocks import ROOT, blocks, commands, is_training, python, shell, shown, without_numbers, write

PAGE = ROOT / "docs" / "tutorials" / "writing_a_model.md"

# what a reader does wrong: overrides, or (file, text, wrong text); and the message
MISTAKES = {
    "a key that does not exist": (
        "growth", ["run.N_minibatch_sise=64"], "run.N_minibatch_sise is not a field of run. Did you mean N_minibatch_size?",
    ),
    "a constant that does not exist": (
        "growth", ["constants.betta=0.9"], "constants.betta=0.9: there is no constant 'betta'. Did you mean beta?",
    ),
    "a minibatch larger than the episode": (
        "growth", ["run.N_minibatch_size=5000"],
        "run.N_minibatch_size = 5000 exceeds one episode (N_sim_batch 128 x N_episode_length 20 = 2560 states): no step would "
        "be taken.",
    ),
    "an argument of a distribution": (
        "growth", ("my_config/variables/growth.yaml", "minval: 0.03", "minvall: 0.03"),
        "variables.states[0] 'K'.init.kwargs: 'minvall' is unknown for uniform(minval, maxval). Did you mean minval?",
    ),
    "a bound of zero": (
        "growth", ("my_config/variables/growth.yaml", "lower: 0.05, penalty_lower: 100.0", "lower: 0.0"),
        "variables.policies[1] 'N': bounds.lower is 0, so the default penalty 1/bound**2 is infinite. Set bounds.penalty_lower.",
    ),
    "a state that does not exist": (
        "growth", ("my_models/growth/Definitions.py", "/ State.K(state)", "/ State.k(state)"),
        "State has no 'k'. Did you mean K?",
    ),
    "a parameter that does not exist": (
        "growth", ("my_models/growth/Definitions.py", "/ State.K(state)", "/ State.K(state) - Parameters.delta"),
        "Parameters has no 'delta'. Did you mean beta? constants has: alpha, beta, psi, rho, sigma.",
    ),
    "Python's math under torch's name": (
        "growth", ("my_models/growth/Definitions.py", "torch.exp", "torch.math.exp"),
        "torch.math is Python's math module: it takes one number and cuts the gradient. Write torch.exp, torch.log, ... instead.",
    ),
    "a definition that is missing": (
        "growth", ("my_models/growth/Definitions.py", "def C(", "def c("),
        "C(state, policy_state) is missing. Did you mean c?",
    ),
    "a column mixed with [batch, 1]": (
        "growth", ("my_models/growth/Equations.py", "(wage * (1 - N))", "(wage * (1 - N))[:, None]"),
        "equations() returned 'hours' with shape [7, 7], expected [7] for 7 states. A column [batch] and a [batch, 1] tensor "
        "were mixed: index the last dimension, x[..., 0].",
    ),
    "an equation without a gradient": (
        "growth", ("my_models/growth/Equations.py", "C / (wage * (1 - N))", "C.detach() / (wage * (1 - N)).detach()"),
        "equations() returned 'hours', which does not depend on any policy: no gradient reaches the network.",
    ),
    "an expectation of a number": (
        "growth", ("my_models/growth/Equations.py", "lambda s, p: Definitions.R(s, p) * C / Definitions.C(s, p)", "C"),
        "E_t takes a function of next period's state and policy, E_t(lambda s, p: ...); it got a Tensor.",
    ),
    "a definition without return": (
        "growth", ("my_models/growth/Definitions.py", "return Parameters.alpha * Y", "Parameters.alpha * Y"),
        "definition 'R' is NoneType, expected a tensor or a number. Is its `return` missing?",
    ),
    "probabilities that do not sum to one": (
        "islands", ("my_models/islands/Dynamics.py", "return torch.stack", "return 0.7 * torch.stack"),
        "shock_probs sums to 0.7, not 1.",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the files of the page."""
    folder = tmp_path_factory.mktemp("reader")
    for block in blocks(PAGE):
        if block.file and not block.variant:
            write(block, folder)
    return folder


@pytest.fixture(scope="module")
def results(folder) -> dict[str, subprocess.CompletedProcess[str]]:
    """Every command of the page run in order, with two episodes where it trains."""
    lines = [line for block in blocks(PAGE) if block.language == "shell" for line in commands(block)]
    return {line: shell(line, folder, "run.N_episodes=2" if is_training(line) else "") for line in lines}


def test_every_command_of_the_page_succeeds(results):
    assert len(results) > 5
    failed = {line: result.stdout + result.stderr for line, result in results.items() if result.returncode}
    assert not failed


def test_check_passes_and_writes_nothing(results):
    checks = [result for line, result in results.items() if line.startswith("deqn check")]
    assert checks
    assert all(result.stdout.endswith("check passed: nothing was trained or written\n") for result in checks)


def test_the_outputs_of_the_page_are_those_that_are_printed(results):
    lines = shown(PAGE)
    assert len(lines) > 15
    assert not lines - without_numbers("".join(result.stdout for result in results.values()))


def test_hooks_and_post_process_of_the_page_speak(results):
    said = "".join(result.stdout for result in results.values())
    assert "states (ergodic cloud): |s - exact| mean" in said
    assert "capital on the simulated states: mean 0." in said
    assert "largest distance to alpha * beta" in said


def test_post_processing_draws_the_figure_of_the_page(results, folder):
    assert list(folder.glob("runs/islands/first/post/*/savings.png"))


def test_python_of_the_page_runs(results, folder):
    (code,) = [block.text for block in blocks(PAGE) if block.language == "python" and not block.file]
    result = python(code, folder)
    assert result.returncode == 0, result.stderr


def test_variants_of_the_page_pass_the_check(folder, tmp_path):
    shutil.copytree(folder / "my_models", tmp_path / "my_models")
    shutil.copytree(folder / "my_config", tmp_path / "my_config")
    variants = [block for block in blocks(PAGE) if block.variant]
    assert variants
    for block in variants:
        write(block, tmp_path)
    for model, says in (
        ("growth", "check passed"),
        ("islands_iid", "built on islands/Definitions.py with Y of islands_iid"),
    ):
        result = shell(f"deqn check --config-dir my_config model={model}", tmp_path)
        assert result.returncode == 0, result.stderr
        assert says in result.stdout


def test_the_hook_of_the_page_that_sets_a_bias_lets_hours_start_at_a_third(folder, tmp_path):
    shutil.copytree(folder / "my_models", tmp_path / "my_models")
    for block in blocks(PAGE):
        if block.variant and block.file == "my_models/growth/Hooks.py":
            write(block, tmp_path)
    model = deqn.load_model("growth", [f"MODELS_DIR={tmp_path / 'my_models'}"], config_dir=folder / "my_config")
    model.run_post_init()
    hours = model.PolicyState.N(model.policy(model.initial_states(200)))
    assert (hours - 1 / 3).abs().max() < 0.03


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_the_message_of_the_page(mistake, folder, tmp_path):
    model, change, message = MISTAKES[mistake]
    assert message in PAGE.read_text(encoding="utf-8")
    overrides = [f"MODELS_DIR={tmp_path / 'my_models'}"]
    for name in ("my_models", "my_config"):
        shutil.copytree(folder / name, tmp_path / name)
    if isinstance(change, list):
        overrides += change
    else:
        file, right, wrong = change
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert right in text
        (tmp_path / file).write_text(text.replace(right, wrong), encoding="utf-8")
    with pytest.raises(deqn.DEQNError) as error:
        probe(deqn.load_model(model, overrides, config_dir=tmp_path / "my_config"))
    assert message in str(error.value)


def test_short_training_moves_towards_the_closed_form(folder, tmp_path):
    """Ten episodes: the savings rate is nearer to alpha * beta than at the start."""
    overrides = [f"MODELS_DIR={folder / 'my_models'}", "run.N_episodes=10", "optimizer.learning_rate_schedule=null"]
    model = deqn.load_model("growth", [*overrides, "optimizer.schedule_kwargs={}"], config_dir=folder / "my_config")
    states = model.initial_states(100)
    solution = model.Parameters.alpha * model.Parameters.beta

    def distance() -> float:
        return float((model.PolicyState.s(model.policy(states)) - solution).abs().mean().detach())

    model.set_run(summary=None)
    before = distance()
    deqn.Trainer(model).fit()
    assert distance() < 0.2 * before
