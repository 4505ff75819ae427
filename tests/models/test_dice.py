"""DICE-2016R: the direct optimisation against published numbers, and the model against the optimisation."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from tests.models.conftest import reference_of

PERIODS = 100  # to which the model is held; the optimisation goes on for 50 more


@pytest.fixture(scope="module")
def direct() -> ModuleType:
    """models/dice/reference/Reference.py by itself."""
    return reference_of("dice")


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("dice")


@pytest.fixture(scope="module")
def constants(model) -> dict[str, float]:
    return dict(model.config.constants)


@pytest.fixture(scope="module")
def known(direct, constants):
    return direct.solve(constants, 150)


@pytest.fixture(scope="module")
def program(direct, constants):
    """What Nordhaus' program solves, 100 periods: the baseline (True) and the optimum (False)."""
    return {baseline: direct.solve(constants, baseline=baseline) for baseline in (True, False)}


@pytest.mark.parametrize(
    ("baseline", "printed"), [(True, (31.2, 37.3, 44.0, 51.6, 102.5)), (False, (30.7, 36.7, 43.5, 51.2, 103.6))]
)
def test_the_social_cost_of_carbon_is_the_published_one(program, baseline, printed):
    """Nordhaus (2017), table 1, base parameters, within .06 US$. The number under 2050 is that of 2055."""
    assert program[baseline].scc[[0, 1, 2, 3, 8]] == pytest.approx(printed, abs=0.06)


def test_the_path_of_the_baseline_is_that_of_the_published_spreadsheet(program):
    """Nordhaus' DICE2016R-090916ap-v2.xlsm in 2050, 2100, 2200, 2300 and 2510, from the validation data of MimiDICE2016.jl."""
    spreadsheet = {
        "T": (2.127227334626595, 4.104112426306882, 6.707753212210355, 7.164179650917377, 6.684167569871798),
        "M": (1176.5268870068332, 1760.2112194170138, 2648.8016723124324, 2493.4092615633276, 2159.9612068256693),
        "K": (659.509819389492, 1830.1139593224643, 6257.899756120323, 13322.291193143225, 30660.493258960738),
    }
    for name, values in spreadsheet.items():
        found = getattr(program[True], name)[[7, 17, 37, 57, 99]]
        np.testing.assert_allclose(found, values, rtol=1e-8, err_msg=name)


def test_the_optimum_warms_by_as_much_as_published(program):
    """3.5 degrees in 2100: Bressler (2021), Nature Communications 12, 4467, of the optimal policy in DICE-2016."""
    assert program[False].T[17] == pytest.approx(3.5, abs=0.05)


def test_the_gradient_is_that_of_differences_of_welfare(direct, constants):
    problem, rng, h = direct.Problem(constants, 20), np.random.default_rng(0), 1e-5
    s, mu = rng.uniform(0.2, 0.3, (20, 1)), rng.uniform(0.1, 0.9, (20, 1))
    _, d_s, d_mu, _ = problem.gradient(s, mu)
    moved = h * np.eye(20)
    for gradient, up, down in (
        (d_s, (s + moved, mu + 0 * moved), (s - moved, mu + 0 * moved)),
        (d_mu, (s + 0 * moved, mu + moved), (s + 0 * moved, mu - moved)),
    ):
        differences = (problem.forward(*up)["welfare"] - problem.forward(*down)["welfare"]) / (2 * h)
        np.testing.assert_allclose(gradient[:, 0], differences, rtol=1e-4, atol=1e-5)


def test_the_price_of_mitigation_is_the_social_cost_of_carbon_or_mitigation_is_at_its_bound(direct, constants, known):
    x = direct.exogenous(constants, 150)
    price = x["backstop"] * known.mu ** (constants["theta"] - 1)
    inner = known.mu < x["most"]
    inner[[0, -1]] = False  # the first is given, and what the last one would avert comes after the end
    assert inner[1:28].any()
    np.testing.assert_allclose(price[inner], known.scc[inner], rtol=1e-6)
    bound = known.mu == x["most"]
    assert (price[bound] <= known.scc[bound]).all()


def test_what_comes_after_six_hundred_years_hardly_matters_before_2300(direct, constants, known):
    shorter = direct.solve(constants, 130)
    for name, most in (("T", 5e-5), ("mu", 1e-4), ("scc", 4e-3), ("C", 1e-5)):
        np.testing.assert_allclose(getattr(shorter, name)[:58], getattr(known, name)[:58], rtol=most)


