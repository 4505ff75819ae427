"""Overlapping generations with capital and a collateralised bond: quantities as functions of state and policy.

Ages are 1 to N; nobody is born with assets, and the last age saves nothing. A household chooses capital k' >= 0 and bonds b',
which are a promise of one unit each. What it holds must cover what it owes: q' = k' + kappa b' >= 0.

Each saver has two numbers from the network, xk and xq. Above zero they are what is chosen, below zero they are minus the
multiplier of the constraint, so that constraints and complementary slackness hold exactly (Garcia and Zangwill, 1981). Bonds
clear exactly, too: the collateral of all, Q' = K', is shared out in proportion to xq.

Economy: Azinovic, Gaegauf and Scheidegger (2022), section 3.
"""

import torch

import Parameters
import PolicyState
import State

alpha, gamma, zeta, kappa, L = (getattr(Parameters, name) for name in ("alpha", "gamma", "zeta", "kappa", "L"))


def before(assets):
    """Zero for the first age, which has none: [*batch, N - 1] -> [*batch, N]."""
    return torch.nn.functional.pad(assets, (1, 0))


def after(assets):
    """Zero for the last age, which saves nothing: [*batch, N - 1] -> [*batch, N]."""
    return torch.nn.functional.pad(assets, (0, 1))


def K(state, policy_state):
    """Capital."""
    return State.k(state).sum(-1)


def Y(state, policy_state):
    """Output."""
    return State.tfp(state) * K(state, policy_state) ** alpha * L ** (1 - alpha)


def R(state, policy_state):
    """Gross return on capital."""
    return alpha * Y(state, policy_state) / K(state, policy_state) + 1 - State.delta(state)


def w(state, policy_state):
    """Wage of a unit of labour."""
    return (1 - alpha) * Y(state, policy_state) / L


def wealth(state, policy_state):
    """Income and assets before anything is chosen: [*batch, N]."""
    assets = R(state, policy_state)[..., None] * State.k(state) + State.b(state)
    return w(state, policy_state)[..., None] * Parameters.hours + before(assets)


def k_next(state, policy_state):
    """Capital that each age but the last takes into the next period: [*batch, N - 1]."""
    return PolicyState.xk(policy_state).clamp(min=0)


def q_next(state, policy_state):
    """What it holds beyond what it owes at most, k' + kappa b': [*batch, N - 1]."""
    wanted = PolicyState.xq(policy_state).clamp(min=0)
    total = wanted.sum(-1).clamp(min=1e-6)
    return (k_next(state, policy_state).sum(-1) / total)[..., None] * wanted


def excess(state, policy_state):
    """Collateral that is asked for over what there is, less one: by how much q' is not xq."""
    return PolicyState.xq(policy_state).clamp(min=0).sum(-1) / k_next(state, policy_state).sum(-1).clamp(min=1e-6) - 1


def b_next(state, policy_state):
    """Bonds: [*batch, N - 1]; they sum to zero."""
    return (q_next(state, policy_state) - k_next(state, policy_state)) / kappa


def lambda_k(state, policy_state):
    """Multiplier of k' >= 0, over marginal utility: [*batch, N - 1]."""
    return gamma * (-PolicyState.xk(policy_state)).clamp(min=0) / Parameters.c_ss[:-1]


def mu(state, policy_state):
    """Multiplier of the collateral constraint, over marginal utility: [*batch, N - 1]."""
    return gamma * (-PolicyState.xq(policy_state)).clamp(min=0) / Parameters.c_ss[:-1]


def change(state, policy_state):
    """k' - R k of each age, on which the cost of changing capital falls: [*batch, N]."""
    return after(k_next(state, policy_state)) - R(state, policy_state)[..., None] * before(State.k(state))


def marginal_cost(state, policy_state):
    """Price of a unit of capital for who holds it, 1 + zeta (k' - R k): [*batch, N]."""
    return (1 + zeta * change(state, policy_state)).clamp(min=0.05)  # far below what happens


def c(state, policy_state):
    """Consumption of each age: [*batch, N]."""
    paid = k_next(state, policy_state) + PolicyState.p(policy_state)[..., None] * b_next(state, policy_state)
    cost = zeta / 2 * change(state, policy_state) ** 2
    return wealth(state, policy_state) - after(paid) - cost


def marginal_utility(state, policy_state):
    """c^-gamma of each age, [*batch, N]; below a tenth of its stationary value, c has the tangent there."""
    consumption, least = c(state, policy_state), 0.1 * Parameters.c_ss
    spent = torch.maximum(consumption, least)
    return spent**-gamma + gamma * least ** (-gamma - 1) * (spent - consumption)


def C(state, policy_state):
    """Aggregate consumption."""
    return c(state, policy_state).sum(-1)


def poor(state, policy_state):
    """Share of the savers whose collateral constraint binds."""
    return (PolicyState.xq(policy_state) <= 0).to(state.dtype).mean(-1)
