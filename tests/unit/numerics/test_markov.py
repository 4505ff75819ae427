"""Markov chains: moments in closed form, stationary distributions, and what is said of matrices that are none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from deqn.numerics.markov import (
    average,
    conditional,
    joint,
    probabilities,
    read_probabilities,
    rouwenhorst,
    stationary,
    tauchen,
)

RHO, SIGMA = 0.95, 0.1


@pytest.mark.parametrize("n", [2, 3, 8])
def test_rouwenhorsts_chain_has_the_moments_of_the_autoregression(n):
    nodes, P = rouwenhorst(RHO, SIGMA, n)
    pi = stationary(P)
    np.testing.assert_allclose(P.sum(1), 1, atol=1e-14)
    np.testing.assert_allclose(P @ nodes, RHO * nodes, atol=1e-14)  # the conditional mean, at each node
    assert pi @ nodes == pytest.approx(0, abs=1e-12)
    assert pi @ nodes**2 == pytest.approx(SIGMA**2 / (1 - RHO**2), rel=1e-10)
    assert (pi * nodes) @ P @ nodes == pytest.approx(RHO * SIGMA**2 / (1 - RHO**2), rel=1e-10)


def test_its_stationary_distribution_is_binomial():
    """Kopecky and Suen (2010), proposition 1."""
    _, P = rouwenhorst(RHO, SIGMA, 9)
    np.testing.assert_allclose(stationary(P), binom.pmf(np.arange(9), 8, 0.5), atol=1e-12)


def test_two_nodes_are_a_coin_that_stays():
    nodes, P = rouwenhorst(-0.4, 1.0, 2)
    np.testing.assert_allclose(P, [[0.3, 0.7], [0.7, 0.3]])
    np.testing.assert_allclose(nodes, np.array([-1, 1]) / (1 - 0.16) ** 0.5)


def test_tauchens_entries_are_normal_probabilities():
    nodes, P = tauchen(0.8, 0.3, 5, width=2.0)
    sd, half = 0.3 / 0.6, 0.25
    np.testing.assert_allclose(nodes, [-2 * sd, -sd, 0, sd, 2 * sd])
    np.testing.assert_allclose(P.sum(1), 1, atol=1e-14)
    mean = 0.8 * nodes[1]
    assert P[1, 2] == pytest.approx(norm.cdf(half, mean, 0.3) - norm.cdf(-half, mean, 0.3))
    assert P[1, 0] == pytest.approx(norm.cdf(nodes[0] + half, mean, 0.3))
    assert P[1, 4] == pytest.approx(norm.sf(nodes[4] - half, mean, 0.3))


def test_with_many_nodes_tauchens_chain_has_the_moments_too():
    nodes, P = tauchen(0.5, SIGMA, 201, width=6.0)
    pi = stationary(P)
    assert pi @ nodes**2 == pytest.approx(SIGMA**2 / 0.75, rel=1e-3)
    assert (pi * nodes) @ P @ nodes == pytest.approx(0.5 * SIGMA**2 / 0.75, rel=1e-3)


def test_the_stationary_distribution_of_two_states():
    np.testing.assert_allclose(stationary([[0.9, 0.1], [0.4, 0.6]]), [0.8, 0.2], atol=1e-14)
    np.testing.assert_allclose(stationary([[0.0, 1.0], [1.0, 0.0]]), [0.5, 0.5])  # it turns for ever
    np.testing.assert_allclose(stationary([[0.5, 0.5], [0.0, 1.0]]), [0, 1], atol=1e-14)  # the first is left for good


def test_it_is_that_of_a_long_simulation():
    P = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.0, 0.5, 0.5]])
    np.testing.assert_allclose(stationary(P), np.linalg.matrix_power(P, 500)[0], atol=1e-12)


def test_a_chain_in_parts_has_several():
    with pytest.raises(ValueError, match="parts between which there is no way"):
        stationary(np.eye(2))


@pytest.mark.parametrize(
    ("P", "said"),
    [
        ([[0.5, 0.5], [0.9, 0.9]], "row 2 sums to 1.8, not 1 .its entries: 0.9, 0.9"),
        ([[1.2, -0.2], [0.5, 0.5]], "row 1 has an entry that is negative"),
        ([[0.5, 0.5], [np.nan, 0.5]], "row 2 has an entry that is negative or not a number"),
        ([[0.5, 0.5]], r"square matrix of probabilities, got the shape \[1, 2\]"),
        ([], "square matrix"),
    ],
)
def test_what_is_no_matrix_of_probabilities_is_refused(P, said):
    with pytest.raises(ValueError, match=f"constants.P: .*{said}"):
        probabilities(P, "constants.P")


def test_a_matrix_is_read_from_a_file(tmp_path):
    file = tmp_path / "P.csv"
    file.write_text("# boom, bust\n0.9,0.1\n0.4,0.6\n", encoding="utf-8")
    np.testing.assert_array_equal(read_probabilities(file), [[0.9, 0.1], [0.4, 0.6]])


@pytest.mark.parametrize(
    ("text", "said"), [("0.9,0.1\n0.4,0.7\n", "row 2 sums to 1.1"), ("0.9;0.1\n0.4;0.6\n", "expected numbers with ','")]
)
def test_an_error_names_the_file(tmp_path, text, said):
    file = tmp_path / "P.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"P.csv: {said}"):
        read_probabilities(file)


@pytest.mark.parametrize("chain", [rouwenhorst, tauchen])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [((1.0, 0.1, 3), "rho = 1.0"), ((0.9, 0.0, 3), "sigma = 0.0"), ((0.9, 0.1, 1), "n = 1: expected two")],
)
def test_parameters_out_of_range_are_refused(chain, wrong, said):
    with pytest.raises(ValueError, match=said):
        chain(*wrong)


def test_the_width_is_above_zero():
    with pytest.raises(ValueError, match="width = 0"):
        tauchen(0.9, 0.1, 3, width=0)


def of_employment() -> tuple[np.ndarray, np.ndarray]:
    """Z and employment of Den Haan, Judd and Juillard (2010): unemployment is 10 % in recessions and 4 % in booms."""
    P_z = np.array([[0.875, 0.125], [0.125, 0.875]])
    stay, u = np.array([[0.6, 0.25], [0.75, 1 / 3]]), np.array([0.1, 0.04])
    lose = (u[None] - u[:, None] * stay) / (1 - u[:, None])
    return P_z, np.stack([np.stack([stay, 1 - stay], -1), np.stack([lose, 1 - lose], -1)], -2)


def test_the_joint_chain_has_the_distribution_that_the_economy_was_made_for():
    pi = stationary(joint(*of_employment()))
    np.testing.assert_allclose(pi, [0.05, 0.45, 0.02, 0.48], atol=1e-14)


def test_the_average_chain_is_that_of_a_long_path():
    """Flows between e and e', counted along 300,000 periods."""
    P_z, P_e = of_employment()
    chain, rng = joint(P_z, P_e).cumsum(1), np.random.default_rng(0)
    path, counts = 0, np.zeros((2, 2))
    for draw in rng.random(300_000):
        new = int((draw >= chain[path, :-1]).sum())
        counts[path % 2, new % 2] += 1
        path = new
    np.testing.assert_allclose(average(P_z, P_e), counts / counts.sum(1, keepdims=True), atol=6e-3)
    np.testing.assert_allclose(stationary(average(P_z, P_e)), [0.07, 0.93], atol=1e-14)


def test_a_chain_that_depends_on_nothing_is_its_own_average():
    _, P_e = rouwenhorst(RHO, SIGMA, 4)
    np.testing.assert_allclose(average(of_employment()[0], P_e), P_e, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda P: P[:1], r"Pi_e: expected the shape \[2, 2, nE, nE\] or \[nE, nE\], got \[1, 2, 2, 2\]"),
        (lambda P: P * np.array([1, 1.1])[None, :, None, None], r"Pi_e\[0, 1\]: row 1 sums to 1.1, not 1"),
    ],
)
def test_a_conditional_chain_that_is_none_is_told(change, words):
    with pytest.raises(ValueError, match=words):
        conditional(change(of_employment()[1]), 2, "Pi_e")
