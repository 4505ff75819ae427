"""What every folder of models/ keeps to."""

from __future__ import annotations

import json
import tokenize

import pytest
import torch

import deqn
from deqn import shipped
from deqn.configuration.compose import compose
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from deqn.numerics.expectations import Expectations
from deqn.training import loss
from deqn.training.trainer import Trainer
from tests.conftest import ROOT

MODELS = sorted(path.parent.name for path in (ROOT / "models").glob("*/Equations.py"))
# a small run; a model of many states is simulated on few trajectories
SMALL = ["run.N_sim_batch=8", "run.N_episode_length=2", "run.N_minibatch_size=8", "run.N_episodes=1"]


@pytest.fixture(scope="module", params=MODELS)
def model(request) -> deqn.Model:
    return deqn.load_model(request.param, SMALL, check=False)


@pytest.fixture(scope="module")
def report(model):
    return probe(model)


@pytest.fixture
def states(model, report) -> torch.Tensor:
    """Ten simulated states `[10, n_states]`."""
    with model.context():
        states = model.initial_states(10)
        return model.step(model.step(states))


def test_it_has_the_files_of_a_model_and_its_configuration(model):
    for file in ("Definitions", "Dynamics", "Equations", "Hooks"):
        assert (model.folder / f"{file}.py").is_file()
    for group in ("model", "constants", "net", "optimizer", "run", "variables"):
        assert (shipped.CONFIG / group / f"{model.name}.yaml").is_file()


def test_every_file_says_what_it_is(model):
    for path in model.folder.glob("*.py"):
        with path.open("rb") as file:
            first = next(
                t for t in tokenize.tokenize(file.readline) if t.type not in (tokenize.ENCODING, tokenize.COMMENT)
            )
        assert first.type == tokenize.STRING, f"{path} has no docstring"


def test_the_probe_passes_and_names_the_equations(model, report):
    with model.context():
        states = model.initial_states(3)
        assert set(report.equations) == set(model.equations(states, model.policy(states)))


def test_expectations_are_evaluated_on_all_nodes_at_once(model, report):
    """Our own models use the fast way."""
    assert model.expectations.stacked_step
    assert model.expectations.stacked_function


def test_stacked_expectations_equal_one_node_after_the_other(model, states):
    expectations: Expectations = model.expectations
    before = expectations.stacked_step, expectations.stacked_function
    results = []
    with model.context(), torch.no_grad():
        for switch in (True, False):
            expectations.stacked_step = expectations.stacked_function = switch
            results.append(model.equations(states, model.policy(states)))
    expectations.stacked_step, expectations.stacked_function = before
    for name, residual in results[0].items():
        torch.testing.assert_close(residual, results[1][name], rtol=1e-4, atol=1e-5)


def test_probabilities_sum_to_one(model, states):
    with model.context():
        total = model.expectations.probabilities(states, model.policy(states)).sum(0)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_the_expectation_of_a_constant_is_the_constant(model, states):
    with model.context():
        E_t = model.E_t_gen(states, model.policy(states))
        torch.testing.assert_close(E_t(lambda s, p: 2.5), torch.full((10,), 2.5))


def test_residuals_and_loss_are_finite(model, states):
    with model.context():
        terms = loss.terms(model, states)
    for name, residual in terms.residuals.items():
        assert torch.isfinite(residual).all(), name
    assert torch.isfinite(terms.loss)


def test_every_parameter_of_the_network_gets_a_finite_gradient(model, states):
    with model.context():
        value = loss.terms(model, states).loss
    for gradient in torch.autograd.grad(value, list(model.network.parameters())):
        assert torch.isfinite(gradient).all()


def test_every_definition_is_finite_one_value_a_state(model, states):
    with model.context():
        policies = model.policy(states)
        for name in model.definition_bounds:
            value = torch.as_tensor(getattr(model.Definitions, name)(states, policies))
            assert value.ndim == 0 or value.shape[0] == 10, name
            assert torch.isfinite(value).all(), name


def test_a_simulated_period_keeps_shape_type_and_gradient_away(model, states):
    with model.context():
        following = model.step(states)
    assert following.shape == states.shape
    assert following.dtype == model.dtype
    assert not following.requires_grad
    assert torch.isfinite(following).all()


def test_without_shocks_two_simulations_are_the_same(model, states):
    model.Globals.DISABLE_SHOCKS = True
    try:
        with model.context():
            generator = model.rng.get_state()
            one, other = model.step(states), model.step(states)
            assert torch.equal(one, other)
            assert torch.equal(model.rng.get_state(), generator)
    finally:
        model.Globals.DISABLE_SHOCKS = False


def test_with_shocks_two_simulations_differ(model, report, states):
    ends = []
    for _ in range(2):
        state = states
        for _ in range(20):
            state = model.step(state)
        ends.append(state)
    assert torch.equal(*ends) == (report.nodes == 1)


def test_one_episode_trains_every_parameter_to_something_finite(model, report, tmp_path):
    fresh = deqn.load_model(model.name, SMALL)
    trainer = Trainer(fresh, RunFolder(tmp_path))
    before = [p.detach().clone() for p in fresh.network.parameters()]
    trainer.fit()
    changed = [not torch.equal(p, b) for p, b in zip(fresh.network.parameters(), before, strict=True)]
    assert all(torch.isfinite(p).all() for p in fresh.network.parameters())
    assert any(changed)
    assert (tmp_path / "ckpt" / "ckpt-1.pt").is_file()


def test_the_hook_takes_the_state_and_the_episode(model, states, tmp_path):
    class Summary:
        """Accepts what a TensorBoard writer accepts."""

        def __getattr__(self, name):
            return lambda *args, **kwargs: None

    model.set_run(LOG_DIR=str(tmp_path), summary=Summary(), starting_state=states)
    with model.context(), torch.no_grad():
        (model.cycle_hook or (lambda state, i: None))(states, 1)


def test_its_residuals_are_float64_where_that_is_asked(model):
    double = deqn.load_model(model.name, [*SMALL, "run.keras_precision=float64"])
    with double.context():
        states = double.step(double.initial_states(3))
        residuals = double.equations(states, double.policy(states))
    assert {states.dtype, *(r.dtype for r in residuals.values())} == {torch.float64}


def test_its_configuration_is_plain(model):
    """So that it can be stored in run.json and hashed."""
    tree = compose([f"model={model.name}"]).config.model_dump()
    assert json.loads(json.dumps(tree)) == tree
