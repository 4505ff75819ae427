"""deqn/numerics/second_order.py."""

from __future__ import annotations

import numpy as np

from deqn.numerics.second_order import curvature


def test_the_curvature_solves_its_equations_near_unit_roots():
    """As they are solved entry by entry, with Kronecker products."""
    rng = np.random.default_rng(0)
    n, m = 3, 2
    A, T, R = rng.normal(size=(m, m)), rng.normal(size=(n, n)), rng.normal(size=(m, n, n))
    T *= 0.999 / np.abs(np.linalg.eigvals(T)).max()
    F_q = -A @ np.diag([0.998, 0.3])
    system = np.kron(A, np.eye(n**2)) + np.kron(F_q, np.kron(T.T, T.T))
    expected = np.linalg.solve(system, -R.ravel()).reshape(m, n, n)
    np.testing.assert_allclose(curvature(A, F_q, T, R), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
