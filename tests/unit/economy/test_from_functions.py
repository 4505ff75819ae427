"""Functions become a model folder that trains like any other, and what a folder would not have is refused by its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import deqn
from deqn.analysis.trained import Trained
from deqn.configuration.words import about_constants, about_variables
from deqn.economy.function_text import names_used
from tests.conftest import ROOT

ALPHA = 0.36
half = torch.tensor(0.5)


def output(state, policy_state):
    """Output."""
    return torch.exp(State.z(state)) * State.K(state) ** Parameters.alpha  # noqa: F821


def C(state, policy_state):
    return (1 - PolicyState.s(policy_state)) * output(state, policy_state)  # noqa: F821


def K_next(state, policy_state):
    return PolicyState.s(policy_state) * output(state, policy_state)  # noqa: F821


def gross_return(state, policy_state):
    return Parameters.alpha * output(state, policy_state) / State.K(state)  # noqa: F821


def ratio(a, b):
    return a / b


def euler_equation(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)  # noqa: F821
    now = C(state, policy_state)
    return {
        "euler": 1 - Parameters.beta * E_t(lambda s, p: ratio(Definitions.R(s, p) * now, Definitions.C(s, p)))  # noqa: F821
    }


def consumption_gap(state, policy_state):
    """The Euler equation as a relative error of consumption."""
    asked = 1 - euler_equation(state, policy_state)["euler"]
    return {"euler": ratio(1, asked) - 1}


def smooth(x):
    return torch.log(ratio(1 + x**2, 2))


def up_to_alpha(x):
    return Parameters.alpha * torch.sigmoid(x)  # noqa: F821


def next_state(state, policy_state, eps):
    K = K_next(state, policy_state)
    return State.update_dict(state, {"K": K, "z": Parameters.rho * State.z(state) + eps})  # noqa: F821


def without_risk(state, policy_state):
    return State.update(state, "K", K_next(state, policy_state))  # noqa: F821


def closed_form(state):
    return {"s": Parameters.alpha * Parameters.beta}  # noqa: F821


GROWTH = {
    "states": {"K": (0.05, 0.3), "z": (-0.1, 0.1)},
    "policies": {"s": (0.01, 0.99)},
    "constants": {"alpha": 0.36, "beta": 0.96, "rho": 0.9, "sigma": 0.02},
    "definitions": {"C": C, "K_next": K_next, "R": gross_return},
    "equations": euler_equation,
    "next_state": next_state,
    "shocks": {"eps": "sigma"},
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_equations_vanish_at_the_closed_form():
    savings = GROWTH["constants"]["alpha"] * GROWTH["constants"]["beta"]
    model = deqn.model_from("island", **GROWTH | {"policies": {"s": (savings - 1e-6, savings + 1e-6)}})
    states = model.initial_states(50)
    assert model.equations(states, model.policy(states))["euler"].abs().max() < 5e-6
    assert model.expectations.stacked_step  # all nodes at once, as the models of the catalogue


def test_two_shocks_have_their_own_standard_deviations():
    def law(state, policy_state, eps, eta):
        return State.update_dict(state, {"K": State.K(state) + eta, "z": State.z(state) + eps})  # noqa: F821

    model = deqn.model_from("two", **GROWTH | {"next_state": law, "shocks": {"eps": "sigma", "eta": 0.005}})
    states = torch.tensor([[1.0, 0.0]]).expand(20_000, 2)
    moved = model.step(states) - states
    assert moved.std(0).tolist() == pytest.approx([0.005, 0.02], rel=0.03)
    E_t = model.E_t_gen(states[:2], model.policy(states[:2]))
    variance = E_t(lambda s, p: model.State.K(s) ** 2) - 1.0
    assert variance.tolist() == pytest.approx([0.005**2] * 2, rel=1e-2)


def test_without_shocks_there_is_one_node():
    model = deqn.model_from("calm", **GROWTH | {"next_state": without_risk, "shocks": None})
    states = model.initial_states(4)
    assert torch.equal(model.step(states)[:, 1], states[:, 1])


def test_the_model_trains_and_the_run_resumes_from_python(tmp_path):
    model = deqn.model_from("island", **GROWTH, hooks=[closed_form])
    run = deqn.train(model, ["run.N_episodes=2", "run.N_sim_batch=64"], folder=tmp_path / "first")
    assert run.episode == 2
    assert run.policy_error_table()  # of the hook
    assert deqn.resume(tmp_path / "first", ["run.N_episodes=3"]).episode == 3
    assert run.model.folder == (tmp_path / "island/models/island").resolve()


def test_residuals_without_a_unit_are_those_of_the_function(tmp_path):
    model = deqn.model_from("island", **GROWTH, unit_free=consumption_gap)
    run = Trained(model, tmp_path, states := model.initial_states(20))
    torch.testing.assert_close(run.unit_free(states)["euler"], 1 / (1 - run.residuals(states)["euler"]) - 1)
    written = Path("island/models/island/Equations.py").read_text()
    assert written.count("def euler_equation(") == 1  # which both functions use
    assert written.count("def ratio(") == 1


def test_what_names_mean_is_written_beside_them():
    about = {"K": "capital [goods]", "C": "consumption", "s": "savings rate", "beta": "discount factor [1/year]"}
    config = deqn.model_from("island", **GROWTH, about=about).config
    assert about_variables(config) | about_constants(config) == about
    assert "about" not in config.constants


def test_policies_and_layers_may_have_activations_of_the_notebook():
    own = {
        "activations": {"smooth": smooth, "capped": up_to_alpha},
        "policies": {"s": {"activation": "Activations.capped"}},
        "net": {"layers": [{"hidden": {"units": 8, "activation": "Activations.smooth"}}, {"output": {}}]},
    }
    model = deqn.model_from("island", **GROWTH | own)
    states = 1e3 * model.initial_states(500)
    shares = model.policy(states)
    assert 0 < shares.min() < shares.max() <= model.Parameters.alpha
    weights = list(model.network.parameters())
    hidden = smooth(states @ weights[0].T + weights[1])
    torch.testing.assert_close(shares, model.Parameters.alpha * torch.sigmoid(hidden @ weights[2].T + weights[3]))


def test_an_activation_that_is_not_given_is_named():
    with pytest.raises(deqn.ConfigError, match=r"has no 'cappd'. Did you mean capped"):
        deqn.model_from(
            "island",
            **GROWTH | {"policies": {"s": {"activation": "Activations.cappd"}}},
            activations={"capped": up_to_alpha},
        )


def test_what_is_written_needs_nothing_of_the_file_it_comes_from():
    """In a process of its own, functions in the file that is run."""
    program = (ROOT / "tests/unit/economy/test_from_functions.py").read_text()
    program = program.split("@pytest.fixture")[0].replace("from tests.conftest import ROOT\n", "")
    Path("economy.py").write_text(f"{program}\ndeqn.model_from('island', **GROWTH)\n")
    subprocess.run([sys.executable, "economy.py"], check=True, env={"PYTHONPATH": str(ROOT)})
    written = Path("island/models/island/Equations.py").read_text()
    assert "def ratio(a, b):" in written
    assert "equations = euler_equation" in written
    assert "economy" not in written
    Path("economy.py").unlink()
    command = [sys.executable, "-m", "deqn", "check", "--config-dir", "island/config", "model=island"]
    assert subprocess.run(command, env={"PYTHONPATH": str(ROOT)}).returncode == 0


def test_a_second_call_overwrites_and_removes_what_the_first_one_wrote_alone():
    deqn.model_from("island", **GROWTH, hooks=[closed_form])
    hooks = Path("island/models/island/Hooks.py")
    assert hooks.is_file()
    deqn.model_from("island", **GROWTH)
    assert not hooks.is_file()
    equations = Path("island/models/island/Equations.py")
    equations.write_text("".join(equations.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(deqn.ConfigError, match=r"Equations\.py"):
        deqn.model_from("island", **GROWTH)


def with_a_variable(state):
    return {"s": ALPHA * Parameters.beta * half}  # noqa: F821


def with_what_is_missing(state):
    return {"s": outputt(state)}  # noqa: F821


def test_variables_closures_and_lambdas_are_named_all_at_once():
    beta = 0.96

    def post_init():
        return beta

    wrong = {"hooks": [with_a_variable, post_init], "guess": with_what_is_missing, "calibrate": lambda constants: {}}
    with pytest.raises(deqn.ModelError) as raised:
        deqn.model_from("island", **GROWTH | wrong)
    text = str(raised.value)
    for part in (
        "hooks: with_a_variable is no hook",
        "with_a_variable uses the variable ALPHA (float)",
        "constants={'ALPHA': ...}. Write Parameters.ALPHA",
        "the variable half (Tensor)",
        "post_init uses beta of the function around it",
        "outputt, which is not defined. Did you mean output?",
        "calibrate is a lambda",
    ):
        assert part in text
    assert not Path("island").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shocks": {"u": "sigma"}}, r"next_state takes the shocks \(eps\), and shocks has \(u\)"),
        ({"shocks": {"eps": "sigmaa"}}, "'sigmaa', which is no constant. Did you mean sigma"),
        ({"next_state": None}, "total_step_random and total_step_spec_shock is missing"),
        ({"equations": 3}, "equations is of type int"),
        ({"policies": {"s": 0.5}}, r"given as 0.5. Expected a pair \(low, high\)"),
        ({"definition_bounds": {"c": {"lower": 0.1}}}, "definition_bounds: c: no such definition. Known: C"),
        (
            {"about": {"betta": "discount factor"}},
            "about: 'betta' is no state, policy, definition or constant. Did you mean beta",
        ),
        ({"about": {"beta": 3}}, "about: 'beta' is given as 3. Expected a text"),
        ({"constants": {"sigma": print}}, "builtin_function_or_method. Expected a number"),
        ({"states": {"K-t": (0, 1)}}, "'K-t' is no name"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(wrong, message):
    with pytest.raises(deqn.DEQNError, match=message):
        deqn.model_from("island", **GROWTH | wrong)
    assert not Path("island").exists()


def test_names_of_the_module_around_are_found_in_defaults_bases_and_inner_functions():
    text = "class A(B):\n    def f(self, x=c):\n        y = 1\n        return [d(y, i) for i in x] + [A]\n"
    assert names_used(text) == ["B", "c", "d"]
