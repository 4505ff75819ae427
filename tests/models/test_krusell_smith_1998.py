"""Krusell and Smith (1998) as Den Haan, Judd and Juillard (2010) calibrate it: what holds exactly in that economy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.economy.probe import probe
from deqn.training.trainer import Trainer

SMALL = ["constants.nA=60", "run.N_sim_batch=16", "run.N_minibatch_size=16", "run.keras_precision=float64"]
# table 2 of Den Haan, Judd and Juillard (2010); (bad, unemployed), (bad, employed), (good, unemployed), (good, employed)
PUBLISHED = [
    [0.525, 0.35, 0.03125, 0.09375],
    [0.038889, 0.836111, 0.002083, 0.122917],
    [0.09375, 0.03125, 0.291667, 0.583333],
    [0.009115, 0.115885, 0.024306, 0.850694],
]


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    model = deqn.load_model("krusell_smith_1998", [*SMALL, "run.N_episodes=60", "run.N_episode_length=10"])
    probe(model)
    trainer = Trainer(model)
    trainer.fit()
    return model


@pytest.fixture(scope="module")
def path(model) -> torch.Tensor:
    """Simulated states `[50, 16, n_states]` of the trained economy."""
    states = [model.Parameters.starting_state]
    with model.context():
        for _ in range(49):
            states.append(model.step(states[-1]))
    return torch.stack(states)


def unemployment(Z: torch.Tensor) -> torch.Tensor:
    return torch.where(Z > 1, torch.full_like(Z, 0.04), torch.full_like(Z, 0.10))


def test_the_joint_transitions_are_the_published_ones(model):
    found = model.calibration
    joint = np.einsum("zy,zyef->zeyf", found["Pi_tfp"], found["Pi_e"]).reshape(4, 4)
    np.testing.assert_allclose(joint, PUBLISHED, atol=6e-7)


def test_unemployment_is_that_of_Z_in_every_quarter(model, path):
    unemployed = model.State.distribution(path)[..., 0, :].sum(-1)
    in_boom = model.State.Z(path) > 1
    assert in_boom.any()
    assert (~in_boom).any()
    torch.testing.assert_close(unemployed, unemployment(model.State.Z(path)), atol=1e-12, rtol=0)


def test_the_first_states_have_the_unemployment_of_their_Z():
    model = deqn.load_model("krusell_smith_1998", [*SMALL, "run.N_episodes=1"])
    model.set_run(starting_state=model.initial_states(16))
    wealth = model.State.distribution(model.Parameters.starting_state)
    model.post_init()
    now = model.State.distribution(model.Parameters.starting_state)
    expected = unemployment(model.State.Z(model.Parameters.starting_state))
    torch.testing.assert_close(now[:, 0].sum(-1), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(
        now[:, 1] / now[:, 1].sum(-1, keepdim=True), wealth[:, 1] / wealth[:, 1].sum(-1, keepdim=True)
    )


def test_households_receive_what_firms_produce(model, path):
    """Assets with their return, wages net of taxes and benefits add up to output and what is left of capital."""
    with model.context():
        D, delta = model.Definitions, model.Parameters.delta
        cash = D.cash_on_hand(path, model.Parameters.a_grid)
        total = (model.State.distribution(path) * cash).sum((-2, -1))
        torch.testing.assert_close(total, D.Y(path, None) + (1 - delta) * D.K(path, None), rtol=1e-12, atol=0)


def test_capital_moves_by_what_households_save(model, path):
    with model.context(), torch.no_grad():
        policy = model.policy(path[:-1])
        D, delta = model.Definitions, model.Parameters.delta
        K_next = (1 - delta) * D.K(path[:-1], None) + D.I(path[:-1], policy)
        torch.testing.assert_close(K_next, D.K(path[1:], None), rtol=1e-10, atol=0)


def test_prices_are_marginal_products_of_the_labour_of_Z(model, path):
    K, Z = model.Definitions.K(path, None).numpy(), model.State.Z(path).numpy()
    labour = np.where(Z > 1, 0.96, 0.90) / 0.9
    with model.context():
        r, w = (x.numpy() for x in model.Definitions.prices(path))
    np.testing.assert_allclose(r, 0.36 * Z * (K / labour) ** -0.64 - 0.025, rtol=1e-12)
    np.testing.assert_allclose(w, 0.64 * Z * (K / labour) ** 0.36, rtol=1e-12)


def test_the_residual_is_the_euler_equation_of_the_joint_chain(model, path):
    """Written once more, in numpy, from the published joint transitions."""
    states = path[-1, :4]
    with model.context(), torch.no_grad():
        policy = model.policy(states)
        residual = model.equations(states, policy)["euler"].numpy()
        today = [x.numpy() for x in model.Definitions.households(states, policy)]
        a = model.Parameters.a_grid.numpy()
        for s in range(len(states)):
            z = int(model.State.Z(states)[s] > 1)
            value = np.zeros((2, len(a)))
            for z_next in range(2):
                probability = np.zeros(4)
                next_state = model.expectations.dynamics.total_step_spec_shock(
                    states[s : s + 1], policy[s : s + 1], z_next
                )
                h = model.Definitions.households(next_state, model.policy(next_state))
                marginal = (1 + float(model.Definitions.r(next_state, None))) / h.c[0].numpy()
                for e in range(2):
                    probability = np.array(PUBLISHED)[2 * z + e, 2 * z_next : 2 * z_next + 2]
                    value[e] += 0.99 * probability @ marginal
            desired, a_next, c = (x[s] for x in today)
            implied = np.stack([np.interp(a_next[e], a, 1 / value[e]) for e in range(2)])
            inside = (desired > 0.5) & (desired < 200)  # where neither bound is near, the residual is the Euler error
            gap = (implied / c - 1)[inside]
            np.testing.assert_allclose(residual[s][inside], gap, atol=3e-6, rtol=1e-3)


def test_training_brings_the_residuals_down_and_capital_stays_in_place(model, path):
    with model.context(), torch.no_grad():
        residual = model.equations(path[-1], model.policy(path[-1]))["euler"].abs()
    K = model.Definitions.K(path, None)
    assert residual.median() < 3e-4  # 7e-4 at the start
    assert 35 < K.min() < K.max() < 45


def test_impossible_unemployment_is_refused():
    with pytest.raises(deqn.ModelError, match=r"probability outside \[0, 1\]"):
        deqn.load_model("krusell_smith_1998", [*SMALL, "constants.u_bad=0.5"])
