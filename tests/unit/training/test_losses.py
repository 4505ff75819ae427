"""`run.loss`: functions of the residuals, weights, shares, products of two draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.errors import ConfigError, ModelError
from deqn.training import loss, losses, record
from deqn.training.least_squares import Residuals
from tests.conftest import TINY, Listener, own_model, train

X = torch.tensor([-3.0, -1.0, -0.2, 0.0, 0.5, 2.0], dtype=torch.float64)
DOUBLE = "run.keras_precision=float64"


def terms(*overrides: str, n: int = 5) -> tuple[deqn.Trainer, torch.Tensor, loss.LossTerms]:
    """Terms of the loss of rbc_labor's two equations at n initial states."""
    model = deqn.load_model("rbc_labor", [DOUBLE, "optimizer=brock_mirman", *overrides])
    trainer = deqn.Trainer(model)
    states = model.initial_states(n)
    return trainer, states, trainer.terms(model, states)


def test_huber_is_that_of_pytorch():
    expected = torch.nn.functional.huber_loss(X, torch.zeros_like(X), delta=0.7, reduction="none")
    torch.testing.assert_close(losses.huber(X, 0.7), expected)


def test_log_cosh_is_the_logarithm_of_the_hyperbolic_cosine():
    np.testing.assert_allclose(losses.log_cosh(X).numpy(), np.log(np.cosh(X.numpy())), rtol=1e-12, atol=1e-16)


def test_log_cosh_of_a_large_residual_is_finite():
    assert float(losses.log_cosh(torch.tensor(1e4))) == pytest.approx(1e4 - np.log(2))


def test_sobolev_has_the_derivative_of_a_known_function():
    """x = a² b: dx/da = 2ab, dx/db = a²."""
    states = torch.tensor([[1.0, 2.0], [3.0, 5.0], [2.0, -1.0]], requires_grad=True)
    a, b = states.detach().unbind(-1)
    value = losses.sobolev(states[:, 0] ** 2 * states[:, 1], states, weight=0.5)
    slopes = (a.std(correction=0) * 2 * a * b) ** 2 + (b.std(correction=0) * a**2) ** 2
    torch.testing.assert_close(value[:, 0].detach(), (a**2 * b) ** 2 + 0.5 * slopes / 2)


