"""Capital, three boxes of carbon, two of warmth, and the clock. There are no shocks: one node with probability one."""

import math

import torch

import Definitions
import Parameters
import State

years, now = Parameters.years, Definitions.now

shock_values = torch.tensor([[0.0]])
shock_probs = torch.tensor([1.0])


def total_step_random(prev_state, policy_state):
    """The state five years later. Warming already feels the carbon of that time, as in Nordhaus' program."""
    M, U, L, T, O = (column(prev_state) for column in (State.M, State.U, State.L, State.T, State.O))
    later = State.update(prev_state, "tau", 1 - (1 - State.tau(prev_state)) * math.exp(-Parameters.nu))
    capital = Parameters.kept * Definitions.K(prev_state, policy_state) + years * (
        Definitions.Y(prev_state, policy_state) - Definitions.C(prev_state, policy_state)
    )
    emissions = Definitions.industry(prev_state, policy_state) + now(Parameters.land, prev_state)
    b_12, b_23, U_to_M, L_to_U = Parameters.b_12, Parameters.b_23, Parameters.U_to_M, Parameters.L_to_U
    M_next = M * (1 - b_12) + U * U_to_M + emissions * years / Parameters.co2 / 1000
    forcing = Parameters.forcing_2x * torch.log2(1000 * M_next / Parameters.M_eq) + now(Parameters.other_forcing, later)
    feedback = Parameters.forcing_2x / Parameters.sensitivity
    return State.update_dict(
        later,
        {
            "k": capital / now(Parameters.effective, later),
            "M": M_next,
            "U": M * b_12 + U * (1 - U_to_M - b_23) + L * L_to_U,
            "L": U * b_23 + L * (1 - L_to_U),
            "T": T + Parameters.c_1 * (forcing - feedback * T - Parameters.c_3 * (T - O)),
            "O": O + Parameters.c_4 * (T - O),
        },
    )


def total_step_spec_shock(prev_state, policy_state, shock_index):
    """The state five years later at the only node."""
    return total_step_random(prev_state, policy_state)
