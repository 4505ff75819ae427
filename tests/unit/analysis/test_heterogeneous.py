"""The tests of the literature, on an economy that is known in closed form."""

from __future__ import annotations

import json
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import deqn
from deqn.analysis.heterogeneous import bellman, households, literature, post
from deqn.analysis.heterogeneous import path as path_module
from deqn.analysis.heterogeneous.agent import Household
from deqn.analysis.heterogeneous.bellman import Value, bellman_errors
from deqn.analysis.heterogeneous.economy import Economy, NotOffered
from deqn.analysis.heterogeneous.path import SEED, Path
from deqn.analysis.heterogeneous.statistics import forecast, percentile, quantiles, wealth_moments
from deqn.errors import ModelError
from tests.unit.analysis.heterogeneous import BETA, FILES, consume, returns

PERIODS = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> deqn.Run:
    folder = tmp_path_factory.mktemp("returns")
    return deqn.Run(returns(folder), folder)


def lived(run, share: float) -> dict[str, np.ndarray]:
    """The series of one household that starts with 43."""
    economy = Economy(run, consume(share))
    draws = np.random.default_rng(0).random((2, PERIODS + 1))
    household = Household(economy, 43.0, 1, draws[0])
    with run.model.context(), torch.no_grad():
        for stretch in economy.path(draws[1]):
            household.live(stretch)
    return household.series


def test_the_exact_policy_has_no_euler_error(run):
    series = lived(run, 1 - BETA)
    np.testing.assert_allclose(series["c_implied"], series["c"], rtol=1e-9)
    np.testing.assert_allclose(series["c_other"], series["c"], rtol=1e-9)
    np.testing.assert_allclose(series["a_other"], series["a"], rtol=1e-9)
    assert series["a"].std() > 1


def test_euler_errors_of_a_wrong_policy_are_those_of_the_closed_form(run):
    """Who consumes a share s finds (1 - s) / beta of it implied; the alternative series drifts away by that every period."""
    share = 1.05 * (1 - BETA)
    series, implied = lived(run, share), (1 - share) / BETA
    np.testing.assert_allclose(series["c_implied"] / series["c"], implied, rtol=1e-9)
    drift = ((1 - implied * share) / (1 - share)) ** np.arange(PERIODS)
    np.testing.assert_allclose(series["a_other"] / series["a"], drift, rtol=1e-8)
    np.testing.assert_allclose(series["c_other"] / series["c"], implied * drift, rtol=1e-8)


def test_at_the_borrowing_limit_all_is_consumed_and_no_error_counted(run):
    """Utility is almost linear, and 0.8 times the return below one: one consumes what is there, down to amin = 0.5."""
    economy = Economy(run, consume(0.9))
    economy.Definitions = SimpleNamespace(**vars(economy.Definitions) | {"utility": lambda c: c**0.99})
    economy.beta = np.full(2, 0.8)
    household = Household(economy, 2.0, 0, np.zeros(7))
    with run.model.context(), torch.no_grad():
        for stretch in economy.path(np.zeros(7)):
            household.live(stretch)
    assert household.series["a"][1:] == pytest.approx(0.5)
    np.testing.assert_allclose(household.series["a_other"], household.series["a"])
    np.testing.assert_allclose(household.series["c_implied"], household.series["c"])


def test_a_bond_with_a_price_has_no_euler_error_and_no_bellman_error(tmp_path):
    """The same economy where a unit of assets costs a half, pays half as much, and prices are policies."""
    definitions = FILES["Definitions"].replace("cash_on_hand(state, a)", "cash_on_hand(state, policy_state, a)")
    definitions = definitions.replace("return State.R(state)", "return 0.5 * State.R(state)").replace(
        "* cash).clamp", "* cash / 0.5).clamp"
    )
    definitions = definitions.replace("cash_on_hand(state, Parameters", "cash_on_hand(state, policy_state, Parameters")
    definitions = definitions.replace("Households(cash - a_next", "Households(cash - 0.5 * a_next")
    definitions += dedent("""
        def price_of_assets(state, policy_state):
            return 0.5 * State.R(state) / State.R(state)
        """).replace("\n", "\n        ")
    run = deqn.Run(returns(tmp_path, Definitions=definitions), tmp_path)
    series = lived(run, 1 - BETA)
    np.testing.assert_allclose(series["c_implied"], series["c"], rtol=1e-9)
    np.testing.assert_allclose(series["a_other"], series["a"], rtol=1e-9)
    with run.model.context(), torch.no_grad():
        economy = Economy(run, consume(1 - BETA))
        assert bellman_errors(economy, *kept(economy), measured=10)["E|V - max(u + beta E V')|"] < 4e-4


