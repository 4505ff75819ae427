"""That of `irbc`; elasticities of countries, and weights with which capital, hours and the price of the good are one at rest."""

import numpy as np

from irbc.Calibration import calibrate as of_irbc

LEAST = 1e-12  # an exponent that stands for zero, where the mean of two things is a geometric one


def calibrate(constants):
    """By name, as there; xi, mu and the exponents of the means have one entry a country; C_rest is consumption at rest, of each.

    Welfare weights and disutilities are those of Maliar, Maliar and Judd (2011), who leave depreciation out: there C_rest is A.
    What is left of them in logs of deviations from rest is weight_C, the share of consumption in the two goods of the household:
    1 / (1 + (1 - alpha) A (L - 1) / C_rest), at which hours are one where consumption is C_rest.
    """
    found, N, L = of_irbc(constants), int(constants["N"]), constants["L"]
    xi, mu = (np.linspace(constants[f"{name}_low"], constants[f"{name}_high"], N) for name in ("xi", "mu"))
    C_rest = found["A"] - constants["delta"]
    return found | {
        "xi": xi,
        "mu": mu,
        "exponent_Y": away_from_zero(mu),
        "exponent_V": away_from_zero(1 - 1 / xi),
        "C_rest": C_rest,
        "weight_C": 1 / (1 + (1 - constants["alpha"]) * found["A"] * (L - 1) / C_rest),
    }


def away_from_zero(x):
    return np.where(np.abs(x) < LEAST, LEAST, x)
