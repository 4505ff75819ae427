"""The textbook's real business cycle: growth with shocks to productivity and relative risk aversion gamma, hours fixed at one.

Quantities are those of `brock_mirman`, which has log utility.
"""

from brock_mirman.Definitions import C, I, K_next, R, Y
