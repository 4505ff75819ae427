"""deqn/training/held.py: each minibatch's expectations are taken once, and the iteration goes to the fixed point."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.errors import ConfigError, ModelError
from deqn.training.held import Held
from tests.conftest import TINY, own_model

BETA, STAY = 0.9, 0.8
FILES = {  # the price q of an asset whose dividend d is 1 or 2
    "Definitions": "def nothing(state, policy_state):\n    return 0.0\n",
    "Dynamics": f"""
        import torch
        import Parameters, State

        def shock_probs(state, policy_state):
            high = torch.where(State.d(state) > 1.5, {STAY}, {1 - STAY})
            return torch.stack([1 - high, high], dim=-1)

        def total_step_spec_shock(prev_state, policy_state, shock_index):
            return State.update(prev_state, "d", torch.zeros_like(State.d(prev_state)) + 1.0 + shock_index)

        def total_step_random(prev_state, policy_state):
            node = Parameters.rng.categorical(shock_probs(prev_state, policy_state))
            return State.update(prev_state, "d", 1.0 + node.to(prev_state.dtype))
        """,
    "Equations": f"""
        import PolicyState, State

        def equations(state, policy_state):
            E_t = State.E_t_gen(state, policy_state)
            value = {BETA} * E_t(lambda s, p: State.d(s) + PolicyState.q(p))
            return {{"price": (value - PolicyState.q(policy_state)) / 10}}
        """,
}
VARIABLES = """
    states:
      - {name: d, init: {distribution: choice, kwargs: {values: [1.0, 2.0]}}}
    policies:
      - {name: q}
    definitions: []
"""


def trainer_of(folder: Path, *overrides: str) -> deqn.Trainer:
    own_model(folder, Calibration=None, **{name: textwrap.dedent(text) for name, text in FILES.items()})
    (folder / "config" / "variables").mkdir(parents=True)
    (folder / "config" / "variables" / "mine.yaml").write_text(textwrap.dedent(VARIABLES), encoding="utf-8")
    shared = [
        "model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={folder}", "variables=mine", "run.N_sim_batch=32",
        "run.N_episode_length=4", "run.N_minibatch_size=64", "net.layers=[{output: {activation: linear}}]",
        "run.keras_precision=float64", "optimizer.learning_rate=0.1", "optimizer.N_steps_per_expectation=50",
    ]  # fmt: skip
    return deqn.Trainer(deqn.Model(compose([*shared, *overrides], config_dir=folder / "config").config))


def test_the_price_goes_to_its_closed_form_by_beta_with_each_minibatch(tmp_path):
    trainer = trainer_of(tmp_path, "run.N_episodes=10")
    trainer.fit(quiet=True)
    d = torch.tensor([1.0, 2.0], dtype=torch.float64)
    P = torch.tensor([[STAY, 1 - STAY], [1 - STAY, STAY]], dtype=torch.float64)
    exact = torch.linalg.solve(torch.eye(2, dtype=torch.float64) - BETA * P, BETA * P @ d)
    found = trainer.model.policy(d[:, None])[:, 0].detach()
    left = BETA**20  # two minibatches an episode; the network began near zero
    torch.testing.assert_close(found, exact * (1 - left), rtol=0.02, atol=0)


def test_expectations_are_taken_once_and_without_gradient(tmp_path):
    model = trainer_of(tmp_path).model
    states, held = model.initial_states(8), Held(model)
    calls, taken = [], model.expectations.policy
    model.expectations.policy = lambda s: (calls.append(1), taken(s))[1]
    residuals = []
    with model.context(), held():
        for _ in range(3):
            held.again()
            residuals.append(model.equations(states, model.policy(states).detach())["price"])
            with torch.no_grad():
                next(iter(model.network.parameters())).add_(1.0)
    assert len(calls) == 1
    assert not residuals[0].requires_grad
    assert float((residuals[1] - residuals[0]).abs().max()) > 0.01, "today's policy moves"
    after = model.equations(states, model.policy(states))["price"]
    assert len(calls) == 2
    assert after.requires_grad


def test_what_cannot_hold_expectations_is_refused():
    def trainer(*overrides: str) -> deqn.Trainer:
        return deqn.Trainer(deqn.Model(compose([*TINY, "optimizer.N_steps_per_expectation=5", *overrides]).config))

    for other in ("optimizer.optimizer=LBFGS", "run.loss.kind=sobolev"):
        with pytest.raises(ConfigError, match="N_steps_per_expectation cannot be used here"):
            trainer(other)
    with pytest.raises(ModelError, match="'euler' depends on today's policy only inside an expectation"):
        trainer().fit(quiet=True)
