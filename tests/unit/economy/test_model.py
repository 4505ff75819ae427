"""The Model object: floating types, variables with a shape, shocks by state, compilation."""

from __future__ import annotations

import math

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.economy.probe import probe
from deqn.errors import ConfigError, ModelError
from deqn.training import loss
from deqn.training.trainer import Trainer
from tests.conftest import TINY, own_model, shipped

# -- float64 from end to end ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def double() -> deqn.Model:
    model = deqn.load_model("brock_mirman", ["run.keras_precision=float64"])
    probe(model)
    return model


def test_every_number_of_a_float64_model_is_float64(double):
    states = double.initial_states(5)
    policies = double.policy(states)
    E_t = double.E_t_gen(states, policies)
    terms = loss.terms(double, states)
    tensors = [
        states, policies, double.step(states), E_t(lambda s, p: s[..., 0]), terms.loss, *terms.residuals.values(),
        *double.network.parameters(), *double.network.buffers(), double.Definitions.C(states, policies),
    ]  # fmt: skip
    assert {t.dtype for t in tensors} == {torch.float64}


def test_shock_nodes_of_a_float64_model_are_not_rounded(double):
    """Five nodes of a normal: the largest is sigma * 2.8569700138728056."""
    largest = double.expectations.dynamics.shock_values.max().item()
    assert largest == pytest.approx(0.04 * 2.8569700138728056, rel=1e-14)


def test_simulated_states_of_a_float64_model_are_no_rounded_float32_numbers(double):
    states = double.step(double.step(double.initial_states(50)))
    assert (states != states.float().double()).all()


def test_an_expectation_of_a_float64_model_is_exact_to_rounding(double):
    """E[z'] = rho z."""
    states = double.initial_states(50)
    E_t = double.E_t_gen(states, double.policy(states))
    expected = 0.9 * double.State.z(states)
    torch.testing.assert_close(E_t(lambda s, p: double.State.z(s)), expected, rtol=1e-13, atol=1e-15)


def test_training_in_float64_keeps_optimizer_and_states_in_float64():
    model = deqn.Model(compose([*TINY, "run.keras_precision=float64", "run.N_episodes=1"]).config)
    trainer = Trainer(model)
    trainer.fit()
    moments = [s["exp_avg"] for s in trainer.state.optimizer.state.values()]
    assert {t.dtype for t in (*moments, trainer.state.starting_state)} == {torch.float64}


def test_a_float64_model_leaves_the_default_type_of_the_process_alone(double):
    probe(double)
    double.equations(double.initial_states(3), double.policy(double.initial_states(3)))
    assert torch.get_default_dtype() == torch.float32


# -- names ------------------------------------------------------------------------------------------------------------


def test_parameters_carry_what_the_tensorflow_library_has_there():
    model = deqn.load_model("brock_mirman", ["run.expectation_pseudo_draws=3"])
    p = model.Parameters
    assert (p.states, p.policy_states, p.definitions) == (["K", "z"], ["s"], ["Y", "I", "C", "K_next", "R"])
    assert (p.expectation_type, p.expectation_pseudo_draws, p.MODEL_NAME) == ("product", 3, "brock_mirman")
    assert p.policy_bounds_hard["lower"] == {"s": 0.01}
    assert p.policy_bounds_hard["penalty_upper"]["s"] == pytest.approx(1 / 0.99**2)
    states = model.initial_states(4)
    assert torch.equal(p.policy(states), model.policy(states))
    assert p.initialize_states(9).shape == (9, 2)


def test_a_policy_can_be_asked_for_at_any_state():
    model = deqn.load_model("brock_mirman")
    states = model.initial_states(4)
    torch.testing.assert_close(model.PolicyState.s_POLICY_FROM_STATE(states), model.PolicyState.s(model.policy(states)))


def test_a_model_file_cannot_change_a_constant(tmp_path):
    models = own_model(
        tmp_path, Definitions="import Parameters\nParameters.beta = 1\n" + shipped("brock_mirman", "Definitions")
    )
    with pytest.raises(ModelError, match=r"Definitions.py:2: AttributeError: Parameters is read-only"):
        deqn.load_model("brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={models}"])


