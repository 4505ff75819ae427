"""Antithetic and quasi-random draws of a model's shocks."""

from __future__ import annotations

import math

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.errors import ConfigError
from deqn.numerics.draws import Draws
from deqn.numerics.rng import Rng
from tests.conftest import TINY, train

SIGMA = 0.5


def draws(kind: str, nodes: int, batch: int = 1, seed: int = 0, uniform: bool = False) -> torch.Tensor:
    """Shocks `[nodes, batch]`, as `total_step_random` draws them."""
    rng = Rng(seed, dtype=torch.float64)
    step = (lambda: rng.uniform([batch])) if uniform else (lambda: rng.normal([batch], stddev=SIGMA))
    return torch.stack(Draws(kind, rng)(step, nodes, (batch,)))


def test_antithetic_draws_have_opposite_signs():
    found = draws("antithetic", 6, 3)
    assert torch.equal(found[::2], -found[1::2])
    assert not torch.equal(found[0].abs(), found[2].abs())


def test_antithetic_uniform_draws_add_up_to_one():
    found = draws("antithetic", 4, 5, uniform=True)
    torch.testing.assert_close(found[::2] + found[1::2], torch.ones(2, 5, dtype=torch.float64))


@pytest.mark.parametrize("kind", ["antithetic", "quasi_random"])
def test_the_mean_over_many_states_has_no_bias(kind):
    """E exp(x) of a normal x is exp(sigma²/2)."""
    mean = draws(kind, 4, 100_000).exp().mean(0)
    error = float(mean.std()) / 100_000**0.5
    assert float(mean.mean()) == pytest.approx(math.exp(SIGMA**2 / 2), abs=5 * error)


def test_antithetic_and_quasi_random_means_vary_less_than_independent_ones():
    kinds = ("pseudo_random", "antithetic", "quasi_random")
    spread = {kind: float(draws(kind, 16, 5_000).exp().mean(0).std()) for kind in kinds}
    assert spread["quasi_random"] < spread["antithetic"] < 0.5 * spread["pseudo_random"]


def test_quasi_random_draws_of_two_shocks_are_independent():
    rng = Rng(0, dtype=torch.float64)

    def step():
        return torch.stack([rng.normal([500]), rng.normal([500, 2]).sum(-1)], dim=-1)

    found = torch.stack(Draws("quasi_random", rng)(step, 64, (500,))).flatten(0, 1)
    assert torch.cov(found.T).flatten().tolist() == pytest.approx([1.0, 0.0, 0.0, 2.0], abs=0.02)


def test_other_states_have_other_shifts_and_other_calls_too():
    rng = Rng(0, dtype=torch.float64)
    operator = Draws("quasi_random", rng)
    one, other = (operator(lambda: rng.normal([2]), 4, (2,))[0] for _ in range(2))
    assert len({*one.tolist(), *other.tolist()}) == 4


def test_a_step_that_draws_other_numbers_each_time_is_refused():
    rng, sizes = Rng(0), iter([1, 2])
    with pytest.raises(ValueError, match="draws other numbers"):
        Draws("antithetic", rng)(lambda: rng.normal([next(sizes)]), 2, (1,))


@pytest.mark.parametrize("kind", ["antithetic", "quasi_random"])
def test_an_expectation_of_a_model_is_near_that_on_its_nodes(kind):
    def expected(*overrides: str) -> torch.Tensor:
        model = deqn.load_model("brock_mirman", ["run.keras_precision=float64", *overrides])
        states = model.initial_states(2000)
        E_t = model.E_t_gen(states, model.policy(states))
        return E_t(lambda s, p: model.State.z(s).exp()).detach() / (0.9 * model.State.z(states)).exp()

    found = expected(f"run.expectation_type={kind}", "run.expectation_pseudo_draws=8")
    error = float(found.std()) / len(found) ** 0.5
    assert float(found.mean()) == pytest.approx(float(expected().mean()), abs=4 * error)
    assert error < 2.5e-4


@pytest.mark.parametrize("kind", ["antithetic", "quasi_random"])
def test_a_run_is_resumed_with_the_same_draws(tmp_path, kind):
    settings = [f"run.expectation_type={kind}", "run.expectation_pseudo_draws=4"]
    whole = train(None, *settings, "run.N_episodes=4").state.payload()
    train(tmp_path, *settings, "run.N_episodes=2")
    resumed = train(tmp_path, *settings, "run.N_episodes=4", starting_point="LATEST").state.payload()
    assert all(torch.equal(value, resumed["policy"][name]) for name, value in whole["policy"].items())


def test_an_odd_number_of_antithetic_draws_is_refused():
    with pytest.raises(ConfigError, match="expected an even number for antithetic pairs"):
        compose([*TINY, "run.expectation_type=antithetic"])


def test_drawn_expectations_are_refused_by_least_squares():
    settings = [*TINY, "optimizer=levenberg_marquardt", "run.expectation_type=quasi_random"]
    with pytest.raises(ConfigError, match="'quasi_random' draws anew in each evaluation"):
        deqn.Trainer(deqn.Model(compose(settings).config))


@pytest.mark.parametrize("name", ["gauss-hermite", "gauss_hermite"])
def test_a_model_file_reads_the_kind_and_the_number_of_nodes(name):
    model = deqn.Model(compose([*TINY, f"run.expectation_type={name}", "run.n_quad_pts=7"]).config)
    assert (model.Parameters.expectation_type, model.Parameters.n_quad_pts) == (name, 7)
    assert not model.expectations.drawn
