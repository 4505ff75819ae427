"""deqn/training/warm_start.py: what the network is fitted to before the first step."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.training.warm_start import fit_policy, warm_start
from tests.conftest import TINY, own_model, shipped

START = [*TINY[1:], "net.warm_start=steady_state", "run.keras_precision=float64"]


def model(*overrides: str) -> deqn.Model:
    return deqn.load_model("brock_mirman", [*START, *overrides])


def test_a_warm_start_begins_at_the_policy_of_the_steady_state():
    economy = model("constants.delta=0.1")
    assert "policy of the steady state" in warm_start(economy)
    K = ((1 / 0.96 - 1 + 0.1) / 0.36) ** (1 / (0.36 - 1))
    savings = economy.PolicyState.s(economy.policy(economy.initial_states(100)))
    torch.testing.assert_close(savings, torch.full_like(savings, 0.1 * K**0.64), rtol=2e-3, atol=0)


def test_a_network_is_fitted_to_a_rule():
    economy = model("net.layers.0.hidden.units=16")
    states = economy.initial_states(200)
    rule = 0.3 + 0.1 * torch.tanh(economy.State.z(states))[:, None]
    assert fit_policy(economy, states, rule, steps=60) < 1e-3


def test_a_model_without_a_steady_state_says_how_to_start(tmp_path):
    equations = shipped("brock_mirman", "Equations").replace(
        "C(s, p))}", "C(s, p)), 'other': 1 + PolicyState.s(policy_state)}"
    )
    folder = own_model(tmp_path, Equations=equations.replace("import State", "import PolicyState\nimport State"))
    economy = model(f"MODELS_DIR={folder}", "MODEL_NAME=mine")
    with pytest.raises(deqn.ConfigError, match=r"no steady state was found.*net.warm_start=none"):
        deqn.Trainer(economy).fit()