def test_inside_definitions_calls_are_raw_and_outside_they_are_bounded(tmp_path):
    """C calls Y without its bound; the top-level Definitions.Y has it."""
    bounded = "variables.definitions.0={name: Y, bounds: {lower: 50.0}}"
    model = deqn.load_model("brock_mirman", [bounded])
    states, policies = model.initial_states(3), torch.full((3, 1), 0.5)
    assert (model.Definitions.Y(states, policies) == 50).all()
    torch.testing.assert_close(model.Definitions.C(states, policies), 0.5 * model.Definitions.Y_RAW(states, policies))


# -- initial states ---------------------------------------------------------------------------------------------------


def test_initial_states_follow_their_distributions():
    """Uniform on half to twice the steady state, (alpha beta) ** (1 / (1 - alpha)); normal with sigma / sqrt(1 - rho**2)."""
    states = deqn.load_model("brock_mirman").initial_states(20_000)
    K, z = states.unbind(-1)
    steady_state = (0.36 * 0.96) ** (1 / 0.64)
    assert K.min().item() == pytest.approx(0.5 * steady_state, rel=0.01)
    assert K.max().item() == pytest.approx(2.0 * steady_state, rel=0.01)
    assert z.std().item() == pytest.approx(0.04 / 0.19**0.5, rel=0.03)


def test_a_state_without_a_distribution_starts_at_one():
    states = deqn.load_model("brock_mirman", ["variables.states.0.init=null"]).initial_states(5)
    assert states[:, 0].tolist() == [1.0] * 5


def test_a_distribution_can_name_a_constant():
    override = "variables.states.0.init={distribution: constant, kwargs: {value: alpha}}"
    assert deqn.load_model("brock_mirman", [override]).initial_states(2)[:, 0].tolist() == pytest.approx([0.36] * 2)


# -- a model with shapes, a calibration and probabilities that depend on the state -------------------------------------

SHAPES = {
    "Calibration": """
import numpy as np


def calibrate(constants):
    return {"grid": np.linspace(0.0, 1.0, constants["n"]), "mean": 0.5}
""",
    "Definitions": """
import Parameters
import PolicyState
import State


def total(state, policy_state):
    return (State.mass(state) * Parameters.grid).sum((-1, -2))


def consumption(state, policy_state):
    return PolicyState.c(policy_state)
""",
    "Dynamics": """
import Parameters
import State
import torch


def shock_probs(state, policy_state):
    p = State.p(state)
    return torch.stack([p, 1 - p], dim=-1)


shock_values = torch.tensor([[0.5], [2.0]])


def step(state, shock):
    mass = State.mass(state).flip(-2) * shock[..., None, None]
    return State.update(state, "mass", mass)


def total_step_spec_shock(prev_state, policy_state, shock_index):
    return step(prev_state, shock_values[shock_index, 0])


def total_step_random(prev_state, policy_state):
    index = Parameters.rng.categorical(shock_probs(prev_state, policy_state))
    return step(prev_state, shock_values[index, 0])
""",
    "Equations": """
import Definitions
import PolicyState
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    mean = E_t(lambda s, p: State.mass(s))
    return {"grid": PolicyState.c(policy_state) - mean,
            "total": PolicyState.price(policy_state) - E_t(lambda s, p: Definitions.total(s, p))}
""",
}
VARIABLES = (
    "variables={states: [{name: mass, shape: [2, 4], init: {distribution: uniform, kwargs: {minval: 0.1, maxval: 1.0}}},"
    "{name: p, init: {distribution: uniform, kwargs: {minval: 0.2, maxval: 0.8}}}],"
    "policies: [{name: c, shape: [2, 4], activation: softplus}, {name: price}],"
    "definitions: [{name: total}, {name: consumption, bounds: {lower: 0.01}}]}"
)


@pytest.fixture(scope="module")
def shaped(tmp_path_factory) -> deqn.Model:
    folder = tmp_path_factory.mktemp("shapes")
    model = folder / "models" / "shapes"
    model.mkdir(parents=True)
    for name, text in SHAPES.items():
        (model / f"{name}.py").write_text(text)
    config = folder / "config"
    (config / "variables").mkdir(parents=True)
    (config / "constants").mkdir()
    import yaml

    text = VARIABLES.removeprefix("variables=").replace(",", ", ")
    (config / "variables" / "shapes.yaml").write_text(yaml.safe_dump(yaml.safe_load(text)))
    (config / "constants" / "shapes.yaml").write_text("n: 4\n")
    overrides = ["MODEL_NAME=shapes", "variables=shapes", "constants=shapes", f"MODELS_DIR={folder / 'models'}",
                 "net=brock_mirman", "run=brock_mirman"]  # fmt: skip
    result = deqn.Model(compose(overrides, config_dir=config).config)
    probe(result)
    return result