def optimal_states(model, known) -> torch.Tensor:
    """`[PERIODS, 7]`."""
    t, effective = np.arange(PERIODS), np.asarray(model.Parameters.effective)[:PERIODS]
    columns = [
        known.K[:PERIODS] / effective,
        *(getattr(known, name)[:PERIODS] / 1000 for name in "MUL"),
        known.T[:PERIODS],
        known.O[:PERIODS],
        -np.expm1(-model.Parameters.nu * t),
    ]
    return torch.as_tensor(np.stack(columns, -1))


def optimal_policy(model, known, factor: float = 1.0) -> Callable[[torch.Tensor], torch.Tensor]:
    """What the optimisation does in the period that the clock shows, prices times a factor."""
    constants = model.config.constants
    gross = np.asarray(model.Parameters.effective)[:150] * (
        (known.K / np.asarray(model.Parameters.effective)[:150]) ** constants["gamma"]
    )
    prices = (known.scc, known.price_U, known.price_L, known.price_T, known.price_O)  # none in the last period
    consumed = known.C / (gross * (1 - constants["damage"] * known.T**2))
    table = torch.as_tensor(np.stack([consumed, *(np.log(factor * price.clip(1e-9) / gross) for price in prices)], -1))

    def policy(states: torch.Tensor) -> torch.Tensor:
        return table[torch.round(-torch.log(1 - states[..., 6]) / model.Parameters.nu).long()]

    return policy


def test_under_the_optimal_controls_the_model_goes_the_optimal_path(model, known):
    states = optimal_states(model, known)
    with model.context():
        later = model.expectations.dynamics.total_step_random(states, optimal_policy(model, known)(states))
    torch.testing.assert_close(later[:-1], states[1:], rtol=1e-9, atol=1e-9)


def test_the_optimal_path_has_no_residual_in_the_model_and_other_prices_have(model, known):
    states, network = optimal_states(model, known), model.expectations.policy
    largest = {}
    for factor in (1.0, 1.01):
        model.expectations.policy = optimal_policy(model, known)
        with model.context():
            residuals = model.equations(states, optimal_policy(model, known, factor)(states))
        largest[factor] = {name: float(values[:58].abs().max()) for name, values in residuals.items()}
    model.expectations.policy = network
    assert max(largest[1.0].values()) < 1e-6
    assert min(value for name, value in largest[1.01].items() if name != "euler") > 5e-3


def test_mitigation_is_given_in_2015_and_bounded_by_one_until_2155(model):
    t = torch.tensor([0.0, 1.0, 28.0, 29.0, 60.0])
    with model.context():
        states = model.initial_states(5)
        states[:, 6] = -torch.expm1(-model.Parameters.nu * t)
        policies = torch.full((5, 6), 5.0, dtype=states.dtype)  # carbon costs 150 times output
        assert model.Definitions.mu(states, policies).tolist() == pytest.approx([0.03, 1.0, 1.0, 1.2, 1.2])
        assert model.Definitions.year(states, policies).tolist() == pytest.approx([2015, 2020, 2155, 2160, 2315])


def test_output_is_consumed_kept_lost_or_spent_on_mitigation(model):
    states = model.initial_states(20)
    with model.context(), torch.no_grad():
        policies, D = model.policy(states), model.Definitions
        later = model.step(states)
        shares = 1 - D.damages(states, policies) - D.abatement(states, policies)
        torch.testing.assert_close(D.Y(states, policies), D.Y_gross(states, policies) * shares, rtol=1e-13, atol=0)
        invested = D.K(later, policies) - model.Parameters.kept * D.K(states, policies)
        torch.testing.assert_close(invested / 5, D.Y(states, policies) - D.C(states, policies), rtol=1e-9, atol=0)
        torch.testing.assert_close(D.s(states, policies), invested / 5 / D.Y(states, policies), rtol=1e-9, atol=0)


def test_a_smoke_run_comes_near_the_optimum_and_says_so(known):
    model = deqn.load_model("dice", ["preset=smoke"])
    deqn.Trainer(model).fit(quiet=True)
    run = deqn.Run(model, model.folder)
    with model.context():
        hooks = model.linker.link("Hooks")
        path, lines = hooks.path(run), hooks.closing_lines(run)
    for name, most in (("T", 0.01), ("mu", 0.02), ("scc", 0.05), ("C", 0.01)):
        np.testing.assert_allclose(path[name], getattr(known, name)[:58], rtol=most, err_msg=name)
    assert len(lines) == 6
    assert all("from the direct optimisation by" in line for line in lines)
