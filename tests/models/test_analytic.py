"""Six overlapping generations against the closed form of Huffman (1987), derived and simulated here in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.economy.known_answer import closed_form

ALPHA, BETA, AGES = 0.3, 0.7, 6
SHOCKS = [(eta, delta) for eta in (0.95, 1.05) for delta in (0.5, 0.9)]
SIX_GROUPS = [f"{group}=analytic" for group in ("run", "net", "optimizer", "constants", "variables")]


def shares() -> np.ndarray:
    """What each age but the last saves of its wealth, by backward induction; sharing no formula with the model.

    With log utility and no other income, an age's consumption is a constant share m of its wealth: m = 1 in the last age. Before,
    1 / c = beta E[R' / (m' R' a)] with a = (1 - m) wealth gives m = m' (1 - m) / beta, or m = m' / (beta + m').
    """
    m, saved = 1.0, []
    for _ in range(AGES - 1):
        m = m / (BETA + m)
        saved.append(1 - m)
    return np.array(saved[::-1])


def simulated(periods: int = 300, seed: int = 0) -> np.ndarray:
    """States `[periods, 7]` of the economy with the exact policy: capital by age, productivity, depreciation."""
    rng, capital, rows = np.random.default_rng(seed), np.full(AGES - 1, 0.1), []
    for _ in range(periods):
        eta, delta = SHOCKS[rng.integers(4)]
        rows.append([*capital, eta, delta])
        output = eta * capital.sum() ** ALPHA
        gross_return = ALPHA * output / capital.sum() + 1 - delta
        wealth = np.append((1 - ALPHA) * output, gross_return * capital)
        capital = shares() * wealth[:-1]
    return np.array(rows)


@pytest.fixture(scope="module")
def exact() -> deqn.Model:
    """The model with the closed form in place of the network."""
    model = deqn.load_model("analytic")
    model.expectations.policy = lambda states: model.closed_form(states)["a"]
    return model


@pytest.fixture(scope="module")
def states() -> torch.Tensor:
    return torch.tensor(simulated())


def test_the_closed_form_is_that_of_backward_induction(exact, states):
    capital, eta, delta = states[:, :5], states[:, 5], states[:, 6]
    total = capital.sum(-1)
    output = eta * total**ALPHA
    gross_return = ALPHA * output / total + 1 - delta
    wealth = torch.cat([((1 - ALPHA) * output)[:, None], gross_return[:, None] * capital], dim=-1)
    expected = torch.tensor(shares()) * wealth[:, :-1]
    torch.testing.assert_close(closed_form(exact, states)["a"], expected, rtol=1e-13, atol=0)


def test_the_closed_form_has_no_residual_on_the_simulated_path(exact, states):
    with exact.context():
        assert exact.equations(states, exact.expectations.policy(states))["euler"].abs().max() < 1e-13


def test_saving_a_hundredth_more_has_a_residual(exact, states):
    with exact.context():
        residual = exact.equations(states, 1.01 * exact.expectations.policy(states))["euler"]
    assert residual.abs().min() > 1e-3


def test_the_model_moves_as_the_economy_in_numpy(exact, states):
    """The next state at the node that was drawn."""
    with exact.context():
        policies = exact.expectations.policy(states)
        nodes = torch.stack([exact.expectations.next_states(states, policies, 4)[i] for i in range(4)])
    distance = (nodes[:, :-1] - states[1:]).abs().amax(-1).amin(0)
    assert distance.max() < 1e-13


def test_the_shocks_are_four_pairs_alike(exact, states):
    with exact.context():
        nodes = exact.expectations.next_states(states[:1], exact.expectations.policy(states[:1]), 4)[:, 0, 5:]
        probabilities = exact.expectations.probabilities(states, exact.expectations.policy(states))
    assert sorted(map(tuple, nodes.tolist())) == SHOCKS
    assert probabilities.flatten().unique().tolist() == [0.25]


def test_what_is_consumed_and_saved_is_what_there_is(exact, states):
    """C + sum of savings = Y + (1 - delta) K, whatever the policy."""
    D = exact.Definitions
    with exact.context():
        policies = 0.5 * exact.expectations.policy(states)
        there_is = D.Y(states, policies) + (1 - states[:, 6]) * states[:, :5].sum(-1)
        torch.testing.assert_close(D.C(states, policies) + policies.sum(-1), there_is, rtol=1e-13, atol=0)


def test_each_age_keeps_its_budget_and_the_last_saves_nothing(exact, states):
    D = exact.Definitions
    with exact.context():
        policies = exact.expectations.policy(states)
        spent, R, w = D.c(states, policies), D.R(states, policies), D.w(states, policies)
    torch.testing.assert_close(spent[:, 0], w - policies[:, 0], rtol=1e-13, atol=0)
    torch.testing.assert_close(spent[:, 1:5], R[:, None] * states[:, :4] - policies[:, 1:], rtol=1e-12, atol=0)
    torch.testing.assert_close(spent[:, 5], R * states[:, 4], rtol=1e-13, atol=0)


def test_two_generations_save_beta_over_one_plus_beta_of_the_wage():
    """Diamond's (1965) economy."""
    model = deqn.load_model("analytic", ["constants.savers=1"])
    states = model.initial_states(20)
    with model.context():
        wage = model.Definitions.w(states, None)
    torch.testing.assert_close(closed_form(model, states)["a"][:, 0], BETA / (1 + BETA) * wage)


