"""Overlapping generations with capital and bond: limits that are known, two references by other methods, identities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.economy.known_answer import closed_form
from tests.models.conftest import reference_of

THREE = ["constants.savers=2", "constants.labour=[1.0,0.84,0.1]", "run.keras_precision=float64"]
LIMIT = [  # the calibration of models/analytic
    "constants.savers=5", "constants.labour=[1,0,0,0,0,0]", "constants.gamma=1", "constants.zeta=0", "constants.beta=0.9625",
    "constants.tfp_low=0.95", "constants.tfp_high=1.05", "constants.p_tfp_stay=0.5", "constants.delta_low=0.5",
    "constants.delta_high=0.9", "constants.p_bad=0.5", "constants.p_bad_stay=0.5", "run.keras_precision=float64",
]  # fmt: skip


def policies(model: deqn.Model, k: torch.Tensor, b: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """`[*batch, n_policies]` with which capital k' and bonds b' `[*batch, savers]` are chosen at a price p `[*batch]`."""
    return torch.cat([k, k + model.Parameters.kappa * b, p[..., None]], dim=-1)


# --- without risk -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[5, 55])
def life(request):
    """Calibration.py for so many savers; and the stationary economy by direct optimisation, which knows no Euler equation."""
    constants = compose(["model=olg_lifecycle", f"constants.savers={request.param}"]).config.constants
    P = reference_of("olg_lifecycle", "../Calibration").calibrate(constants)
    numbers = (P["hours"], P["beta_period"], P["mean_tfp"], P["mean_delta"], P["kappa"])
    return P, reference_of("olg_lifecycle", "LifeCycle").solve(constants, *numbers)


def test_the_stationary_life_cycle_is_that_of_direct_optimisation(life):
    P, found = life
    for name, values in (("k_ss", found.k), ("b_ss", found.b), ("c_ss", found.c), ("p_ss", found.p), ("R_ss", found.R)):
        np.testing.assert_allclose(P[name], values, atol=1e-9, rtol=0, err_msg=name)


def test_where_the_collateral_binds_the_optimal_life_has_a_multiplier(life):
    P, found = life
    short = found.k + P["kappa"] * found.b < 1e-9
    assert 0 < short.sum() < len(short)
    assert (P["mu_ss"][short] > 1e-3).all()
    assert (np.abs(P["mu_ss"][~short]) < 1e-9).all()


def test_outputs_of_zero_have_no_residual_without_risk(twelve):
    """They are the stationary economy, and tomorrow is as today."""
    model, *_ = twelve
    P, pairs, network = model.Parameters, model.linker.link("Dynamics").pairs, model.expectations.policy
    means = torch.tensor([P.mean_tfp, P.mean_delta], dtype=model.dtype)
    policy = torch.cat([P.xk_ss, P.xq_ss, torch.full_like(P.xk_ss[:1], P.p_ss)])
    model.expectations.policy = lambda states: policy.expand(*states.shape[:-1], -1)
    risk, pairs[:] = pairs.clone(), means
    try:
        with model.context():
            residuals = model.equations(torch.cat([P.k_ss, P.b_ss, means])[None], policy[None])
    finally:
        model.expectations.policy = network
        pairs.copy_(risk)
    assert max(float(values.abs().max()) for values in residuals.values()) < 1e-8


def test_labour_of_a_life_is_that_of_the_published_program(life):
    """Of 56: ages 1 and 29 have 0.6 and 0.6 (1 + 1.27), and the last half of age 38."""
    P, _ = life
    if len(P["hours"]) == 56:
        hours, expected = P["hours"][[0, 28, 55]], [0.6, 0.6 * 2.27, 0.3 * (1 + 1.27 * (1 - (9 / 28) ** 2))]
    else:  # of six: the first, the third and the last, which has half of the fifth
        hours, expected = P["hours"][[0, 2, 5]], [0.6, 0.6 * (1 + 1.27 * 8 / 9), 0.3 * (1 + 1.27 * 8 / 9)]
    np.testing.assert_allclose(hours, expected, rtol=1e-12)


def test_labour_by_age_has_a_number_for_each_age():
    with pytest.raises(ValueError, match="a number for each of the 3 ages"):
        reference_of("olg_lifecycle", "../Calibration").labour_by_age([1, 2], 3)


# --- the limit with a closed form -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def limit() -> deqn.Model:
    """With the closed form of Huffman (1987) in place of the network."""
    model = deqn.load_model("olg_lifecycle", LIMIT)

    def policy(states: torch.Tensor) -> torch.Tensor:
        known = model.closed_form(states)
        return policies(model, known["k_next"], known["b_next"], known["p"])

    model.expectations.policy = policy
    return model


def test_with_log_utility_and_labour_in_the_first_age_the_closed_form_has_no_residual(limit):
    states = limit.initial_states(50)
    with limit.context():
        residuals = limit.equations(states, limit.expectations.policy(states))
    assert max(float(values.abs().max()) for values in residuals.values()) < 1e-12


def test_the_closed_form_is_that_of_the_six_generations_of_analytic(limit):
    states, six = limit.initial_states(50), deqn.load_model("analytic")
    states[:, 5:10] = 0.0  # no bonds
    theirs = torch.cat([states[:, :5], states[:, 10:]], dim=-1)
    shares = closed_form(six, theirs)["a"]
    np.testing.assert_allclose(closed_form(limit, states)["k_next"], shares, rtol=3e-3)  # beta is 0.7 and 0.9625^(56/6)


def test_the_closed_form_is_given_in_no_other_economy(three):
    assert closed_form(three, three.initial_states(3)) == {}


# --- three ages -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three() -> deqn.Model:
    return deqn.load_model("olg_lifecycle", THREE)


@pytest.fixture(scope="module")
def solve(three):
    """Time iteration on n nodes an axis."""
    P, iteration = three.Parameters, reference_of("olg_lifecycle", "ThreeAges")
    start = torch.cat([P.k_ss, P.b_ss[:1], torch.full_like(P.k_ss[:1], P.p_ss)]).numpy()
    pairs = torch.stack([P.tfp_values, P.delta_values], dim=-1).numpy()
    given = {name: float(getattr(P, name)) for name in ("alpha", "gamma", "zeta")}
    fixed = (given, P.hours.numpy(), float(P.beta_period), float(P.kappa), pairs, P.transition.numpy(), start)
    return lambda n: iteration.solve(*fixed, n=n, width=0.06)


@pytest.fixture(scope="module")
def iterated(solve):
    return solve(7)


@pytest.fixture(scope="module")
def visited(three, iterated) -> torch.Tensor:
    """States that the economy of the reference visits, `[3000, 6]`."""
    P, rng = three.Parameters, np.random.default_rng(0)
    chances, pairs = P.transition.numpy().cumsum(1), np.stack([P.tfp_values, P.delta_values], -1)
    k, b = (np.tile(x.numpy(), (100, 1)) for x in (P.k_ss, P.b_ss))
    shock, rows = rng.integers(0, 4, 100), []
    for _ in range(50):
        chosen = iterated.policies(k, b, shock)
        k, b = chosen["k_next"], chosen["b_next"]
        shock = (rng.random(100)[:, None] > chances[shock]).sum(1)
        rows.append(np.hstack([k, b, pairs[shock]]))
    return torch.tensor(np.concatenate(rows[20:]))


def at(model, solution, states: torch.Tensor) -> dict[str, torch.Tensor]:
    with model.context():
        shock = model.linker.link("Dynamics").pair(states).numpy()
    found = solution.policies(states[:, :2].numpy(), states[:, 2:4].numpy(), shock)
    return {name: torch.tensor(values) for name, values in found.items()}


def test_a_coarser_grid_gives_the_same_choices(three, solve, iterated, visited):
    fine, coarse = (at(three, solution, visited) for solution in (iterated, solve(5)))
    for name in fine:
        assert (fine[name] - coarse[name]).abs().max() < 5e-4, name


def test_the_collateral_of_the_first_age_binds_in_some_states_only(three, iterated, visited):
    found = at(three, iterated, visited)
    short = found["k_next"] + three.Parameters.kappa * found["b_next"] < 1e-9
    assert 0.01 < short[:, 0].double().mean() < 0.2
    assert not short[:, 1].any()


def test_the_choices_of_time_iteration_have_small_residuals_in_the_model(three, iterated, visited):
    """Where no collateral binds today: there, the reference gives no multiplier."""

    def policy(states: torch.Tensor, error: float = 0.0) -> torch.Tensor:
        found = at(three, iterated, states.reshape(-1, 6))
        chosen = policies(three, found["k_next"] * (1 + error), found["b_next"], found["p"])
        return chosen.reshape(*states.shape[:-1], -1)

    found = at(three, iterated, visited)
    free = visited[(found["k_next"] + three.Parameters.kappa * found["b_next"])[:, 0] > 1e-6]
    three.expectations.policy = policy
    with three.context():
        right, wrong = (three.equations(free, policy(free, error)) for error in (0.0, 0.01))
    for name in ("capital", "bond"):
        assert right[name].abs().max() < 2e-4, name
        assert wrong[name].abs().mean() > 1e-3, name


# --- identities -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twelve():
    """A model of twelve ages, states, and policies that were drawn: some are short of collateral or of capital."""
    model = deqn.load_model("olg_lifecycle", ["constants.savers=11", "run.keras_precision=float64"])
    states = model.initial_states(200)
    policy = model.policy(states).detach()
    policy[:, :22] += 0.1 * torch.randn(200, 22, generator=torch.Generator().manual_seed(0), dtype=policy.dtype)
    return model, states, policy


def test_bonds_clear_and_constraints_hold_whatever_the_policies(twelve):
    model, states, policy = twelve
    D, kappa = model.Definitions, model.Parameters.kappa
    with model.context():
        k, b, q = (of(states, policy) for of in (D.k_next, D.b_next, D.q_next))
        lambda_k, mu = D.lambda_k(states, policy), D.mu(states, policy)
    assert b.sum(-1).abs().max() < 1e-12
    assert (k.amin(), q.amin(), lambda_k.amin(), mu.amin()) == (0, 0, 0, 0)
    torch.testing.assert_close(k + kappa * b, q, rtol=0, atol=1e-12)
    assert (k * lambda_k).abs().max() == (q * mu).abs().max() == 0
    assert (lambda_k > 0).any()
    assert (mu > 0).any()


def test_what_is_consumed_invested_and_lost_is_what_there_is(twelve):
    """C + K' + costs of changing capital = Y + (1 - delta) K."""
    model, states, policy = twelve
    D, P = model.Definitions, model.Parameters
    with model.context():
        lost = P.zeta / 2 * (D.change(states, policy) ** 2).sum(-1)
        spent = D.C(states, policy) + D.k_next(states, policy).sum(-1) + lost
        there_is = D.Y(states, policy) + (1 - states[:, -1]) * D.K(states, policy)
    torch.testing.assert_close(spent, there_is, rtol=1e-12, atol=0)