def kept(economy, periods=1_000):
    """States and shocks of a path that is not long enough for wealth to leave the grid: 10 from each period 20 apart."""
    states, shocks = [], []
    for seed in range(10):
        for stretch in economy.path(np.random.default_rng(seed).random(41)):
            states.append(stretch.now[::4])
            shocks.append(stretch.shocks[:-1:4])
    return torch.cat(states), np.concatenate(shocks)


@pytest.mark.parametrize("magnified", [0.0, np.inf], ids=["linear in K", "a polynomial in K"])
def test_the_value_of_the_policy_is_that_of_the_closed_form(run, magnified, monkeypatch):
    monkeypatch.setattr(bellman, "_LEBESGUE", magnified)
    economy = Economy(run, consume(1 - BETA))
    with run.model.context(), torch.no_grad():
        states, shocks = kept(economy)
        V = Value(economy, states, shocks).at(shocks[:5], economy.wealth(states[:5]))
    log_R = np.log(np.outer([0.98, 1.02], [0.97, 1.03]) / BETA)
    A = (np.log(1 - BETA) + BETA / (1 - BETA) * (np.log(BETA) + log_R.mean())) / (1 - BETA)
    exact = A + (log_R[shocks[:5]][..., None] + np.log(economy.a_grid)) / (1 - BETA)
    middle = (economy.a_grid > 5) & (economy.a_grid < 100)  # far from both ends of the grid
    np.testing.assert_allclose(V[..., middle], exact[..., middle], atol=0.01)  # V is linear between 150 nodes


def test_the_bellman_error_is_the_gain_of_the_best_deviation(run):
    """Of a share s: log((1 - beta) / s) + beta / (1 - beta) log(beta / (1 - s)), to the interpolation of V."""
    for share in (1 - BETA, 1.3 * (1 - BETA)):
        economy = Economy(run, consume(share))
        with run.model.context(), torch.no_grad():
            found = bellman_errors(economy, *kept(economy), measured=20)
        exact = np.log((1 - BETA) / share) + BETA / (1 - BETA) * np.log(BETA / (1 - share))
        gain = found["E[max(u + beta E V') - (u + beta E V')], of a one-period deviation"]
        assert gain == pytest.approx(exact, abs=2e-4)
        assert found["E|V - max(u + beta E V')|"] == pytest.approx(exact, abs=4e-4)
    assert exact > 4e-3


def test_what_a_folder_lacks_is_said_at_once(tmp_path):
    definitions = FILES["Definitions"].replace("def utility(c)", "def felicity(c)")
    dynamics = FILES["Dynamics"].replace("transition(state, next_state)", "moves(state, next_state)")
    dynamics = dynamics.replace("transition(state, state)", "moves(state, state)")
    model = returns(tmp_path, Definitions=definitions, Dynamics=dynamics)
    with pytest.raises(
        NotOffered, match=r"returns does not offer Definitions\.utility\(c\): .*; Dynamics\.transition\(state"
    ):
        Economy(deqn.Run(model, tmp_path))
    with pytest.raises(NotOffered, match="brock_mirman has no state `distribution`"):
        Economy(deqn.Run(deqn.load_model("brock_mirman"), tmp_path))


@pytest.fixture(scope="module")
def report(run) -> dict:
    names = {"exact": consume(1 - BETA), "wrong": consume(1.05 * (1 - BETA))}
    return literature.literature(run, {name: Path(Economy(run, p), PERIODS, 3) for name, p in names.items()})


def test_all_that_is_measured_is_written(run, report):
    written = json.loads((run.output / "den_haan_judd_juillard.json").read_text())
    assert written.pop("shocks") == {"periods": PERIODS, "left out before": 3, "seed": SEED}
    assert written == report
    text = (run.output / "den_haan_judd_juillard.md").read_text()
    for section, rows in report.items():
        assert f"## {section}" in text
        assert all(f"| {name.replace('|', chr(92) + '|')} |" in text for name in rows)
    assert "|  | exact | wrong |" in text


