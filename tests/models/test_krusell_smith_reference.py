"""The classical solution (models/krusell_smith/reference/): against sequence-jacobian, the network's model, itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import deqn

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "models" / "krusell_smith" / "reference" / "Reference.py"
ASSETS = 120
SIZE = {"n_assets": ASSETS, "n_capital": 7, "periods": 5_000}


@pytest.fixture(scope="module")
def constants(reference) -> dict[str, Any]:
    return reference.read_constants("krusell_smith")


@pytest.fixture(scope="module")
def solution(reference, constants) -> dict[str, np.ndarray]:
    return reference.solve(constants, **SIZE)


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("krusell_smith", [f"constants.nA={ASSETS}", "run.keras_precision=float64"])


def test_it_shares_no_code_with_the_network() -> None:
    text = PATH.read_text(encoding="utf-8")
    imported = {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.lstrip().startswith(("import ", "from "))
    }
    assert imported == {
        "argparse", "numbers", "sys", "time", "functools", "pathlib", "jax", "numpy", "scipy", "sequence_jacobian", "yaml",
    }  # fmt: skip


def test_grids_and_chains_are_those_of_the_networks_model(solution, model):
    for name in ("a_grid", "tfp_grid", "Pi_tfp"):
        np.testing.assert_allclose(solution[name], model.calibration[name], rtol=1e-12, atol=1e-14, err_msg=name)
    for z in range(5):
        np.testing.assert_allclose(solution["income"][z], model.calibration["e_grid"], rtol=1e-12)
        for y in range(5):
            np.testing.assert_allclose(solution["Pi_e"][z, y], model.calibration["Pi_e"], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(solution["labour"], np.ones(5))


def test_the_stationary_equilibrium_is_that_of_sequence_jacobian(solution, model):
    assert float(solution["K_ss"]) == pytest.approx(float(model.calibration["K_ss"]), rel=1e-7)
    np.testing.assert_allclose(solution["distribution"], model.calibration["D_ss"], atol=1e-8)


def test_without_aggregate_shocks_capital_stays_at_that_of_sequence_jacobian(reference, constants, model):
    calm = reference.solve(constants | {"sigma_tfp": 1e-9}, **SIZE)
    assert float(calm["mean_K"]) == pytest.approx(float(model.calibration["K_ss"]), rel=1e-4)
    assert float(calm["std_log_K"]) < 1e-6
    assert float(calm["den_haan_max"]) < 1e-4


def test_the_known_numbers_of_the_economy(solution):
    # on a path this short, and with 120 nodes, which put capital 0.2 % too high
    assert float(solution["mean_K"]) == pytest.approx(33.13, rel=5e-3)
    assert float(solution["std_log_K"]) == pytest.approx(0.0107, rel=0.25)
    assert float(solution["at_limit"]) == pytest.approx(0.0534, abs=0.003)
    assert float(solution["gini"]) == pytest.approx(0.5126, abs=0.003)
    assert float(solution["top_10"]) == pytest.approx(0.305, abs=0.004)
    assert float(solution["mass_at_top"]) < 1e-9


def test_the_law_of_motion_forecasts_capital(solution):
    assert solution["R2"].min() > 0.9999995
    assert float(solution["den_haan_max"]) < 0.05


def test_mass_is_conserved_and_capital_accumulates_what_is_saved(reference, solution):
    path = reference.simulate(solution, solution["path_z"])
    np.testing.assert_allclose(path["mass"], 1, atol=1e-11)
    np.testing.assert_array_equal(path["K"], solution["path_K"])
    K, C, Z = path["K"], path["C"], solution["tfp_grid"][solution["path_z"]]
    np.testing.assert_allclose(K[1:], ((1 - 0.025) * K + Z * K**0.36 - C)[:-1], rtol=1e-11)
    assert path["distribution"].min() >= 0


def test_a_path_can_be_continued_from_a_distribution(reference, solution):
    z = solution["path_z"][:200]
    whole, first = reference.simulate(solution, z), reference.simulate(solution, z[:120])
    rest = reference.simulate(solution, z[120:], first["distribution"])
    np.testing.assert_allclose(np.concatenate([first["K"], rest["K"]]), whole["K"], rtol=1e-13)


def test_a_finer_histogram_starts_from_the_same_capital_and_stays_near(reference, solution):
    z = solution["path_z"][:1000]
    coarse, fine = reference.simulate(solution, z), reference.simulate(solution, z, n_assets=2 * ASSETS)
    assert fine["K"][0] == pytest.approx(coarse["K"][0], rel=1e-12)
    assert np.abs(np.log(fine["K"] / coarse["K"])).max() < 5e-3
    assert not np.array_equal(fine["K"], coarse["K"])


@pytest.mark.parametrize("position", [3.0, 2.5])
def test_the_euler_equation_holds_at_the_forecast(reference, solution, position):
    """Written out anew: at the nodes of log K and between them, with the constraint respected."""
    s, step = solution, solution["log_K_grid"][1] - solution["log_K_grid"][0]
    beta, gamma = 0.98, 2
    log_K = s["log_K_grid"][0] + position * step
    K = np.exp(log_K)
    for z in range(5):
        K_next = s["K_ss"] * np.exp(reference.forecast(s["law"], z, log_K - np.log(s["K_ss"])))
        c = reference.consumption_at(s, z, K)
        Z = s["tfp_grid"]
        r, w = 0.36 * Z[z] * K**-0.64 - 0.025, 0.64 * Z[z] * K**0.36
        a_next = (1 + r) * s["a_grid"] + w * s["income"][z][:, None] - c
        expected = np.zeros_like(c)
        for y in range(5):
            marginal = (1 + 0.36 * Z[y] * K_next**-0.64 - 0.025) * reference.consumption_at(s, y, K_next) ** -gamma
            expected += beta * s["Pi_tfp"][z, y] * s["Pi_e"][z, y] @ marginal
        implied = np.stack(
            [np.interp(x, s["a_grid"], row) for x, row in zip(a_next, expected ** (-1 / gamma), strict=True)]
        )
        error = implied / c - 1
        error, free = error[:, :-10], a_next[:, :-10] > 1e-10  # the bound a' <= amax is a kink in K, at the last nodes
        assert np.abs(error[free]).max() < 1e-6
        assert error[~free].min() > -1e-6


def test_the_networks_equations_hold_at_the_reference_policy(reference, solution, model, monkeypatch):
    """deqn's residuals with the reference's consumption shares: capital tomorrow is the histogram's, not the law's."""
    State, Parameters = model.State, model.Parameters

    def shares(states: torch.Tensor) -> torch.Tensor:
        D = State.distribution(states)
        z = (State.Z(states)[..., None] - Parameters.tfp_grid).abs().argmin(-1).numpy()
        K = (D.sum(-2) @ Parameters.a_grid).numpy()
        c = reference.consumption_at(solution, z, K)
        cash = reference.cash_on_hand(solution, z, K)
        return torch.as_tensor(c / cash).flatten(-2)

    monkeypatch.setattr(model.expectations, "policy", shares)
    states = model.initial_states(15)
    for i, length in enumerate((1, 900, 2_500)):
        D = torch.tensor(reference.simulate(solution, solution["path_z"][:length])["distribution"])
        block = State.update_dict(
            states[5 * i : 5 * i + 5], {"Z": Parameters.tfp_grid, "distribution": D.expand(5, *D.shape)}
        )
        states[5 * i : 5 * i + 5] = block
    residuals = model.equations(states, shares(states))["euler"].abs()
    assert residuals[..., :-10].max() < 3e-6  # the bound a' <= amax is a kink in K, at the last nodes
    assert residuals.mean() < 1e-6


def test_save_and_load(reference, solution, tmp_path):
    reference.save(solution, tmp_path / "reference.npz")
    loaded = reference.load(tmp_path / "reference.npz")
    assert loaded.keys() == solution.keys()
    for name, value in solution.items():
        np.testing.assert_array_equal(loaded[name], value, err_msg=name)
    z = solution["path_z"][:50]
    np.testing.assert_array_equal(reference.simulate(loaded, z)["K"], reference.simulate(solution, z)["K"])


def test_files_from_before_labour_depended_on_productivity_are_read(reference, solution, tmp_path):
    earlier = {name: value for name, value in solution.items() if name not in ("labour", "income", "Pi_e")}
    earlier |= {"L": np.asarray(1.0), "e_grid": solution["income"][0], "Pi_e": solution["Pi_e"][0, 0]}
    reference.save(earlier, tmp_path / "earlier.npz")
    loaded, z = reference.load(tmp_path / "earlier.npz"), solution["path_z"][:50]
    np.testing.assert_array_equal(reference.simulate(loaded, z)["K"], solution["path_K"][:50])


def test_the_grid_of_capital_is_widened_where_a_path_does_not_fit(reference, constants):
    lines: list[str] = []
    small = {"n_assets": 60, "n_capital": 5, "periods": 3_000, "tolerance": 1e-6}
    solution = reference.solve(constants, **small, width=0.02, report=lines.append)
    assert sum("leaves the grid" in line for line in lines) == 1
    assert np.ptp(solution["log_K_grid"]) == pytest.approx(0.08)


@pytest.mark.parametrize("kind", ["power", "agrid", "asset_grid"])
def test_nodes_are_found_on_every_grid(reference, kind):
    a_grid = reference.asset_nodes(kind, 300, 0.0, 250.0, 2.0)
    x = np.concatenate([a_grid, np.random.default_rng(0).uniform(0, 250, 5_000), np.geomspace(1e-9, 250, 2_000)])
    lower, weight = (np.asarray(v) for v in reference.place(x, reference.jnp.asarray(a_grid), kind, 2.0))
    np.testing.assert_allclose((1 - weight) * a_grid[lower] + weight * a_grid[lower + 1], x, rtol=1e-12, atol=1e-14)
    assert weight.min() >= 0
    assert weight.max() <= 1


def test_the_notebooks_upper_bound_is_imposed(reference):
    bounded = reference.solve(
        reference.read_constants("krusell_smith_notebook"), n_assets=60, n_capital=5, periods=3_000, tolerance=1e-6
    )
    c = reference.consumption_at(bounded, 2, bounded["K_ss"])
    a_next = reference.cash_on_hand(bounded, 2, bounded["K_ss"]) - c
    assert a_next.max() <= 50
    assert float(bounded["mass_at_top"]) > 0.1
    assert float(bounded["mean_K"]) < 33


def test_the_command_writes_the_file_and_prints_the_table(command, reference, tmp_path):
    process = command(
        "--assets", "60", "--capital", "5", "--periods", "3000", "--out", "reference.npz",
        script="models/krusell_smith/reference/Reference.py",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "mean of capital" in process.stdout
    assert "Den Haan error, largest" in process.stdout
    assert reference.load(tmp_path / "reference.npz")["a_grid"].shape == (60,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--constants", "nothing"],
            "known names: krusell_smith, krusell_smith_1998, krusell_smith_beta, krusell_smith_notebook",
        ),
        (["--assets", "3"], "3 asset nodes: at least 10 are needed"),
        (["--assets", "many"], "argument --assets: invalid int value: 'many'"),
        (["--top", "-1"], "the asset grid ends at -1, which is not above amin = 0"),
        (["--capital", "2"], "2 nodes of log K: at least 4 are needed"),
        (["--periods", "100"], "100 periods: at least 1500 are needed"),
        (["--out", "nowhere/reference.npz"], "in a folder that exists"),
        (["--out", "reference.txt"], "expected a file name that ends in .npz"),
        (["--constants", "brock_mirman"], "missing constants: eis"),
    ],
)
def test_bad_input_gets_one_clear_line(reference, arguments, message):
    with pytest.raises(SystemExit) as end:
        reference.main(arguments)
    line = str(end.value.code)
    assert line.startswith("Reference.py: ")
    assert message in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sigma_tfp": "1e-9"}, "no numbers: sigma_tfp = '1e-9'"),
        ({"grid": "uniform"}, "expected power, agrid or asset_grid"),
        ({"n_tfp": 1}, "at least 2 nodes"),
    ],
)
def test_wrong_constants_are_named(reference, constants, changed, message):
    with pytest.raises(ValueError, match=message):
        reference.solve(constants | changed)


def test_shocks_that_are_no_nodes_are_refused(reference, solution):
    with pytest.raises(ValueError, match="integers from 0 to 4"):
        reference.simulate(solution, [0, 5])
    with pytest.raises(ValueError, match=r"distribution \(3, 7\): expected \(3, 120\)"):
        reference.simulate(solution, [0, 1], np.ones((3, 7)) / 21)
