"""The classical solution of the economy of Krusell and Smith (1998): against published numbers, the model's identities.

The calibration is that of Den Haan, Judd and Juillard (2010, Journal of Economic Dynamics and Control 34, 1-3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

ASSETS = 200
SIZE = {"n_assets": ASSETS, "n_capital": 7, "periods": 5_000}

BETA, ALPHA, DELTA, HOURS, BENEFIT = 0.99, 0.36, 0.025, 1 / 0.9, 0.15
Z = np.array([0.99, 1.01])
U = np.array([0.10, 0.04])
LABOUR = HOURS * (1 - U)
INCOME = np.array([[BENEFIT, HOURS - BENEFIT * u / (1 - u)] for u in U])  # in wages: unemployed, employed
PUBLISHED = np.array(
    [  # from and to (bad, unemployed), (bad, employed), (good, unemployed), (good, employed)
        [0.525, 0.35, 0.03125, 0.09375],
        [0.038889, 0.836111, 0.002083, 0.122917],
        [0.09375, 0.03125, 0.291667, 0.583333],
        [0.009115, 0.115885, 0.024306, 0.850694],
    ]
).reshape(2, 2, 2, 2)  # Z, e, Z', e'


def interest(z: int, K: Any) -> Any:
    return ALPHA * Z[z] * (K / LABOUR[z]) ** (ALPHA - 1) - DELTA


def wage(z: int, K: Any) -> Any:
    return (1 - ALPHA) * Z[z] * (K / LABOUR[z]) ** ALPHA


def output(z: Any, K: Any) -> Any:
    return Z[z] * K**ALPHA * LABOUR[z] ** (1 - ALPHA)


@pytest.fixture(scope="module")
def constants(reference) -> dict[str, Any]:
    return reference.read_constants("krusell_smith_1998")


@pytest.fixture(scope="module")
def solution(reference, constants) -> dict[str, np.ndarray]:
    return reference.solve(constants, **SIZE)


# --------------------------------------------------------------------------------------------------------- the economy


def test_the_chain_of_productivity_and_employment_is_the_published_one(reference, constants):
    """To the six digits printed in Den Haan, Judd and Juillard (2010)."""
    p = reference.economy(constants)
    joint = np.einsum("zy,zyef->zeyf", p["Pi_tfp"], p["Pi_e"])
    np.testing.assert_allclose(joint, PUBLISHED, atol=5.1e-7)
    np.testing.assert_allclose(p["Pi_e"].sum(-1), 1, rtol=1e-15)


def test_the_chain_takes_unemployment_from_its_rate_to_the_next_one(reference, constants):
    p = reference.economy(constants)
    for z in range(2):
        for y in range(2):
            np.testing.assert_allclose([U[z], 1 - U[z]] @ p["Pi_e"][z, y], [U[y], 1 - U[y]], rtol=1e-15)


def test_incomes_add_up_to_output(reference, constants):
    """Benefits are paid by the tax in every quarter: net incomes, and what capital earns, are output."""
    p = reference.economy(constants)
    np.testing.assert_allclose(p["labour"], LABOUR, rtol=1e-15)
    np.testing.assert_allclose(p["income"], INCOME, rtol=1e-14)
    np.testing.assert_allclose(p["labour"][0], 1, rtol=1e-15)
    K = 39.3
    for z in range(2):
        r, w = reference.prices(p, z, K)
        assert w * (U[z] * p["income"][z, 0] + (1 - U[z]) * p["income"][z, 1]) + (r + DELTA) * K == pytest.approx(
            output(z, K), rel=1e-14
        )


def test_the_economy_without_shocks_is_that_of_others(reference, constants):
    """Chain and income of the steady state printed in the code of Sunakawa (2020, Computational Economics 55, 845-874).

    Transitions are averaged over Z and Z' given e. He sets hours so that labour is one at mean unemployment.
    """
    p = reference.without_shocks(reference.economy(constants | {"hours": 1 / 0.93}))
    np.testing.assert_allclose(p["Pi_e"][0, 0, 0], [0.507440476190476, 0.492559523809524], rtol=1e-13)
    np.testing.assert_allclose(p["Pi_e"][0, 0, 1], [3.707437275985664e-2, 0.962925627240143], rtol=1e-13)
    np.testing.assert_allclose(p["income"], [[0.15, 1.06397849462366]], rtol=1e-13)
    np.testing.assert_allclose(p["labour"], [1], rtol=1e-14)


def test_an_economy_whose_chain_depends_on_nothing_is_left_as_it_is_without_shocks(reference):
    p = reference.economy(reference.read_constants("krusell_smith"))
    q = reference.without_shocks(p)
    np.testing.assert_array_equal(q["Pi_e"][0, 0], p["Pi_e"][3, 1])
    np.testing.assert_array_equal(q["income"][0], p["income"][2])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"benefit": 0.0}, "benefit = 0: unemployed households without assets have nothing to consume"),
        ({"u_good": 0.0}, "u_good = 0: expected shares between 0 and 1"),
        ({"duration_u_good": 0.5}, "at least one quarter is needed"),
        ({"duration_u_bad": 20.0}, "not between 0 and 1"),
        ({"hours": "1.1"}, "no numbers: hours = '1.1'"),
    ],
)
def test_wrong_constants_are_named(reference, constants, changed, message):
    with pytest.raises(ValueError, match=message):
        reference.economy(constants | changed)


def test_missing_constants_are_those_of_the_economy_that_is_meant(reference, constants):
    with pytest.raises(ValueError, match=r"^missing constants: amin, u_bad$"):
        reference.economy({name: x for name, x in constants.items() if name not in ("amin", "u_bad")})


# ---------------------------------------------------------------------------------------------------- published results


def test_the_law_of_motion_is_the_published_one(solution):
    """Maliar, Maliar and Valli (2010, Journal of Economic Dynamics and Control 34, 42-49).

    Their coefficients, as quoted in the code of Sunakawa (2020): log K' = 0.123815 + 0.965565 log K in recessions and
    0.137800 + 0.963238 log K in booms. Intercept and slope move together from sample to sample, so that forecasts are
    compared, where capital is. Theirs are from 1,000 quarters; over twenty such paths of our economy, the forecast moved by
    7e-5 at most, and by 3e-5 with the number of asset nodes. With the bound, the law's long-run K is theirs to 0.5 %.
    """
    theirs = np.array([[0.123815, 0.965565], [0.137800, 0.963238]])
    log_K = np.log(np.linspace(36.8, 42.2, 30))
    ours, published = (law[:, :1] + law[:, 1:] * log_K for law in (solution["log_linear"], theirs))
    assert np.abs(ours - published).max() < 1.5e-4
    assert solution["R2_log_linear"].min() > 0.999998


def test_the_known_numbers_of_the_economy(solution):
    """Those of 1,600 asset nodes to 500, 13 of log K and 10,000 quarters, up to what grid and path change."""
    assert float(solution["K_ss"]) == pytest.approx(39.3909, rel=1e-3)
    assert float(solution["mean_K"]) == pytest.approx(39.448, rel=1e-2)
    assert float(solution["std_log_K"]) == pytest.approx(0.0269, rel=0.15)
    assert float(solution["at_limit"]) == pytest.approx(3.5e-5, rel=0.5)
    assert float(solution["gini"]) == pytest.approx(0.274, abs=0.02)
    assert float(solution["top_10"]) == pytest.approx(0.209, abs=0.01)
    assert float(solution["mass_at_top"]) < 1e-5


def test_the_quadratic_law_forecasts_better_than_the_log_linear_one(solution):
    assert (solution["R2"] > solution["R2_log_linear"]).all()
    assert float(solution["den_haan_max"]) < 0.3
    assert float(solution["den_haan_mean"]) < 0.1


# ----------------------------------------------------------------------------------------------------------- identities


def test_capital_accumulates_what_is_saved_and_unemployment_is_that_of_productivity(reference, solution):
    z = solution["path_z"]
    path = reference.simulate(solution, z)
    np.testing.assert_array_equal(path["K"], solution["path_K"])
    np.testing.assert_allclose(path["mass"], 1, atol=1e-12)
    np.testing.assert_allclose(path["by_e"], np.stack([U[z], 1 - U[z]], -1), rtol=0, atol=1e-12)
    K, C = path["K"], path["C"]
    np.testing.assert_allclose(K[1:], ((1 - DELTA) * K + output(z, K) - C)[:-1], rtol=1e-12)
    assert path["distribution"].min() >= 0
    assert float(solution["mean_Y"]) == pytest.approx(output(z, K)[1000:].mean(), rel=1e-12)


def test_a_distribution_gets_the_unemployment_of_the_first_quarter(reference, solution):
    """Rows are scaled, and keep their shape; also on a finer histogram."""
    D = np.random.default_rng(0).random((2, ASSETS)) / ASSETS
    first = reference.simulate(solution, [0], D)
    expected = D / D.sum(1, keepdims=True) * [[0.1], [0.9]]
    assert first["K"][0] == pytest.approx(float(expected.sum(0) @ solution["a_grid"]), rel=1e-13)
    np.testing.assert_allclose(first["by_e"], [[0.1, 0.9]], rtol=1e-13)
    fine = reference.simulate(solution, [1, 0, 0, 1], D, n_assets=2 * ASSETS)
    np.testing.assert_allclose(fine["by_e"][:, 0], [0.04, 0.1, 0.1, 0.04], rtol=1e-13)
    with pytest.raises(ValueError, match="no unemployed or no employed"):
        reference.simulate(solution, [0], D * [[0], [1]])


def test_a_quarter_is_transported_as_by_hand(reference, solution):
    """Savings by the lottery of Young (2010), then employment by the published chain from Z to Z'."""
    a_grid = solution["a_grid"]
    for z in range(2):
        D = solution["distribution"] * [[U[z] / 0.07], [(1 - U[z]) / 0.93]]
        K = D.sum(0) @ a_grid
        c = reference.consumption_at(solution, z, K)
        savings = (1 + interest(z, K)) * a_grid + wage(z, K) * INCOME[z][:, None] - c
        moved = np.zeros_like(D)
        for e in range(2):
            for i in range(ASSETS):
                j = min(int((a_grid <= max(savings[e, i], 0)).sum()), ASSETS - 1)
                share = (savings[e, i] - a_grid[j - 1]) / (a_grid[j] - a_grid[j - 1])
                moved[e, j - 1] += D[e, i] * (1 - share)
                moved[e, j] += D[e, i] * share
        for y in range(2):
            chain = PUBLISHED[z, :, y] / PUBLISHED[z, :, y].sum(1, keepdims=True)
            after = reference.simulate(solution, [z], D, z_after=y)["distribution"]
            np.testing.assert_allclose(after, chain.T @ moved, atol=2e-7)  # the chain has six digits


