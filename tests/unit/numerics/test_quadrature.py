"""Quadrature rules against the moments of the normal distribution."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from deqn.numerics.quadrature import gauss_hermite, monomial_rule


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def moment(rule, *powers: int) -> float:
    values, probs = rule
    product = probs.clone()
    for i, power in enumerate(powers):
        product = product * values[:, i] ** power
    return product.sum().item()


@pytest.mark.parametrize("power", range(10))
def test_five_gauss_hermite_nodes_have_the_moments_of_the_normal_up_to_nine(power):
    """E x**k = sigma**k (k - 1)!! for even k, 0 for odd k."""
    exact = 0.3**power * math.prod(range(1, power, 2)) if power % 2 == 0 else 0.0
    assert moment(gauss_hermite(0.3, 5), power) == pytest.approx(exact, abs=1e-14)


def test_gauss_hermite_of_the_exponential_is_the_log_normal_mean():
    values, probs = gauss_hermite(0.2, 7)
    assert (probs * values[:, 0].exp()).sum().item() == pytest.approx(math.exp(0.2**2 / 2), abs=1e-12)


def test_gauss_hermite_of_two_shocks_is_the_product_rule():
    rule = gauss_hermite([0.1, 0.5], 3)
    assert rule[0].shape == (9, 2)
    assert moment(rule, 2, 0) == pytest.approx(0.01)
    assert moment(rule, 0, 4) == pytest.approx(3 * 0.5**4)
    assert moment(rule, 2, 2) == pytest.approx(0.01 * 0.25)
    assert moment(rule, 1, 1) == pytest.approx(0, abs=1e-16)


@pytest.mark.parametrize("rule", [gauss_hermite, monomial_rule])
def test_a_rule_takes_standard_deviations_as_an_array_or_a_tensor(rule):
    for scales in (np.array([0.25, 0.5]), torch.tensor([0.25, 0.5])):
        for one, other in zip(rule(scales), rule([0.25, 0.5]), strict=True):
            assert torch.equal(one, other)
    assert torch.equal(rule(torch.tensor(0.25))[0], rule([0.25])[0])


@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_monomial_rule_has_two_nodes_a_shock_and_is_exact_to_degree_three(d):
    scales = [0.1 * (i + 1) for i in range(d)]
    rule = monomial_rule(scales)
    assert rule[0].shape == (2 * d, d)
    assert moment(rule) == pytest.approx(1)
    for i, scale in enumerate(scales):
        powers = [0] * d
        for power, exact in ((1, 0.0), (2, scale**2), (3, 0.0)):
            powers[i] = power
            assert moment(rule, *powers) == pytest.approx(exact, abs=1e-16)
    if d > 1:
        assert moment(rule, 1, 1) == pytest.approx(0, abs=1e-16)
        assert moment(rule, 2, 1) == pytest.approx(0, abs=1e-16)


def exact(powers: tuple[int, ...], covariance: np.ndarray) -> float:
    """E of a product of powers of jointly normal shocks: the sum over pairings of products of covariances (Isserlis 1918)."""
    places = [i for i, power in enumerate(powers) for _ in range(power)]
    if not places:
        return 1.0
    first, rest = places[0], places[1:]
    total = 0.0
    for k, other in enumerate(rest):
        left = rest[:k] + rest[k + 1 :]
        lower = tuple(left.count(i) for i in range(len(powers)))
        total += covariance[first, other] * exact(lower, covariance)
    return total


COVARIANCE = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, -0.02], [0.0, -0.02, 0.01]])
SCALES = np.sqrt(np.diagonal(COVARIANCE))
CORRELATION = COVARIANCE / np.outer(SCALES, SCALES)


@pytest.mark.parametrize(
    ("rule", "degree"),
    [(lambda *a, **k: gauss_hermite(*a, 4, **k), 7), (monomial_rule, 3), (lambda *a, **k: monomial_rule(*a, 5, **k), 5)],
)  # fmt: skip
def test_a_rule_of_correlated_shocks_has_their_moments_up_to_its_degree(rule, degree):
    for found in (rule(COVARIANCE), rule(SCALES, correlation=CORRELATION), rule(torch.tensor(COVARIANCE))):
        for powers in itertools.product(range(degree + 1), repeat=3):
            if sum(powers) <= degree:
                assert moment(found, *powers) == pytest.approx(exact(powers, COVARIANCE), abs=1e-12)


@pytest.mark.parametrize("d", [1, 2, 4, 6])
def test_the_monomial_rule_of_degree_five_has_two_d_squared_nodes_and_one(d):
    values, probs = monomial_rule([0.1] * d, 5)
    assert values.shape == (2 * d * d + 1, d)
    assert float(probs.sum()) == pytest.approx(1)
    assert bool((probs < 0).any()) == (d > 4)


def test_the_monomial_rule_of_degree_five_for_one_shock_is_gauss_hermite_with_three_nodes():
    for one, other in zip(monomial_rule(0.3, 5), gauss_hermite(0.3, 3), strict=True):
        torch.testing.assert_close(one.flatten().sort().values, other.flatten().sort().values)


EYE = [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("scales", "correlation", "words"),
    [([[1.0, 2.0], [2.0, 1.0]], None, "positive eigenvalues"), ([[1.0, 1.0], [1.0, 1.0]], None, "perfectly correlated, take one"),
     ([[1.0, 0.5]], None, "symmetric matrix"), ([0.1, 0.2], [[2.0, 0.0], [0.0, 2.0]], "with ones on its diagonal"),
     ([0.1, 0.2], [[1.0]], "expected a matrix"), (EYE, EYE, "covariance matrix already"),
     ([[[1.0]]], None, "one standard deviation for each shock")],
)  # fmt: skip
@pytest.mark.parametrize("rule", [gauss_hermite, monomial_rule])
def test_what_is_no_covariance_is_refused(rule, scales, correlation, words):
    with pytest.raises(ValueError, match=words):
        rule(scales, correlation=correlation)


def test_a_rule_of_another_degree_is_refused():
    with pytest.raises(ValueError, match="degree = 4: expected 3 or 5"):
        monomial_rule(0.1, 4)
