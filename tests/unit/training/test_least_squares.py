"""deqn/training/least_squares.py: residuals of models, exact restarts, and what is refused."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.disk.checkpoint import Checkpoints
from deqn.numerics.normal_equations import linearised
from deqn.training import loss
from deqn.training.least_squares import Residuals
from tests.conftest import TINY, Listener, assert_same, own_model, shipped, train

LEAST_SQUARES = [*TINY, "optimizer=levenberg_marquardt", "net.warm_start=steady_state", "run.keras_precision=float64"]


def model(*overrides: str, name: str = "brock_mirman") -> deqn.Model:
    return deqn.load_model(name, [*LEAST_SQUARES[1:], *overrides])


@pytest.mark.parametrize(
    "variables",
    [
        [],
        # bounds that many states cross, with penalties
        ["variables.policies=[{name: s, bounds: {lower: 0.4, upper: 0.45}}]"],
    ],
)
def test_the_squares_of_the_rows_add_up_to_the_loss(variables):
    economy = model(*variables)
    states = economy.initial_states(9)
    with economy.context():
        rows = Residuals(economy)(states)
        assert float(rows.square().sum()) == pytest.approx(float(loss.terms(economy, states).loss), rel=1e-12)


def test_residuals_with_a_shape_count_as_in_the_loss():
    economy = deqn.load_model("krusell_smith", ["constants.nA=12", "run.keras_precision=float64"])
    states = economy.initial_states(3)
    with economy.context():
        rows = Residuals(economy)(states)
        assert rows.shape == (3, 36)
        assert float(rows.square().sum()) == pytest.approx(float(loss.terms(economy, states).loss), rel=1e-10)


def test_growth_is_solved_to_a_millionth_in_seconds():
    trained = train(None, *LEAST_SQUARES[1:], "run.N_episodes=8", "run.N_episode_length=10", "run.N_minibatch_size=80")
    economy = trained.model
    states = economy.initial_states(500)
    savings = economy.PolicyState.s(economy.policy(states))
    assert float((savings - 0.36 * 0.96).abs().mean()) < 1e-5


def test_six_episodes_equal_three_and_three(tmp_path):
    overrides = [*LEAST_SQUARES[1:], "run.keras_precision=float32"]
    train(tmp_path / "whole", *overrides, "run.N_episodes=6")
    train(tmp_path / "parts", *overrides, "run.N_episodes=3")
    train(tmp_path / "parts", *overrides, "run.N_episodes=6", starting_point="LATEST")
    whole, parts = (Checkpoints(tmp_path / name).load("ckpt-6")[0] for name in ("whole", "parts"))
    for key in ("policy", "optimizer", "starting_state", "rng"):
        assert_same(whole[key], parts[key])


def test_dropout_is_off_in_a_step():
    dropout = ["net.layers.1.hidden.dropout_rate=0.5"]
    with_it, without = (train(None, *LEAST_SQUARES[1:], *extra, "run.N_episodes=2") for extra in (dropout, []))
    for one, other in zip(with_it.model.network.parameters(), without.model.network.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimizer.clipvalue=1.0", "clipvalue cuts gradients"),
        ("optimizer.learning_rate_schedule=CosineDecay", "learning_rate_schedule moves a learning rate"),
        ("run.expectation_type=pseudo_random", "draws anew in each evaluation"),
        ("net.layers.1.hidden.batch_normalize={momentum: 0.9}", "batch normalisation"),
    ],
)
def test_what_does_not_go_with_least_squares_is_refused(override, words):
    with pytest.raises(deqn.ConfigError, match=words):
        deqn.Trainer(model(override))


def test_without_a_jacobian_a_network_is_trained_on_residuals_with_a_shape():
    overrides = [
        "constants.nA=12", "optimizer=levenberg_marquardt", "+optimizer.optimizer_kwargs.solver=matrix_free",
        "+optimizer.optimizer_kwargs.iterations=5", "+optimizer.optimizer_kwargs.rank=5", "run.N_sim_batch=4",
        "run.N_episode_length=2", "run.N_minibatch_size=4",
        "run.N_episodes=2",
    ]  # fmt: skip
    watcher = Listener()
    deqn.Trainer(deqn.load_model("krusell_smith", overrides), watcher=watcher).fit()
    first, last = (record.epochs[0][0] for record in watcher.records)
    assert last < 0.5 * first


@pytest.mark.parametrize("name", ["krusell_smith", "krusell_smith_1998"])
def test_the_jacobian_of_a_model_with_histograms_is_that_of_one_backward_pass_for_each_residual(name):
    economy = deqn.load_model(name, ["constants.nA=8", "run.keras_precision=float64"])
    with torch.no_grad():
        for parameter in economy.network.parameters():  # its last layer is zero at the start
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    states = economy.initial_states(2)
    with economy.context():
        rows = Residuals(economy)
        values = {key: p.detach() for key, p in rows.named_parameters()}
        found, jacobian = linearised(rows, values, states)
        graph, parameters = rows(states).flatten(), list(rows.parameters())
        exact = [torch.autograd.grad(row, parameters, retain_graph=True, materialize_grads=True) for row in graph]
    torch.testing.assert_close(found, graph.detach(), rtol=0, atol=1e-12)
    flat = torch.stack([torch.cat([part.flatten() for part in parts]) for parts in exact])
    torch.testing.assert_close(jacobian, flat, rtol=1e-9, atol=1e-12)


def test_float32_is_trained_to_the_digits_of_float64():
    """Residuals and steps in float64: what is left of the loss, evaluated in float64, is below what float32 can hold."""
    overrides = [
        "run.N_episodes=6",
        "run.N_episode_length=10",
        "run.N_minibatch_size=80",
        "optimizer=levenberg_marquardt",
    ]
    left = {}
    for float64 in (True, False):
        trainer = train(
            None, *overrides, "net.warm_start=steady_state", f"+optimizer.optimizer_kwargs.float64={float64}"
        )
        exact = trainer.model.in_float64()
        states = exact.initial_states(200)
        with torch.no_grad():
            policy = exact.network(states) if not float64 else trainer.step_of_phase.exact.network(states)
        left[float64] = float((exact.PolicyState.s(policy) - 0.36 * 0.96).abs().mean())
    assert left[True] < 1e-6
    assert left[False] < 1e-3


def test_a_model_in_float64_is_the_same_economy(tmp_path):
    single = deqn.load_model("brock_mirman", TINY[1:])
    double = single.in_float64()
    assert double.in_float64() is double
    states = single.initial_states(20)
    policies = single.policy(states)
    assert double.expectations.stacked_step == single.expectations.stacked_step
    torch.testing.assert_close(double.policy(states.double()).float(), policies)
    for name, residual in single.equations(states, policies).items():
        torch.testing.assert_close(
            double.equations(states.double(), policies.double())[name].float(), residual, rtol=1e-4, atol=1e-6
        )
    single.Globals.seen = 1
    assert double.Globals.seen == 1


def test_savings_of_three_times_wealth_end_in_a_solution_or_a_message():
    """A start from which one step would throw the economy anywhere."""
    overrides = ["net.layers.2.output.init_scale=30.0", "variables.policies.0.bounds.upper=3.0", "run.N_episodes=8"]
    try:
        trained = train(
            None, *overrides, "optimizer=levenberg_marquardt", "run.N_minibatch_size=64", "run.N_sim_batch=64"
        )
    except deqn.TrainingError as error:
        assert "Try:" in str(error)  # noqa: PT017
        return
    states = trained.model.step(trained.state.starting_state)
    assert bool(torch.isfinite(states).all())
    assert all(bool(torch.isfinite(p).all()) for p in trained.model.network.parameters())


def test_a_model_that_asks_a_tensor_in_an_if_is_one_error(tmp_path):
    equations = shipped("brock_mirman", "Equations").replace(
        "    C = ",
        "    if bool((State.K(state) > 0).all()):\n        pass\n    C = ",
    )
    economy = model(f"MODELS_DIR={own_model(tmp_path, Equations=equations)}", "MODEL_NAME=mine", "net.warm_start=none")
    with pytest.raises(deqn.ModelError, match=r"differentiated state by state.*\n.*first-order.*solver=matrix_free"):
        deqn.Trainer(economy).fit()
    free = [f"MODELS_DIR={tmp_path}", "MODEL_NAME=mine", "net.warm_start=none", "run.N_episodes=1"]
    deqn.Trainer(model(*free, "+optimizer.optimizer_kwargs.solver=matrix_free")).fit()