def test_a_path_can_be_continued_where_the_next_productivity_is_told(reference, solution):
    z = solution["path_z"][:200].copy()
    z[100] = 1 - z[99]
    whole = reference.simulate(solution, z)
    first = reference.simulate(solution, z[:100], z_after=z[100])
    rest = reference.simulate(solution, z[100:], first["distribution"])
    np.testing.assert_allclose(np.concatenate([first["K"], rest["K"]]), whole["K"], rtol=1e-13)
    with pytest.raises(ValueError, match="z_after: expected an integer from 0 to 1"):
        reference.simulate(solution, z, z_after=2)


def test_the_stationary_equilibrium_is_one(reference, solution):
    """Market clearing, mean unemployment, and a distribution that its own savings and chain leave as it is."""
    s = solution
    p, D, K = reference.without_shocks(s), s["distribution"], float(s["K_ss"])
    assert D.sum(0) @ s["a_grid"] == pytest.approx(K, rel=1e-8)
    np.testing.assert_allclose(D.sum(1), [0.07, 0.93], rtol=1e-10)
    _, c, _ = reference.stationary_equilibrium(p)
    ratio = K / (HOURS * 0.93)
    r, w = ALPHA * ratio ** (ALPHA - 1) - DELTA, (1 - ALPHA) * ratio**ALPHA
    assert 0 < r < 1 / BETA - 1
    savings = (1 + r) * s["a_grid"] + w * p["income"][0][:, None] - c
    assert (D * savings).sum() == pytest.approx(K, rel=1e-8)  # Y - C = delta K
    expected = p["Pi_e"][0, 0] @ (BETA * (1 + r) / c)
    implied = np.stack([np.interp(x, s["a_grid"], 1 / row) for x, row in zip(savings, expected, strict=True)])
    free = (savings > 1e-10) & (savings < s["a_grid"][-1])
    assert np.abs(implied / c - 1)[free].max() < 1e-8


