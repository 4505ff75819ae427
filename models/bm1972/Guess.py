"""A rule of thumb: in every state, the savings rate that keeps capital at its steady state; exact for delta = 1."""

import Parameters

alpha, beta, delta = Parameters.alpha, Parameters.beta, Parameters.delta


def guess(state):
    return {"s_t": alpha * delta / (1 / beta - 1 + delta)}