def test_the_steady_state_is_where_the_closed_form_rests_without_risk(exact):
    """Found by moving the economy on, with productivity 1 and depreciation 0.7."""
    capital = np.full(AGES - 1, 0.1)
    for _ in range(400):
        output = capital.sum() ** ALPHA
        wealth = np.append((1 - ALPHA) * output, (ALPHA * output / capital.sum() + 0.3) * capital)
        capital = shares() * wealth[:-1]
    np.testing.assert_allclose(exact.Parameters.k_ss.numpy(), capital, rtol=1e-12)


def test_marginal_utility_goes_on_smoothly_where_nothing_is_left(exact):
    """Equal to 1 / c above a tenth of the steady state's consumption; below, its tangent, finite and rising."""
    states = exact.initial_states(1)
    with exact.context():
        wealth = exact.Definitions.wealth(states, None)[..., :-1]
        least = 0.1 * exact.Parameters.c_ss[:-1]
        consumption = torch.stack([2 * least, least, 0 * least, -least])
        marginal = exact.Definitions.marginal_utility(states.expand(4, -1), wealth - consumption)[:, :-1]
    expected = torch.stack([0.5 / least, 1 / least, 2 / least, 3 / least])
    torch.testing.assert_close(marginal, expected)


def test_the_command_of_the_tensorflow_librarys_readme_is_the_model(tmp_path):
    six = compose(["MODEL_NAME=analytic", *SIX_GROUPS]).config
    one = compose(["model=analytic"]).config
    assert six.model_dump(exclude={"about"}) == one.model_dump(exclude={"about"})


def test_a_short_training_saves_what_the_closed_form_saves():
    model = deqn.load_model("analytic", ["run.N_episodes=2", "run.N_minibatch_size=128", "run.N_epochs_per_episode=1"])
    deqn.Trainer(model).fit(quiet=True)
    with model.context(), torch.no_grad():
        states = model.Parameters.starting_state
        error = (model.policy(states) - closed_form(model, states)["a"]).abs()
    assert error.max() < 1e-3


def test_the_figure_has_the_savings_of_each_age_on_the_lines_of_the_closed_form(exact, tmp_path):
    run = deqn.Run(exact, tmp_path, exact.initial_states(16))
    run.policies = lambda states: 1.01 * exact.closed_form(states)["a"]
    with exact.context():
        left, right = exact.linker.link("PostProcess").draw(run).axes
    for age, share in enumerate(shares()):
        wealth, savings = left.lines[2 * age].get_data()
        np.testing.assert_allclose(savings, 1.01 * share * wealth, rtol=1e-6)
        ends, line = left.lines[2 * age + 1].get_data()
        np.testing.assert_allclose(line, share * np.array([wealth.min(), wealth.max()]), rtol=1e-6)
        np.testing.assert_allclose(ends, [wealth.min(), wealth.max()])
        np.testing.assert_allclose(right.lines[age].get_ydata(), 0.01 * share * wealth, rtol=1e-5)
