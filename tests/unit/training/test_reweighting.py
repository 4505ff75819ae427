"""Weights that follow the losses: formulas, and what a restart and several processes have of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.training.reweighting import Weights, balance, inverse_weights, softmax_weights
from tests.conftest import TINY, assert_same, own_model, train

LOSSES = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)


def weights(*overrides: str, seed: int = 0) -> Weights:
    loss = compose(["model=brock_mirman", *overrides]).config.run.loss
    return Weights(loss, ["a", "b", "c"], torch.zeros(1, dtype=torch.float64), seed)


def test_softmax_weighs_large_losses_down_by_the_formula():
    scales = [math.exp(-x / (0.5 * 3)) for x in (1, 2, 6)]
    assert softmax_weights(LOSSES, 0.5).tolist() == pytest.approx([3 * s / sum(scales) for s in scales])


def test_inverse_weights_make_all_equations_count_alike():
    products = inverse_weights(LOSSES) * LOSSES
    assert products.tolist() == pytest.approx([products[0].item()] * 3, rel=1e-5)


def test_inverse_weights_of_losses_that_are_zero_are_finite():
    assert inverse_weights(torch.zeros(2, dtype=torch.float64)).tolist() == [1.0, 1.0]
    assert inverse_weights(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist() == pytest.approx(
        [2.0, 0.0], abs=1e-5
    )


def test_relobralo_follows_its_formula():
    """Bischof and Kraus (2021): alpha (rho w + (1 - rho) bal(t, 0)) + (1 - alpha) bal(t, t-1)."""
    kept = weights(
        "run.loss.reweighting=relobralo", "run.loss.decay=0.7", "run.loss.lookback=0.0", "run.loss.temperature=0.5"
    )
    path = [[1.0, 2.0, 6.0], [0.5, 2.0, 3.0], [0.4, 1.9, 1.0]]
    for step, losses in enumerate(path, start=1):
        kept.after_step(torch.tensor(losses), step)

    def bal(now, before):
        scales = [math.exp(x / (0.5 * b)) for x, b in zip(now, before, strict=True)]
        return [3 * s / sum(scales) for s in scales]

    expected = [0.7 * h + 0.3 * b for h, b in zip(bal(path[2], path[0]), bal(path[2], path[1]), strict=True)]
    assert kept.tensor.tolist() == pytest.approx(expected)


def test_relobralo_keeps_its_weights_where_it_looks_at_those_before_only():
    kept = weights("run.loss.reweighting=relobralo", "run.loss.decay=1.0", "run.loss.lookback=1.0")
    for step in (1, 2, 3):
        kept.after_step(torch.tensor([1.0, 2.0, 3.0 / step]), step)
    assert kept.tensor.tolist() == [1.0, 1.0, 1.0]


def test_balance_weighs_up_what_has_fallen_least():
    assert balance(LOSSES / torch.tensor([10.0, 1.0, 10.0]), LOSSES, 1.0).argmax() == 1


@pytest.mark.parametrize("kind", ["softmax", "inverse", "relobralo"])
def test_weights_add_up_to_the_number_of_equations_and_multiply_those_of_the_configuration(kind):
    kept = weights(f"run.loss.reweighting={kind}", "run.loss.weights={b: 4.0}")
    for i in range(1, 4):
        losses = [1.0, 2.0 / i, 6.0]
        kept.after_step(torch.tensor(losses), i) if kept.in_steps else kept.after_episode(losses)
    assert float(kept.tensor.sum() - 0.75 * kept.tensor[1]) == pytest.approx(3)
    assert kept.tensor.tolist() != pytest.approx([1.0, 4.0, 1.0])


TWO = """
import Definitions, Parameters, PolicyState, State

def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    C = Definitions.C(state, policy_state)
    euler = 1 - Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * C / Definitions.C(s, p))
    return {"euler": euler, "rule": 0.1 * (PolicyState.s(policy_state) - 0.3)}
"""


def test_relobralo_follows_the_losses_of_every_gradient_step(tmp_path):
    """The weights of a step are those of Bischof and Kraus (2021) from the losses of the steps before."""
    own = [f"MODELS_DIR={own_model(tmp_path, Equations=TWO)}", "MODEL_NAME=mine", "run.N_episodes=2"]
    loss = ["run.loss.reweighting=relobralo", "run.loss.decay=0.6", "run.loss.lookback=0.0", "run.loss.temperature=0.5"]
    steps = []

    class Watched(deqn.Trainer):
        def step(self, states):
            weights = self.state.loss_weights.tolist()
            terms = super().step(states)
            steps.append((weights, [part.item() for part in terms.parts.values()]))
            return terms

    Watched(deqn.load_model("brock_mirman", [*TINY, *own, *loss, "run.N_minibatch_size=8"], check=False)).fit(
        quiet=True
    )
    losses = np.array([losses for _, losses in steps])
    expected = [np.ones(2), np.ones(2)]
    for t in range(1, len(losses) - 1):
        since = [np.exp(losses[t] / (0.5 * losses[before])) for before in (0, t - 1)]
        first, last = (2 * x / x.sum() for x in since)
        expected.append(0.6 * first + 0.4 * last)
    assert len(steps) > 4
    np.testing.assert_allclose([weights for weights, _ in steps], expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["softmax", "inverse", "relobralo"])
def test_a_run_that_is_resumed_has_the_weights_of_one_that_was_not(tmp_path, kind):
    own = [f"MODELS_DIR={own_model(tmp_path, Equations=TWO)}", "MODEL_NAME=mine", f"run.loss.reweighting={kind}"]
    whole = train(None, *own, "run.N_episodes=6").state.payload()
    train(tmp_path / "run", *own, "run.N_episodes=3")
    resumed = train(tmp_path / "run", *own, "run.N_episodes=6", starting_point="LATEST").state.payload()
    assert_same(resumed, whole)
    assert whole["weights"]["following"].tolist() != [1.0, 1.0]


def test_the_weights_are_in_the_loss_that_training_lowers(tmp_path):
    """A weight of a thousand on one equation makes its residual smaller than that of the other."""
    own = [f"MODELS_DIR={own_model(tmp_path, Equations=TWO)}", "MODEL_NAME=mine", "run.N_episodes=60"]
    to_rule, to_euler = (train(None, *own, f"run.loss.weights={{{name}: 1000.0}}") for name in ("rule", "euler"))

    def residuals(trainer):
        states = trainer.model.initial_states(64)
        with torch.no_grad():
            found = trainer.model.equations(states, trainer.model.policy(states))
        return {name: float(r.square().mean()) for name, r in found.items()}

    assert residuals(to_rule)["rule"] < residuals(to_euler)["rule"]
    assert residuals(to_euler)["euler"] < residuals(to_rule)["euler"]