# ---------------------------------------------------------------------------------------------------- households' choices


def choices(reference, s, z: int, K: float, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Consumption and savings [2, n] at assets a [n], linear between the nodes; the forecast of K'."""
    c = np.stack([np.interp(a, s["a_grid"], row) for row in reference.consumption_at(s, z, K)])
    x = np.log(K / s["K_ss"])
    K_next = float(s["K_ss"] * np.exp(s["law"][z] @ [1, x, x**2]))
    return c, (1 + interest(z, K)) * a + wage(z, K) * INCOME[z][:, None] - c, K_next


@pytest.mark.parametrize("position", [3.0, 2.5, 1.2])
def test_the_euler_equation_holds_at_the_forecast(reference, solution, position):
    """Written out anew with the published chain, at nodes of assets: at those of log K and between them.

    There, the polynomials in log K leave up to 1e-7 of savings to households that have none.
    """
    s, step = solution, solution["log_K_grid"][1] - solution["log_K_grid"][0]
    K = float(np.exp(s["log_K_grid"][0] + position * step))
    for z in range(2):
        c, savings, K_next = choices(reference, s, z, K, s["a_grid"])
        expected = np.zeros_like(c)
        for y in range(2):
            marginal = (1 + interest(y, K_next)) / reference.consumption_at(s, y, K_next)
            expected += BETA * PUBLISHED[z, :, y] @ marginal
        implied = np.stack([np.interp(x, s["a_grid"], 1 / row) for x, row in zip(savings, expected, strict=True)])
        error, free = (implied / c - 1)[:, :-10], savings[:, :-10] > 1e-6  # a' <= amax is a kink, at the last nodes
        assert np.abs(error[free]).max() < 1e-5  # the chain has six digits
        assert error[~free].min() > -1e-5


def test_euler_errors_between_nodes_are_small(reference, solution):
    """At midpoints of assets and off the nodes of log K, the choices' own linear interpolation included.

    With 100 nodes of assets the mean is 9e-4, with 200 it is 2.3e-4, with 400 3e-5: the curvature near the limit.
    """
    s = solution
    a = (s["a_grid"][1:] + s["a_grid"][:-1])[s["a_grid"][1:] < 150] / 2
    for K in (37.1, 39.3, 41.6):
        for z in range(2):
            c, savings, K_next = choices(reference, s, z, K, a)
            expected = np.zeros_like(c)
            for y in range(2):
                for e in range(2):
                    c_next, _, _ = choices(reference, s, y, K_next, savings[e])
                    expected[e] += BETA * PUBLISHED[z, e, y] @ ((1 + interest(y, K_next)) / c_next)
            error = np.abs(1 / expected / c - 1)
            assert error[savings > 1e-9].mean() < 4e-4
            assert error[:, a > 5].max() < 8e-4


def test_consumption_rises_with_assets_and_employment(reference, solution):
    c = np.stack([reference.consumption_at(solution, z, 39.3) for z in range(2)])
    assert (np.diff(c, axis=-1) > 0).all()
    assert (c[:, 1] > c[:, 0]).all()


def test_a_chain_given_for_all_pairs_of_states_is_that_given_once(reference):
    rng = np.random.default_rng(1)
    p = reference.economy(reference.read_constants("krusell_smith"), n_assets=50)
    cash = reference.cash_on_hand(p, np.arange(4), np.array([31.0, 32.0, 33.0, 34.0]))
    discount = 0.98 * rng.dirichlet(np.ones(4), 4)
    once = p["Pi_e"][0, 0]
    pairs = np.tile(once, (4, 4, 1, 1))
    (c, n, _), (d, m, _) = (
        reference.time_iteration(0.1 * cash, cash, discount, x, p["a_grid"], eis=0.5, tolerance=1e-10)
        for x in (once, pairs)
    )
    assert int(n) == int(m) > 10
    np.testing.assert_allclose(d, c, rtol=1e-12)


# ------------------------------------------------------------------------------------------------------- files, command


def test_save_and_load(reference, solution, tmp_path):
    reference.save(solution, tmp_path / "reference.npz")
    loaded, z = reference.load(tmp_path / "reference.npz"), solution["path_z"][:100]
    assert loaded.keys() == solution.keys()
    np.testing.assert_array_equal(reference.simulate(loaded, z)["K"], solution["path_K"][:100])


def test_the_command_solves_the_economy(reference, capsys, tmp_path):
    reference.main(
        ["--constants", "krusell_smith_1998", "--assets", str(ASSETS), "--top", "200", "--capital", "7"]
        + ["--periods", "5000", "--out", str(tmp_path / "reference.npz")]
    )
    printed = capsys.readouterr().out
    assert "mean of capital" in printed
    assert "log K' at Z = 0.9900, log-linear" in printed
    loaded = reference.load(tmp_path / "reference.npz")
    assert loaded["consumption"].shape == (2, 7, 2, ASSETS)
    assert loaded["a_grid"][-1] == 200