def test_both_columns_have_the_shocks_of_the_file(run, report):
    shocks = np.loadtxt(run.output / "shocks.csv", delimiter=",", skiprows=1, dtype=int)
    draws = np.random.default_rng(SEED).random(PERIODS + 4)
    np.testing.assert_array_equal(shocks[:, 1], (draws[3:-1] >= 0.5).astype(int))
    own = np.random.default_rng([SEED, 1]).random(PERIODS + 1)
    np.testing.assert_array_equal(shocks[1:, 2], (own[1:-1] >= 0.5).astype(int))
    assert report["Euler equation of one household"]["static, c, mean"]["exact"] < 1e-6
    assert report["Euler equation of one household"]["static, c, mean"]["wrong"] == pytest.approx(100 * 0.005 / 0.9)


def test_a_published_column_stands_beside_the_others(run, report, tmp_path):
    row = "autocorrelation of c, lag 1"
    file = tmp_path / "published.csv"
    file.write_text(f'section,row,Somebody (2010)\none household,"{row}",0.5\n')
    some = {"one household": {row: dict(report["one household"][row])}}
    literature._add_published(some, [file])
    assert some["one household"][row]["Somebody (2010)"] == 0.5
    file.write_text('section,row,Somebody (2010)\none household,"autocorrelation of c, lag 4",0.5\n')
    with pytest.raises(
        ModelError, match=r"line 2: no row 'autocorrelation of c, lag 4'.*Did you mean autocorrelation of c"
    ):
        literature._add_published(some, [file])


def with_debt(folder) -> deqn.Run:
    """The same economy with assets less by two: mean wealth is negative, K is a definition and positive responses none."""
    changes = {
        "Calibration": FILES["Calibration"].replace("0.5 + 499.5", "-1.5 + 499.5").replace("240:250", "30:40"),
        "Definitions": FILES["Definitions"].replace("* Parameters.h[:, None] * a\n", "* Parameters.h[:, None] * (a + 2) - 2\n")
        .replace("((1 - PolicyState.share(policy_state)) * cash)", "((1 - PolicyState.share(policy_state)) * (cash + 2) - 2)"),
    }  # fmt: skip
    changes["Definitions"] += dedent("""
        from deqn import histogram

        def K(state, policy_state):
            return histogram.aggregate(State.distribution(state), Parameters.a_grid)
        """).replace("\n", "\n        ")
    model = returns(folder, definitions="[{name: K}]", **changes)
    run = deqn.Run(model, folder, model.initial_states(8))
    model.network = consume(1 - BETA)
    return run


def test_post_processing_of_an_economy_with_debt(tmp_path, monkeypatch):
    """All that needs no positive wealth is there: no law of motion of log K, no Gini coefficient."""
    monkeypatch.setattr(path_module, "PERIODS", 100)
    monkeypatch.setattr(path_module, "BURN_IN", 2)
    run = with_debt(tmp_path)
    lines = post.post_process(run)
    report = json.loads((tmp_path / "den_haan_judd_juillard.json").read_text())
    assert report["wealth"]["mean, e = 0, all periods"]["network"] < 0
    assert report["Euler equation of one household"]["dynamic, c, largest"]["network"] < 1e-6
    assert "law of motion" not in report
    moments = (tmp_path / "aggregate_moments.csv").read_text()
    assert "mean K," in moments
    assert "Gini" not in moments
    assert "std log K" not in moments
    responses = pd.read_csv(tmp_path / "aggregate_responses.csv")
    K = responses[responses["variable"] == "K"]["network"].to_numpy()
    assert abs(K[0]) < 1e-9
    assert K[1] > 0
    assert any(line.startswith("network: dynamic Euler errors of c: mean 0.0000 %") for line in lines)
    assert (tmp_path / "euler_errors_by_wealth.png").is_file()
    assert (tmp_path / "households.png").is_file()


