"""Households with liquid and illiquid capital: quantities as functions of state and policy.

Firms use all capital, K = B + A, which households hold in a liquid account b and in an illiquid one a. The liquid one pays omega
less; the illiquid one costs what deqn/numerics/portfolio.py says when it is adjusted. So prices follow from Z and the
distribution, and no market is left to clear. The state is Z and the histogram of households over e, b and a at the beginning of
the period, [nE, nB, nA].

The policies say what households expect that have e and leave a period with the nodes' b' and a': u'(m) = beta E[V_b'] is the
value of a unit of b', and q = E[V_a'] / E[V_b'] that of a unit of a' in units of b'. What they choose today follows from these,
the borrowing limit included.

Source: the households of Auclert, Bardóczy, Rognlie and Straub (2021), Econometrica 89(5), 2375-2408.
"""

import Parameters
import PolicyState
import State

from deqn import histogram, portfolio, preferences

alpha, delta, gamma, omega = Parameters.alpha, Parameters.delta, Parameters.gamma, Parameters.omega
b_grid, a_grid, e_grid = Parameters.b_grid, Parameters.a_grid, Parameters.e_grid
adjustment = portfolio.Adjustment(Parameters.chi0, Parameters.chi1)


def households(state, policy_state):
    """What households at every node do: `b_next`, `a_next`, `cost` of adjustment and `c`, each [*batch, nE, nB, nA]."""
    return portfolio.choose(
        cash_on_hand(state), kept(state), PolicyState.m(policy_state), PolicyState.q(policy_state), (b_grid, a_grid),
        adjustment, gamma,
    )  # fmt: skip


def values(state, policy_state):
    """Of a unit of b and of a unit of a at the beginning of the period, in utils: [*batch, nE, nB, nA] each."""
    choice, x = households(state, policy_state), kept(state)[..., None, None, :]
    utils, gross = choice.c ** (-gamma), 1 + r(state, policy_state)[..., None, None, None]
    return (gross - omega) * utils, gross * adjustment.value_kept(choice.a_next, x) * utils


def kept(state):
    """Illiquid assets with their return, at the nodes of a: [*batch, nA]."""
    return (1 + r(state, None))[..., None] * a_grid


def cash_on_hand(state):
    """All that households at every node have: [*batch, nE, nB, nA]."""
    interest, wage = (x(state, None)[..., None, None, None] for x in (r, w))
    return wage * e_grid[:, None, None] + (1 + interest - omega) * b_grid[:, None] + (1 + interest) * a_grid


def utility(c):
    """Of consumption, in utils: constant relative risk aversion gamma; of the shape of c."""
    return preferences.utility(c.log(), gamma)


def mean(state, values):
    """Over households, of values [*batch, nE, nB, nA]: [*batch]."""
    return (State.distribution(state) * values).sum((-3, -2, -1))


def B(state, policy_state):
    """Liquid capital: [*batch]."""
    return histogram.aggregate(State.distribution(state).sum(-1), b_grid)


def K(state, policy_state):
    """Capital: [*batch]."""
    return B(state, policy_state) + histogram.aggregate(State.distribution(state).sum(-2), a_grid)


def Y(state, policy_state):
    """Output: [*batch]."""
    return State.Z(state) * K(state, policy_state) ** alpha


def r(state, policy_state):
    """Return on illiquid capital, net of depreciation [1/year]; that of liquid capital is omega less: [*batch]."""
    return alpha * State.Z(state) * K(state, policy_state) ** (alpha - 1) - delta


def w(state, policy_state):
    """Wage: [*batch]."""
    return (1 - alpha) * Y(state, policy_state)


def C(state, policy_state):
    """Aggregate consumption: [*batch]."""
    return mean(state, households(state, policy_state).c)


def I(state, policy_state):
    """Investment: [*batch]."""
    choice = households(state, policy_state)
    return mean(state, choice.b_next + choice.a_next) - (1 - delta) * K(state, policy_state)


def costs(state, policy_state):
    """Of adjustment, and of keeping capital liquid: [*batch]."""
    return mean(state, households(state, policy_state).cost) + omega * B(state, policy_state)


def at_limit(state, policy_state):
    """Share of households without liquid capital: [*batch]."""
    return State.distribution(state)[..., 0, :].sum((-2, -1))


def mass_at_top(state, policy_state):
    """Mass at the last nodes of b and a, which must stay negligible: [*batch]."""
    masses = State.distribution(state)
    return masses[..., -1, :].sum((-2, -1)) + masses[..., -1].sum((-2, -1))
