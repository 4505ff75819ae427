"""The second-order terms of a rule around a steady state, given its first-order terms.

With the rule p = P x + H(x, x) / 2 in all periods, the second derivative of the equations in the states is affine in H:

    R + A H + F_q H(T, T),    A = F_p + F_q P G_p,

where R is the second derivative with H = 0 and T the transition (F and G as in `deqn.numerics.first_order`). The roots of T and
those of -A^-1 F_q are inside the unit circle wherever there is one stable linear rule, so that H is the sum of

    (-A^-1 F_q)^k (-A^-1 R) (T^k, T^k),    k = 0, 1, 2, ...

Sources: Schmitt-Grohé and Uribe (2004), Solving dynamic general equilibrium models using a second-order approximation to the
policy function, Journal of Economic Dynamics and Control 28(4), 755-775, sections 3.2 and 3.3; Kamenik (2005), Solving SDGE
models: a new algorithm for the Sylvester equation, Computational Economics 25(1-2), 167-187, who doubles the number of terms
in a step.
"""

from __future__ import annotations

import numpy as np

_DOUBLINGS = 60
_SMALL = 1e-15  # relative size of what a doubling adds, at which the sum has converged


def curvature(A: np.ndarray, F_q: np.ndarray, transition: np.ndarray, R: np.ndarray) -> np.ndarray:
    """H with R + A H + F_q H(transition, transition) = 0, by least squares where there are more equations than policies.

    Args:
        A, F_q: `[equations, n_policies]`.
        transition: `[n_states, n_states]`.
        R: `[equations, n_states, n_states]`.

    Returns:
        `[n_policies, n_states, n_states]`.
    """
    inverse = np.linalg.pinv(A)
    total, lead, T = np.einsum("pe,eij->pij", -inverse, R), -inverse @ F_q, transition
    for _ in range(_DOUBLINGS):
        added = np.einsum("pq,qab,ai,bj->pij", lead, total, T, T, optimize=True)
        total, lead, T = total + added, lead @ lead, T @ T
        if np.abs(added).max() <= _SMALL * np.abs(total).max():
            break
    return total


def risk(A: np.ndarray, F_q: np.ndarray, R: np.ndarray) -> np.ndarray:
    """What risk of size one adds to the policies in every state, twice: s with R + (A + F_q) s = 0, `[n_policies]`.

    Args:
        A, F_q: `[equations, n_policies]`.
        R: second derivative of the equations in the size of all shocks, with s = 0: `[equations]`.
    """
    return -np.linalg.pinv(A + F_q) @ R