def test_sobolev_differentiates_through_the_policy():
    """Against differences of the residuals with respect to the state, the policy computed anew."""
    trainer, states, found = terms("run.loss.kind=sobolev", "run.loss.sobolev_weight=2.0")
    model = trainer.model

    def residuals(x):
        return torch.stack(list(model.equations(x, model.policy(x)).values()), dim=-1)

    with torch.no_grad():
        squares = residuals(states).square()
        for k, step in enumerate(1e-5 * torch.eye(model.n_states, dtype=torch.float64)):
            slope = (residuals(states + step) - residuals(states - step)) / 2e-5
            squares += 2.0 / model.n_states * (states[:, k].std(correction=0) * slope).square()
    torch.testing.assert_close(torch.stack(list(found.parts.values())).detach(), squares.sum(0), rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", ["huber", "log-cosh", "sobolev"])
def test_a_loss_lowers_the_residuals(kind):
    listener = Listener()
    train(None, f"run.loss.kind={kind}", "run.N_episodes=30", watcher=listener)
    assert listener.records[-1].scalars["dev_euler"] < 0.1 * listener.records[0].scalars["dev_euler"]


def test_weights_multiply_the_squares_of_an_equation():
    _, _, plain = terms()
    first, second = plain.deviations.values()
    _, _, weighted = terms(f"run.loss.weights={{{next(iter(plain.deviations))}: 3.0}}")
    torch.testing.assert_close(weighted.net_loss, (3 * first + second) / 2)


def test_least_squares_have_the_weighted_loss():
    trainer, states, found = terms("run.loss.weights={euler: 3.0}")
    rows = Residuals(trainer.model, trainer.state.weights.tensor)(states)
    torch.testing.assert_close(rows.square().sum(), found.loss)


def test_a_weight_of_no_equation_is_refused():
    with pytest.raises(ConfigError, match=r"there is no equation 'eulr'. Did you mean euler"):
        terms("run.loss.weights={eulr: 3.0}")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [(["run.loss.all_in_one=true"], "give run.expectation_type=pseudo_random"),
     (["run.loss.all_in_one=true", "run.loss.kind=huber", "run.expectation_type=pseudo_random"], "'huber' is no square"),
     (["run.loss.kind=sobolev", "run.compile=true"], "derivatives of derivatives"),
     (["run.loss.kind=sobolev", "run.loss.trace_decay=0.5"], "those of single states"),
     (["run.loss.trace_decay=0.5"], "give run.sorted_within_batch=true"),
     (["run.loss.trace_decay=0.5", "run.sorted_within_batch=true", "run.N_minibatch_size=12"], "neither a multiple"),
     (["run.loss.kind=hubr"], "expected 'mse', 'huber', 'log-cosh' or 'sobolev'. Did you mean huber"),
     (["run.loss.wieghts={euler: 1.0}"], "Did you mean weights"),
     (["run.loss.trace_decay=1.0"], "less than 1")],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(overrides, words):
    with pytest.raises(ConfigError, match=words):
        compose(["model=brock_mirman", "run.N_episode_length=8", *overrides])


@pytest.mark.parametrize("override", ["run.loss.kind=huber", "run.loss.trace_decay=0.5"])
def test_what_is_no_sum_of_squares_is_refused_by_least_squares(override):
    trace = ["run.sorted_within_batch=true"]
    with pytest.raises(ConfigError, match=r"run.loss: least squares take squares of residuals"):
        deqn.Trainer(deqn.Model(compose([*TINY, *trace, "optimizer=levenberg_marquardt", override]).config))


def test_sobolev_refuses_hundreds_of_residuals_a_state():
    with pytest.raises(ModelError, match="there are 100; at most 64"):
        losses.check(compose([*TINY, "run.loss.kind=sobolev"]).config.run.loss, {"euler": (5, 20)})


ONE_DRAW = """
import State, PolicyState

def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    return {"mean": E_t(lambda s, p: State.z(s)) - 0.9 * State.z(state) + 0 * PolicyState.s(policy_state)}
"""


def test_the_product_of_two_draws_removes_the_bias_of_the_square(tmp_path):
    """E[z'] - rho z is zero; the mean of its squared estimate is sigma²/draws, that of the product of two is zero."""
    own = [
        "MODEL_NAME=mine",
        f"MODELS_DIR={own_model(tmp_path, Equations=ONE_DRAW)}",
        "run.expectation_type=pseudo_random",
    ]
    n, sigma, draws = 200_000, 0.04, 5

    def mean(*overrides: str) -> float:
        trainer = deqn.Trainer(deqn.Model(compose(["model=brock_mirman", *own, *overrides]).config))
        return float(trainer.terms(trainer.model, trainer.model.initial_states(n)).loss) / n

    variance = sigma**2 / draws
    assert mean() == pytest.approx(variance, rel=0.02)
    assert abs(mean("run.loss.all_in_one=true")) < 4 * variance / n**0.5


def test_shares_of_the_loss_add_up_to_one_and_are_those_of_its_components():
    _, _, found = terms("run.loss.weights={euler: 3.0}")
    means = {name: float(value) for name, value in record.scalars(found).items()}
    shares = record.shares(means, found)
    assert sum(shares.values()) == pytest.approx(1)
    for name, component in found.components().items():
        assert shares[f"share_{name}"] == pytest.approx(float(component / found.loss))


def test_a_run_tells_the_shares_of_its_equations():
    listener = Listener()
    train(None, "run.N_episodes=1", watcher=listener)
    assert listener.records[0].scalars["share_euler"] == 1.0
