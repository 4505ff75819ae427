"""First-order conditions of the planner: the Euler equation, and prices of carbon in three boxes and of warmth in two.

A price is what a unit more at the end of the period costs later, in goods of this period: US$ for a ton of CO2, trillion US$
for a degree. Next period's worth of the unit is the damage that it does then, and the prices of what is left of it and of what
flowed elsewhere (the envelope theorem). All residuals are relative.
"""

import math

import Definitions
import Parameters
import State

years, price = Parameters.years, Definitions.price
eta, c_1, c_3, c_4 = Parameters.eta, Parameters.c_1, Parameters.c_3, Parameters.c_4
b_12, b_23, U_to_M, L_to_U = Parameters.b_12, Parameters.b_23, Parameters.U_to_M, Parameters.L_to_U
feedback = Parameters.forcing_2x / Parameters.sensitivity


def carbon(s, p):
    """Worth of a ton of carbon at the start of a period, in each box, before it warms."""
    M, U, L = (price(s, p, name) for name in ("log_scc", "log_U", "log_L"))
    return M * (1 - b_12) + U * b_12, M * U_to_M + U * (1 - U_to_M - b_23) + L * b_23, U * L_to_U + L * (1 - L_to_U)


def warmth(s, p):
    """Worth of a degree at the start of a period: in the atmosphere, with this period's damages, and in the lower ocean."""
    T, O = price(s, p, "log_T"), price(s, p, "log_O")
    lost = years * 2 * Parameters.damage * State.T(s) * Definitions.Y_gross(s, p)
    return lost + T * (1 - c_1 * (feedback + c_3)) + O * c_4, T * c_1 * c_3 + O * (1 - c_4)


def R(s, p):
    """Return on capital over a period: what it yields, less the cost of its emissions, and what is left of it."""
    burden = Definitions.scc(s, p) / 1000 * Definitions.industry(s, p)
    return Parameters.kept + years * Parameters.gamma * (Definitions.Y(s, p) - burden) / Definitions.K(s, p)


def equations(state, policy_state):
    E_t = State.E_t_gen(state, policy_state)
    a_head = Definitions.a_head(state, policy_state)

    def discount(s, p):
        return Parameters.beta * (Definitions.a_head(s, p) / a_head) ** -eta

    def in_atmosphere(s, p):
        """With the warming that carbon at the start of the period has already caused, in degrees per 1000 GtCO2."""
        warms = c_1 * Parameters.forcing_2x / (math.log(2) * State.M(s) * Parameters.co2)
        return carbon(s, p)[0] + warmth(s, p)[0] * warms

    worth = {
        "log_scc": in_atmosphere,
        "log_U": lambda s, p: carbon(s, p)[1],
        "log_L": lambda s, p: carbon(s, p)[2],
        "log_T": lambda s, p: warmth(s, p)[0],
        "log_O": lambda s, p: warmth(s, p)[1],
    }
    residuals = {"euler": E_t(lambda s, p: discount(s, p) * R(s, p)) ** (-1 / eta) - 1}
    for name, of in worth.items():
        later = E_t(lambda s, p, of=of: discount(s, p) * of(s, p))
        residuals[name.replace("log", "price")] = later / price(state, policy_state, name) - 1
    return residuals
