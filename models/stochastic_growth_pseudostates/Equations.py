"""The Euler equation of `stochastic_growth`, each state with its own discount factor: 1 = beta E[R' C / C']."""

import Definitions
import State


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    C = Definitions.C(state, policy_state)
    return {"euler": 1 - State.beta(state) * E_t(lambda s, p: Definitions.R(s, p) * C / Definitions.C(s, p))}