def test_a_variable_with_a_shape_takes_as_many_columns_as_it_has_entries(shaped):
    assert (shaped.n_states, shaped.n_policies) == (9, 9)
    assert shaped.PolicyState.c(shaped.policy(shaped.initial_states(3))).shape == (3, 2, 4)


def test_state_dependent_probabilities_weigh_the_nodes_of_each_state(shaped):
    """E mass' = (p / 2 + 2 (1 - p)) flip(mass)."""
    states = shaped.initial_states(6)
    E_t = shaped.E_t_gen(states, shaped.policy(states))
    p = shaped.State.p(states)[:, None, None]
    expected = (0.5 * p + 2 * (1 - p)) * shaped.State.mass(states).flip(-2)
    torch.testing.assert_close(E_t(lambda s, q: shaped.State.mass(s)), expected)


def test_expectations_of_shapes_are_evaluated_on_all_nodes_at_once(shaped):
    """shock_values[shock_index, 0] and [..., None, None] work for one index and for the indices of all nodes."""
    assert shaped.expectations.stacked_function
    assert shaped.expectations.stacked_step


def test_a_residual_with_a_shape_trains(shaped):
    terms = loss.terms(shaped, shaped.initial_states(6))
    assert terms.residuals["grid"].shape == (6, 2, 4)
    gradients = torch.autograd.grad(terms.loss, list(shaped.network.parameters()))
    assert all(g.abs().sum() > 0 for g in gradients)


def test_a_calibration_gives_tensors_of_the_models_type(shaped):
    assert shaped.Parameters.grid.dtype == torch.float32
    assert shaped.Parameters.grid.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert shaped.Parameters.mean == 0.5


def test_a_stored_calibration_is_used_as_it_is(shaped):
    again = deqn.Model(shaped.config, calibration={"grid": torch.zeros(4), "mean": 7.0})
    assert again.Parameters.mean == 7.0


def test_a_calibration_that_fails_is_named(shaped, tmp_path):
    models = own_model(tmp_path, Calibration="def calibrate(constants):\n    return {'x': 1 / 0}\n")
    with pytest.raises(ModelError, match=r"mine/Calibration.py:2: calibrate\(\) failed: ZeroDivisionError"):
        deqn.load_model("brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={models}"])


# -- devices ----------------------------------------------------------------------------------------------------------


def test_auto_is_the_gpu_where_there_is_one():
    assert deqn.load_model("bm1972").device.type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_that_is_no_device_of_ours_is_refused():
    with pytest.raises(ConfigError, match="expected auto, cpu, cuda"):
        deqn.load_model("bm1972", ["device=meta"])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_an_episode_on_the_gpu_stays_there():
    trainer = Trainer(deqn.Model(compose([*TINY, "device=cuda", "run.N_episodes=2"]).config))
    trainer.fit()
    assert trainer.state.starting_state.is_cuda
    assert math.isfinite(trainer._last.loss.item())


# -- compilation ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_loss_and_step_compile_to_one_graph_with_the_same_draws():
    model = deqn.load_model("brock_mirman", ["net.layers.0.hidden.units=4", "net.layers.1.hidden.units=4"])
    probe(model)
    states = model.initial_states(8)
    torch._dynamo.reset()
    compiled = torch.compile(loss.terms, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(model, states).loss, loss.terms(model, states).loss)

    step = torch.compile(model.step, fullgraph=True, backend="aot_eager")
    start = model.rng.get_state()
    eager = [model.step(states), model.step(states)]
    model.rng.set_state(start)
    drawn = [step(states), step(states)]
    torch.testing.assert_close(drawn, eager)
    assert not torch.equal(eager[0], eager[1])


SMOOTH = """
import torch

import Parameters


def smooth(x):
    return Parameters.alpha * torch.tanh(x)


number = 3
"""


def of_its_own(folder, *overrides: str) -> deqn.Model:
    from tests.conftest import own_model

    models = own_model(folder / "models", Activations=SMOOTH)
    return deqn.load_model("brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={models}", *overrides])


