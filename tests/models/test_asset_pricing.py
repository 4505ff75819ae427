"""Asset prices with long-run risk: the reference against closed forms and itself, the model against both."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from tests.models.conftest import reference_of

BANSAL_YARON = {
    "beta": 0.998, "gamma": 10.0, "psi": 1.5, "mu": 0.0015, "mu_d": 0.0015, "rho": 0.979, "sigma": 0.0078, "phi_x": 0.044,
    "phi": 3.0, "phi_d": 4.5, "rho_v": 0.987, "sigma_v": 0.0189,
}  # fmt: skip
POWER = BANSAL_YARON | {"gamma": 2.0, "psi": 0.5, "sigma_v": 0.0}  # 1/psi = gamma


@pytest.fixture(scope="module")
def chebyshev() -> ModuleType:
    return reference_of("asset_pricing", "Reference")


@pytest.fixture(scope="module")
def burnside() -> ModuleType:
    return reference_of("asset_pricing", "ClosedForm")


def box(p: dict[str, float], n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Expected growth and log volatility, within 4 standard deviations."""
    rng = np.random.default_rng(0)
    sd_x = p["phi_x"] * p["sigma"] / (1 - p["rho"] ** 2) ** 0.5
    sd_v = p["sigma_v"] / (1 - p["rho_v"] ** 2) ** 0.5
    return sd_x * rng.uniform(-4, 4, n), sd_v * rng.uniform(-4, 4, n)


@pytest.mark.parametrize("finer", [{"n_x": 18, "n_v": 12}, {"n_nodes": 7}])
def test_a_finer_reference_gives_the_same_prices(chebyshev, finer):
    at = box(BANSAL_YARON)
    known, other = (chebyshev.solve(BANSAL_YARON, **options).policies(*at) for options in ({}, finer))
    for name, values in known.items():
        np.testing.assert_allclose(other[name], values, atol=1e-8, rtol=0)


def test_the_reference_finds_burnsides_closed_form(chebyshev, burnside):
    x, v = box(POWER)
    found, known = chebyshev.solve(POWER).policies(x, v), burnside.closed_form(x, POWER)
    for name, values in known.items():
        np.testing.assert_allclose(found[name], values, atol=1e-10, rtol=0)


def test_the_closed_form_is_gordons_where_growth_is_the_same_every_month(burnside):
    """P / D = q / (1 - q) with q = E[M' D' / D]."""
    p = POWER | {"phi_x": 0.0}
    q = p["beta"] * np.exp(p["mu_d"] - p["gamma"] * p["mu"] + (p["gamma"] ** 2 + p["phi_d"] ** 2) * p["sigma"] ** 2 / 2)
    assert np.exp(burnside.closed_form(np.zeros(1), p)["log_pd"]) == pytest.approx(q / (1 - q), rel=1e-11)


def test_with_independent_growth_the_value_solves_one_equation(chebyshev):
    """(V / C)^r = (1 - beta) / (1 - beta G^r), r = 1 - 1/psi, with G the certainty equivalent of growth."""
    p = BANSAL_YARON | {"phi_x": 0.0, "sigma_v": 0.0}
    r, G = 1 - 1 / p["psi"], np.exp(p["mu"] + (1 - p["gamma"]) * p["sigma"] ** 2 / 2)
    expected = np.log((1 - p["beta"]) / (1 - p["beta"] * G**r)) / r
    assert chebyshev.solve(p).policies(np.zeros(1), np.zeros(1))["log_v"] == pytest.approx(expected, abs=1e-11)


def test_the_price_of_all_consumption_is_wealth(chebyshev):
    """The discount factor prices the claim to consumption at (V / C)^(1 - 1/psi) / (1 - beta), today's consumption included."""
    p, at = BANSAL_YARON, box(BANSAL_YARON)
    found = chebyshev.solve(p, consumption=True).policies(*at)
    wealth = np.exp((1 - 1 / p["psi"]) * found["log_v"]) / (1 - p["beta"])
    np.testing.assert_allclose(1 + np.exp(found["log_pd"]), wealth, rtol=1e-9)


def test_an_infinite_price_is_refused(chebyshev, burnside):
    with pytest.raises(RuntimeError, match="infinite"):
        chebyshev.solve(BANSAL_YARON | {"mu_d": 0.02})
    with pytest.raises(RuntimeError, match="infinite"):
        burnside.closed_form(np.zeros(1), POWER | {"mu_d": 0.02})


def residuals(policies, p: dict[str, float], error: float = 0.0) -> dict[str, torch.Tensor]:
    """Of the model with these policies in place of the network, value and price times 1 + error."""
    changes = [f"constants.{name}={value}" for name, value in p.items() if value != BANSAL_YARON[name]]
    model = deqn.load_model("asset_pricing", changes)

    def policy(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, 2).numpy()
        found = policies(flat[:, 0], flat[:, 1])
        pair = np.stack([found["log_v"], found["log_pd"]], axis=-1)
        return torch.as_tensor(pair).reshape(*states.shape[:-1], 2)

    model.expectations.policy = policy
    states = torch.tensor(np.stack(box(p), axis=-1))
    with model.context():
        return model.equations(states, policy(states) + error)


def test_the_reference_has_no_residual_in_the_model(chebyshev):
    found = residuals(chebyshev.solve(BANSAL_YARON).policies, BANSAL_YARON)
    assert max(float(values.abs().max()) for values in found.values()) < 1e-6


def test_the_closed_form_has_no_residual_in_the_model(burnside):
    found = residuals(lambda x, v: burnside.closed_form(x, POWER), POWER)
    assert max(float(values.abs().max()) for values in found.values()) < 1e-9


def test_a_value_and_a_price_that_are_a_thousandth_too_high_have_residuals(chebyshev):
    found = residuals(chebyshev.solve(BANSAL_YARON).policies, BANSAL_YARON, error=1e-3)
    assert min(float(values.abs().min()) for values in found.values()) > 0.4
