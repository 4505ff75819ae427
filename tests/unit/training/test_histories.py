"""A network that sees nothing but the last shocks solves an economy with capital, and its run resumes exactly."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.disk.run_folder import RunFolder
from deqn.economy.probe import probe
from tests.conftest import assert_same, own_model

PERIODS = 10
ALPHA, BETA, RHO = 0.3, 0.9, 0.5
VARIABLES = f"""
    states:
      - {{name: K, init: {{distribution: constant, kwargs: {{value: {(ALPHA * BETA) ** (1 / (1 - ALPHA))}}}}}}}
      - {{name: z, init: {{distribution: constant, kwargs: {{value: 0.0}}}}}}
      - {{name: shocks, shape: [{PERIODS}], init: {{distribution: constant, kwargs: {{value: 0.0}}}}}}
    policies:
      - {{name: k}}
    definitions:
      - {{name: C}}
"""
FILES = {
    "Calibration": None,
    "Definitions": """
        import torch
        import Parameters, PolicyState, State

        def Y(state, policy_state):
            return torch.exp(State.z(state)) * State.K(state) ** Parameters.alpha

        def K_next(state, policy_state):
            return torch.exp(PolicyState.k(policy_state))

        def C(state, policy_state):
            return Y(state, policy_state) - K_next(state, policy_state)

        def R(state, policy_state):
            return Parameters.alpha * Y(state, policy_state) / State.K(state)
        """,
    "Dynamics": """
        import Definitions, Parameters, State
        from deqn.numerics.history import push

        shock_values, shock_probs = State.gauss_hermite(Parameters.sigma, 3)

        def next_state(state, policy_state, shock):
            return State.update_dict(state, {
                "K": Definitions.K_next(state, policy_state),
                "z": Parameters.rho * State.z(state) + shock,
                "shocks": push(State.shocks(state), shock / Parameters.sigma),
            })

        def total_step_random(prev_state, policy_state):
            return next_state(prev_state, policy_state, Parameters.rng.normal(prev_state.shape[:-1], stddev=Parameters.sigma))

        def total_step_spec_shock(prev_state, policy_state, shock_index):
            return next_state(prev_state, policy_state, shock_values[shock_index, 0])
        """,
}


def trained(folder: Path, episodes: int, path: Path | None = None, starting_point: str = "NEW") -> deqn.Trainer:
    overrides = [
        "model=brock_mirman", "MODEL_NAME=mine", f"MODELS_DIR={folder}", "variables=mine", "optimizer=levenberg_marquardt",
        f"constants.alpha={ALPHA}", f"constants.beta={BETA}", f"constants.rho={RHO}", "run.N_sim_batch=32",
        "run.N_episode_length=8", "run.N_minibatch_size=128", f"run.N_episodes={episodes}", "net.inputs=[shocks]",
        "net.layers=[{output: {activation: linear, init_scale: 0.01}}]",
    ]  # fmt: skip
    model = deqn.Model(compose(overrides, config_dir=folder / "config").config)
    with torch.no_grad():  # at its initial level, from which a first step can be taken
        model.network.body[-1].bias.fill_(torch.log(model.State.K(model.initial_states(1)))[0])
    probe(model)
    trainer = deqn.Trainer(model, None if path is None else RunFolder(path))
    if starting_point != "NEW":
        trainer.restore(starting_point)
    trainer.fit(quiet=True)
    return trainer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {name: None if text is None else textwrap.dedent(text) for name, text in FILES.items()}
    place = own_model(tmp_path / "models", **texts)
    (place / "config" / "variables").mkdir(parents=True)
    (place / "config" / "variables" / "mine.yaml").write_text(textwrap.dedent(VARIABLES))
    return place


def test_its_weights_are_those_of_the_closed_form(folder):
    """log K' = log(alpha beta) + z + alpha log K (Brock and Mirman 1972): a moving average of the shocks."""
    network = trained(folder, 12).model.network.body[-1]
    sums = [0.04 * sum(ALPHA**i * RHO ** (lag - i) for i in range(lag + 1)) for lag in range(PERIODS)]
    assert network.weight.shape == (1, PERIODS)
    assert network.weight[0].tolist() == pytest.approx(sums, abs=2e-4)
    assert network.bias.item() == pytest.approx(torch.tensor(ALPHA * BETA).log().item() / (1 - ALPHA), abs=1e-3)


def test_the_network_sees_neither_capital_nor_productivity(folder):
    model = trained(folder, 1).model
    states = model.initial_states(4)
    other = model.State.update_dict(states, {"K": torch.rand(4), "z": torch.randn(4)})
    assert torch.equal(model.policy(states), model.policy(other))


def test_it_resumes_exactly(folder, tmp_path):
    whole = trained(folder, 4).state.payload()
    (tmp_path / "run" / "ckpt").mkdir(parents=True)
    trained(folder, 2, tmp_path / "run")
    assert_same(trained(folder, 4, tmp_path / "run", "LATEST").state.payload(), whole)