def test_an_activation_may_lie_in_the_folder_of_the_model(tmp_path):
    model = of_its_own(
        tmp_path,
        "variables.policies.0.activation=Activations.smooth",
        "net.layers.0.hidden.activation=Activations.smooth",
    )
    policies = model.policy(1e3 * model.initial_states(500))
    assert 0 < policies.abs().max() <= model.Parameters.alpha


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Activations.smoth", r"policies\[0\] 's'.activation = 'Activations.smoth': .* Did you mean smooth\?"),
        ("Activations.number", "is int, expected a function of a tensor"),
        ("smooth", "or Activations.my_function, which Activations.py of the model's folder"),
    ],
)
def test_an_activation_that_is_not_in_the_folder_of_the_model_is_named(tmp_path, name, message):
    with pytest.raises(deqn.ConfigError, match=message):
        of_its_own(tmp_path, f"variables.policies.0.activation={name}")


def test_an_activation_of_a_model_without_activations_is_refused_with_the_file():
    with pytest.raises(deqn.ConfigError, match=r"net.layers\[0\].hidden.activation .* there is no .*Activations.py"):
        deqn.load_model("brock_mirman", ["net.layers.0.hidden.activation=Activations.smooth"])


# -- constants that are lists -----------------------------------------------------------------------------------------

LISTS = ["+constants.p=[0.25,0.75]", "+constants.P=[[0.9,0.1],[0.4,0.6]]", "+constants.n=[2,3]", "+constants.names=[a,b]",
         "+constants.mixed=[1,a]", "+constants.ragged=[[1],[1,2]]", "+constants.none=[]"]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_list_of_numbers_is_a_tensor_of_the_run(dtype):
    p = deqn.load_model("brock_mirman", [*LISTS, f"run.keras_precision={dtype}"]).Parameters
    assert torch.equal(p.p, torch.tensor([0.25, 0.75], dtype=getattr(torch, dtype)))
    assert torch.equal(p.p @ p.P, torch.tensor([[0.9, 0.1], [0.4, 0.6]], dtype=p.p.dtype).T @ p.p)
    assert (len(p.P), float(p.P[1, 0]), [float(x) for x in p.p]) == (2, pytest.approx(0.4), [0.25, 0.75])
    assert (p.n.dtype, list(range(p.n[0])), torch.zeros(*p.n).shape) == (torch.int64, [0, 1], (2, 3))


def test_lists_of_other_things_stay_lists():
    p = deqn.load_model("brock_mirman", LISTS).Parameters
    assert (p.names, p.mixed, p.ragged, p.none) == (["a", "b"], [1, "a"], [[1], [1, 2]], [])


def test_calibration_gets_lists_as_they_are_written(tmp_path):
    text = shipped("brock_mirman", "Calibration").replace(
        "return {", "assert constants['p'] == [0.25, 0.75]\n    return {"
    )
    folder = own_model(tmp_path, Calibration=text)
    deqn.load_model("brock_mirman", ["+constants.p=[0.25,0.75]", f"MODELS_DIR={folder}", "MODEL_NAME=mine"])


def test_a_list_may_be_drawn_from_and_may_be_the_place_of_a_policy():
    overrides = [
        "model=brock_mirman", "+constants.ks=[0.1,0.2]", "+constants.s0=[0.3,0.4]", "+variables.policies.0.around=s0",
        "variables.states.0.init={distribution: choice, kwargs: {values: ks}}", "+variables.policies.0.shape=[2]",
        "net.layers.2.output.init_scale=1e-9",
    ]  # fmt: skip
    model = deqn.Model(compose(overrides).config)
    states = model.initial_states(50)
    assert set(model.State.K(states).tolist()) == set(torch.tensor([0.1, 0.2]).tolist())
    assert model.policy(states)[0].tolist() == pytest.approx([0.3, 0.4], abs=1e-3)


def test_in_a_folder_for_tensorflow_a_list_stays_the_list_that_it_is_there(tmp_path):
    definitions = "import tensorflow as tf\n" + shipped("brock_mirman", "Definitions")
    folder = own_model(tmp_path, Definitions=definitions)
    p = deqn.load_model("brock_mirman", ["+constants.p=[1,2]", f"MODELS_DIR={folder}", "MODEL_NAME=mine"]).Parameters
    assert p.p == [1, 2]
