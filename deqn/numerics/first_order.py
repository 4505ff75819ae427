"""The linear solution of a model whose equations are linear: the one rule under which states come to rest.

States x and policies p follow

    x' = G_x x + G_p p   and   F_x x + F_p p + F_q E p' = 0.

A rule p = P x solves them where F_x + F_p P + F_q P (G_x + G_p P) = 0, a quadratic equation in a matrix. Of its solutions
one looks for the one whose transition G_x + G_p P has all its roots inside the unit circle. It is read off the generalised
Schur decomposition of the pencil [G_x G_p; -F_x -F_p] - lambda [I 0; 0 F_q], its stable roots first.

Sources: Klein (2000), Journal of Economic Dynamics and Control 24(10), 1405-1423, theorem 5.1; Blanchard and Kahn (1980),
Econometrica 48(5), 1305-1311, on the number of stable roots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deqn.errors import count

UNIT = 1e-6  # distance from the unit circle within which a root is a unit root
_NO_MOTION = 1e-3  # modulus printed as 0, its inverse as infinite: rounding makes as much of several roots of that kind
_REDUNDANT = 1e-8  # relative size of a combination of equations that says nothing of its own
_SINGULAR = 1e-10  # relative size below which a number is zero up to rounding


class NoRule(Exception):
    """There is no rule, or there are many; the message says which and what was found."""


@dataclass(frozen=True)
class Rule:
    """The stable solution.

    Attributes:
        policy: P, `[n_policies, n_states]`.
        transition: G_x + G_p P, `[n_states, n_states]`.
        roots: all generalised eigenvalues, smallest modulus first, the infinite ones of static equations last; the first n_states
            are those of the transition.
    """

    policy: np.ndarray
    transition: np.ndarray
    roots: np.ndarray


def stable_rule(F_x: np.ndarray, F_p: np.ndarray, F_q: np.ndarray, G_x: np.ndarray, G_p: np.ndarray) -> Rule:
    """The only rule p = P x under which states come to rest.

    Args:
        F_x, F_p, F_q: derivatives of the equations in today's states and policies and in tomorrow's policies:
            `[equations, n_states]`, `[equations, n_policies]` twice. Equations that follow from the others may be among them.
        G_x, G_p: derivatives of tomorrow's states: `[n_states, n_states]`, `[n_states, n_policies]`.

    Raises:
        NoRule: where there is none, or there are many.
    """
    from scipy.linalg import LinAlgError, ordqz, solve

    n, m = G_p.shape
    F_x, F_p, F_q = _independent(F_x, F_p, F_q, m)
    left = np.block([[G_x, G_p], [-F_x, -F_p]])
    right = np.block([[np.eye(n), np.zeros((n, m))], [np.zeros((m, n)), F_q]])
    try:
        _, _, alpha, beta, _, z = ordqz(left, right, sort="iuc", output="complex")
    except (LinAlgError, ValueError) as error:
        raise NoRule(f"the roots cannot be computed: {error}") from error
    if bool((np.abs(alpha) + np.abs(beta) < _SINGULAR * (np.abs(alpha).max() + np.abs(beta).max())).any()):
        raise NoRule("the equations do not determine the policies: to the first order, some of them say the same")
    with np.errstate(divide="ignore", invalid="ignore"):
        modulus = np.where(np.abs(beta) > _SINGULAR * np.abs(alpha), np.abs(alpha) / np.abs(beta), np.inf)
        roots = np.where(np.isinf(modulus), np.inf, alpha / beta)[np.argsort(modulus, kind="stable")]
    modulus = np.sort(modulus)
    unit = modulus[np.abs(modulus - 1) < UNIT]
    if len(unit):
        raise NoRule(f"{count(len(unit), 'unit root')}: {describe_roots(modulus)}")
    n_stable = int((modulus < 1).sum())
    if n_stable != n:
        what = "no stable solution" if n_stable < n else "many stable solutions (indeterminacy)"
        raise NoRule(
            f"{what}: {count(n_stable, 'root')} inside the unit circle for {count(n, 'state')}: {describe_roots(modulus)}"
        )
    states, policies = z[:n, :n], z[n:, :n]
    if np.linalg.cond(states) > 1 / _SINGULAR:
        raise NoRule(
            f"no stable solution: the {n} roots inside the unit circle are not those of the states, one of which runs away "
            f"whatever the policies do: {describe_roots(modulus)}"
        )
    policy = solve(states.T, policies.T).T.real
    return Rule(policy, G_x + G_p @ policy, roots)


def _independent(
    F_x: np.ndarray, F_p: np.ndarray, F_q: np.ndarray, m: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As many equations as policies, where the others follow from them."""
    together = np.concatenate([F_x, F_p, F_q], axis=1)
    wanted = f"for {count(m, 'policy', 'policies')} (each entry of a variable with a shape counts)"
    if len(together) < m:
        raise NoRule(f"{count(len(together), 'equation')} {wanted}")
    if len(together) > m:
        left, sizes, _ = np.linalg.svd(together, full_matrices=False)
        rank = int((sizes > _REDUNDANT * sizes[0]).sum())
        if rank > m:
            raise NoRule(f"{rank} independent equations {wanted}")
        together = left[:, :m].T @ together
    n = F_x.shape[1]
    return together[:, :n], together[:, n : n + m], together[:, n + m :]


def describe_roots(roots: np.ndarray, shown: int = 6) -> str:
    """'roots 0.36, 0.9 inside the unit circle, 2.9 outside': the moduli nearest to it; those of static equations are infinite."""
    modulus = np.sort(np.abs(roots))
    inside = [f"{value:.4g}" if value > _NO_MOTION else "0" for value in modulus[modulus < 1]]
    outside = [f"{value:.4g}" if value < 1 / _NO_MOTION else "infinite" for value in modulus[modulus >= 1]]
    inside = inside if len(inside) <= shown else ["...", *inside[-shown:]]
    outside = outside if len(outside) <= shown else [*outside[:shown], "..."]
    return f"roots {', '.join(inside) or 'none'} inside the unit circle, {', '.join(outside) or 'none'} outside"