def test_assets_pass_to_the_next_age(twelve):
    model, states, policy = twelve
    with model.context():
        nodes = model.expectations.next_states(states, policy, 4)
        k, b = model.Definitions.k_next(states, policy), model.Definitions.b_next(states, policy)
    for node in nodes:
        assert torch.equal(node[:, :11], k)
        assert torch.equal(node[:, 11:22], b)


def test_the_shocks_are_two_independent_chains(twelve):
    model, states, policy = twelve
    P = model.Parameters
    with model.context():
        chances = model.expectations.probabilities(states, policy)
    tfp, delta = states[:, -2], states[:, -1]
    torch.testing.assert_close(chances.sum(0), torch.ones_like(tfp))
    high = chances[P.delta_values > 0.1].sum(0), chances[P.tfp_values > 1].sum(0)
    expected = torch.where(delta > 0.1, 0.7, 0.028), torch.where(tfp > 1, 0.905, 0.095)
    for is_, should_be in zip(high, expected, strict=True):
        torch.testing.assert_close(is_, should_be.to(is_))


def test_marginal_utility_goes_on_smoothly_where_nothing_is_left(twelve):
    """Below a tenth of its stationary value, consumption has the tangent of c^-gamma: finite, and rising."""
    model, states, policy = twelve
    poorer = states.clone()
    poorer[:, 11:22] -= torch.linspace(0, 3, 200, dtype=states.dtype)[:, None]
    with model.context():
        c, marginal = (of(poorer, policy) for of in (model.Definitions.c, model.Definitions.marginal_utility))
    least = 0.1 * model.Parameters.c_ss
    inside = c > least
    assert inside.any()
    assert (~inside).any()
    torch.testing.assert_close(marginal[inside], c[inside] ** -2.0)
    assert torch.isfinite(marginal).all()
    assert (marginal > least**-2.0)[~inside].all()
