"""That of `irbc`; the elasticities of labour, and weights with which capital, hours and the price of the good are one at rest."""

import numpy as np

from irbc.Calibration import calibrate as of_irbc


def calibrate(constants):
    """By name, as there; eta and l_elasticity have one entry a country, C_rest is consumption at rest, the same for all.

    The welfare weights C_rest^(1 / gamma_j) and disutilities b_j = (1 - alpha) A C_rest^(-1 / gamma_j) are those of Juillard and
    Villemot (2011), who leave depreciation out: there C_rest is A.
    """
    found = of_irbc(constants)
    eta = np.linspace(constants["eta_low"], constants["eta_high"], int(constants["N"]))
    return found | {
        "eta": eta,
        "l_elasticity": eta / (1 + constants["alpha"] * eta),  # of hours to what labour is worth, lambda e^a k^alpha
        "C_rest": found["A"] - constants["delta"],
    }
