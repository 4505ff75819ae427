"""deqn/numerics/first_order.py, against systems that are built from their solution."""

from __future__ import annotations

import numpy as np
import pytest

from deqn.numerics.first_order import NoRule, describe_roots, stable_rule


def system(seed: int, n: int, m: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Derivatives F_x, F_p, F_q, G_x, G_p whose stable rule is known: all roots but those of its transition are large."""
    rng = np.random.default_rng(seed)
    P, G_p, F_p, F_q = (rng.normal(size=shape) for shape in ((m, n), (n, m), (m, m), (m, m)))
    transition = rng.normal(size=(n, n))
    transition *= 0.9 / np.abs(np.linalg.eigvals(transition)).max()
    F_p, F_q = F_p + 20 * np.eye(m), 0.1 * F_q
    return (-F_p @ P - F_q @ P @ transition, F_p, F_q, transition - G_p @ P, G_p), P


@pytest.mark.parametrize(("seed", "n", "m"), [(0, 1, 1), (1, 3, 2), (2, 2, 5), (3, 40, 30)])
def test_the_rule_of_a_known_system_is_found(seed, n, m):
    derivatives, P = system(seed, n, m)
    rule = stable_rule(*derivatives)
    np.testing.assert_allclose(rule.policy, P, atol=1e-9)
    assert np.abs(rule.roots[:n]).max() == pytest.approx(0.9)
    assert np.abs(rule.roots[n:]).min() > 1


def test_equations_that_follow_from_the_others_do_no_harm():
    (F_x, F_p, F_q, *G), P = system(4, 2, 2)
    more = [np.concatenate([F, F[:1] - 2 * F[1:]]) for F in (F_x, F_p, F_q)]
    np.testing.assert_allclose(stable_rule(*more, *G).policy, P, atol=1e-9)


def one(F_x: float, F_p: float, F_q: float, G_x: float, G_p: float = 0.0) -> np.ndarray:
    return stable_rule(*(np.array([[value]]) for value in (F_x, F_p, F_q, G_x, G_p))).policy


def test_a_static_equation_has_an_infinite_root():
    assert one(F_x=-3.0, F_p=1.0, F_q=0.0, G_x=0.5) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        # p = 2 E p' + x with x' = 0.9 x: p may start anywhere
        (
            {"F_x": -1, "F_p": 1, "F_q": -2, "G_x": 0.9},
            "many stable .*: 2 roots inside .* for 1 state: roots 0.5, 0.9",
        ),
        (
            {"F_x": -1, "F_p": 1, "F_q": -0.5, "G_x": 1.1},
            "no stable solution: 0 roots inside the unit circle for 1 state",
        ),
        # as many as states, but the one of x is not among them
        ({"F_x": -1, "F_p": 1, "F_q": -2, "G_x": 1.1}, "not those of the states, one of which runs away"),
        ({"F_x": -1, "F_p": 1, "F_q": -0.5, "G_x": 1.0}, "1 unit root: "),
        ({"F_x": 0, "F_p": 0, "F_q": 0, "G_x": 0.5}, "do not determine the policies"),
    ],
)
def test_where_there_is_no_rule_it_says_what_was_found(coefficients, message):
    with pytest.raises(NoRule, match=message):
        one(**coefficients)


def test_equations_must_be_as_many_as_policies():
    (F_x, F_p, F_q, *G), _ = system(5, 2, 2)
    with pytest.raises(NoRule, match="1 equation for 2 policies"):
        stable_rule(F_x[:1], F_p[:1], F_q[:1], *G)
    more = [np.concatenate([F, np.eye(*F.shape)]) for F in (F_x, F_p, F_q)]
    with pytest.raises(NoRule, match="4 independent equations for 2 policies"):
        stable_rule(*more, *G)


def test_few_of_many_roots_are_shown_those_at_the_unit_circle():
    roots = np.array([1e-17, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.5, np.inf])
    assert (
        describe_roots(roots) == "roots ..., 0.2, 0.3, 0.4, 0.5, 0.6, 0.7 inside the unit circle, 1.5, infinite outside"
    )
