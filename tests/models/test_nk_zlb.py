"""The zero lower bound: the reference against another grid and the linear solution, the model against the reference."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import deqn
from deqn.economy.linear import linear_solution
from tests.models.conftest import reference_of

CONSTANTS = {
    "beta": 0.995, "pi_target": 0.005, "eta": 1.0, "epsilon": 6.0, "phi_price": 160.0, "phi_pi": 2.0, "phi_y": 0.125, "rho": 0.8,
    "sigma": 0.002, "crisis": 0.0125, "p_crisis": 0.02, "p_stay": 0.7, "n_nodes": 21, "far": 4.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def iteration() -> ModuleType:
    """models/nk_zlb/reference/Reference.py by itself."""
    return reference_of("nk_zlb")


@pytest.fixture(scope="module")
def known(iteration):
    return iteration.solve(CONSTANTS)


def box(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """The discount rate's deviation within 4 standard deviations, in normal times and in a crisis."""
    rng = np.random.default_rng(0)
    return CONSTANTS["sigma"] / (1 - CONSTANTS["rho"] ** 2) ** 0.5 * rng.uniform(-4, 4, n), np.arange(n) % 2


def test_a_coarser_grid_gives_the_same_consumption_and_inflation(iteration, known):
    fine, coarse = (solution.policies(*box()) for solution in (known, iteration.solve(CONSTANTS, n=2001)))
    for name in ("log_C", "pi"):
        np.testing.assert_allclose(coarse[name], fine[name], atol=1e-5, rtol=0)


def test_the_bound_binds_in_deep_discounts_only_and_mostly_in_crises(known):
    binds = known.log_R < 0
    assert (np.diff(binds.astype(int), axis=1) <= 0).all()  # once the discount rate is high enough, never again
    assert binds[1].sum() > binds[0].sum() > 0


def test_consumption_and_inflation_are_continuous_where_the_bound_begins_to_bind(known):
    step = np.abs(np.diff(known.log_C, axis=1)).max()
    assert step < 20 * (known.grid[1] - known.grid[0])


def test_the_bound_lowers_consumption_and_inflation_where_it_binds(iteration, known):
    free, binds = iteration.solve(CONSTANTS, bound=False), known.log_R < 0
    assert (known.log_C < free.log_C)[binds].all()
    assert (known.pi < free.pi)[binds].all()


@pytest.mark.filterwarnings("ignore:invalid value")
def test_crises_that_last_too_long_have_no_way_back(iteration):
    with pytest.raises(RuntimeError, match="does not settle"):
        iteration.solve(CONSTANTS | {"p_stay": 0.9}, n=201)


def test_without_bound_and_crises_the_reference_has_the_slopes_of_the_librarys_linear_solution(iteration):
    """In an economy with shocks of a hundredth."""
    quiet = {"sigma": 2e-5, "crisis": 0.0}
    model = deqn.load_model("nk_zlb", [f"constants.{name}={value}" for name, value in quiet.items()])
    slopes = linear_solution(model).slopes[:2, 0] / 100
    found = iteration.solve(CONSTANTS | quiet, n=201)
    assert (found.log_R > 0).all()
    for row, slope in zip((found.log_C[0], found.pi[0]), slopes.tolist(), strict=True):
        assert (row[110] - row[90]) / (found.grid[110] - found.grid[90]) == pytest.approx(slope, rel=1e-5)


def test_the_linear_slopes_are_those_of_the_textbook():
    """Undetermined coefficients of c = E c' - (R - E pi' - b) and pi = beta E pi' + kappa c (Gali, 2015, chapter 3)."""
    p, rho = CONSTANTS, CONSTANTS["rho"]
    kappa = (p["epsilon"] - 1) * (1 + p["eta"]) / p["phi_price"]
    matrix = np.array([[1 - rho + p["phi_y"], p["phi_pi"] - rho], [-kappa, 1 - p["beta"] * rho]])
    expected = np.linalg.solve(matrix, [1.0, 0.0])
    slopes = linear_solution(deqn.load_model("nk_zlb")).slopes[:2, 0] / 100
    np.testing.assert_allclose(slopes.numpy(), expected, rtol=1e-9)


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("nk_zlb")


@pytest.fixture(scope="module")
def states() -> torch.Tensor:
    return torch.tensor(np.stack(box(), axis=-1))


def exact(known):
    """The reference as the network's policy: in the pair that does not count, the same numbers."""

    def policy(states: torch.Tensor) -> torch.Tensor:
        flat = states.reshape(-1, 2).numpy()
        found = known.policies(flat[:, 0], flat[:, 1])
        pairs = 100 * np.stack([found["log_C"], found["pi"]] * 2, axis=-1)
        return torch.as_tensor(pairs).reshape(*states.shape[:-1], 4)

    return policy


def residuals(model, known, states, error: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the pair that counts in each state, `[n]` each: Euler equation and price setting."""
    model.expectations.policy = exact(known)
    with model.context():
        found = model.equations(states, exact(known)(states) + error)
    zero = torch.as_tensor(known.policies(*states.numpy().T)["log_R"] < 0)
    return tuple(torch.where(zero, found[f"{name}_zero"], found[f"{name}_free"]) for name in ("euler", "prices"))


def test_the_reference_has_small_residuals_in_the_model(model, known, states):
    for values in residuals(model, known, states):
        assert values.abs().max() < 2e-5


def test_consumption_and_inflation_that_are_wrong_by_a_hundredth_have_residuals(model, known, states):
    for values in residuals(model, known, states, error=1.0):
        assert values.abs().min() > 3e-4


def test_the_rate_is_exactly_what_the_rule_asks_for_or_zero(model):
    with model.context():
        policies = torch.tensor([[0.0, -2.0, 0.0, 0.0], [0.0, 0.0, -1.0, -1.0]], dtype=model.dtype)
        states, D = torch.zeros(2, 2, dtype=model.dtype), model.Definitions
        assert D.R(states, policies)[0] == 1
        assert D.binds(states, policies).tolist() == [1.0, 0.0]
        assert D.R(states, policies)[1] == D.R_rule(states, policies)[1] > 1
        assert D.C(states, policies).tolist() == [1.0, 1.0]  # of the pair at zero, and of the one that follows the rule


def test_the_nodes_of_the_innovation_have_the_moments_of_a_normal_one(model):
    innovations, weights = (np.asarray(getattr(model.Parameters, name)) for name in ("innovations", "weights"))
    moments = [float(weights @ (innovations / CONSTANTS["sigma"]) ** k) for k in range(5)]
    assert moments == pytest.approx([1, 0, 1, 0, 3], abs=0.02)