def test_the_figure_of_households_shows_what_they_do_in_the_state_with_the_median_K(run):
    with run.model.context(), torch.no_grad():
        path = Path(Economy(run, consume(1 - BETA)), periods=500, burn_in=2)
        left, centre, right = households.draw(path).axes
    K, a = path.economy.summary(path.states), path.economy.a_grid
    state = path.states[np.argsort(K)[len(K) // 2]]
    R, masses = float(state[0]), state[1:].reshape(2, -1).numpy()
    assert f"K = {np.sort(K)[len(K) // 2]:.4g}, R = {R:.4g}" in left.figure.get_suptitle()
    for e, h in enumerate((0.97, 1.03)):
        (nodes, savings), (_, c), (_, shares) = (axis.lines[e].get_data() for axis in (left, centre, right))
        cash = R * h * a
        a_next = np.maximum(BETA * cash, a[0])
        np.testing.assert_allclose(c, (cash - a_next)[: len(c)], rtol=1e-9)
        np.testing.assert_allclose(savings, a_next[: len(savings)], rtol=1e-9)
        assert shares[-1] == pytest.approx(100 * masses[e][: len(shares)].sum() / masses[e].sum())
    assert masses[:, : len(nodes)].sum() >= 0.5 > masses[:, : len(nodes) - 1].sum()
    np.testing.assert_array_equal(*left.lines[2].get_data())


def test_a_folder_may_say_what_stands_for_the_distribution(tmp_path, monkeypatch):
    """Where mean wealth is always the same, as that of bonds among households."""
    monkeypatch.setattr(path_module, "PERIODS", 60)
    monkeypatch.setattr(path_module, "BURN_IN", 2)
    spread = dedent("""
        from deqn import histogram

        def summary(state):
            return histogram.aggregate(State.distribution(state), Parameters.a_grid**2)
        """).replace("\n", "\n        ")
    model = returns(tmp_path, Definitions=FILES["Definitions"] + spread)
    economy = Economy(deqn.Run(model, tmp_path, model.initial_states(8)), consume(1 - BETA))
    with model.context(), torch.no_grad():
        path = Path(economy)
        masses = economy.distribution(path.states).double().numpy()
    np.testing.assert_allclose(path.series["K"][::10], masses.sum(1) @ economy.a_grid**2, rtol=1e-6)
    assert "law of motion" in literature.literature(economy.run, {"network": path})


# -- statistics -----------------------------------------------------------------------------------------------------


def test_moments_are_those_of_the_repeated_sample():
    rng = np.random.default_rng(0)
    a_grid, counts = np.linspace(0, 10, 30), rng.integers(0, 9, 30)
    found, sample = wealth_moments(3.0 * counts, a_grid), np.repeat(a_grid, counts)
    assert found[0] == pytest.approx(sample.mean())
    assert found[1] == pytest.approx(sample.std())
    for j in (3, 4, 5):
        assert np.sign(found[j - 1]) * abs(found[j - 1]) ** j == pytest.approx(((sample - sample.mean()) ** j).mean())


def test_percentiles_of_a_uniform_distribution_lie_on_its_line():
    a_grid = np.linspace(0, 1, 101)
    masses = np.stack([np.r_[0, np.full(100, 0.01)], np.r_[0.2, np.zeros(99), 0.8]])
    np.testing.assert_allclose(percentile(masses, a_grid, 0.055)[0], 0.055)
    assert percentile(masses, a_grid, 0.1)[1] == 0


def test_quantiles_by_weights_are_those_of_the_repeated_sample():
    rng = np.random.default_rng(0)
    errors, counts = rng.exponential(size=(20, 50)), rng.integers(0, 5, (20, 50))
    found, repeated = quantiles(errors, counts), np.repeat(errors.ravel(), counts.ravel())
    assert found["mean"] == pytest.approx(repeated.mean())
    assert [found[q] for q in ("p50", "p90", "p99")] == pytest.approx(
        np.quantile(repeated, [0.5, 0.9, 0.99], method="inverted_cdf")
    )
    assert quantiles(errors)["p90"] == pytest.approx(np.quantile(errors, 0.9, method="inverted_cdf"))


def test_a_law_of_motion_that_is_log_linear_forecasts_without_error():
    z = np.random.default_rng(0).integers(0, 2, 400)
    log_K = np.zeros(400)
    for t in range(399):
        log_K[t + 1] = (0.01, -0.01)[z[t]] + (0.9, 0.95)[z[t]] * log_K[t]
    found = forecast(np.exp(log_K), z)
    assert found["Den Haan max [%]"] < 1e-10
    assert found["R2"] == pytest.approx(1)
