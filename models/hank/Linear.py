"""The economy without the zero bound for sequence-jacobian, of which `deqn post` takes the linear solution.

The method is that of Auclert, Bardóczy, Rognlie and Straub (2021), Econometrica 89(5), 2375-2408. Households are those of
Calibration.py on the same grid, so that grid errors are common to it and the network.
"""

import Calibration
import numpy as np


def sequence_jacobian(constants, calibration):
    """What the linear solution is made of; the keys are those of docs/howto/heterogeneous_agents.md.

    Args:
        constants: those of the model, a mapping.
        calibration: what Calibration.calibrate(constants) gives.

    C, Y in goods; pi over its target, i and r in logs per quarter.
    """
    import sequence_jacobian as ssj

    @ssj.simple
    def monetary(Y, pi, b, i_ss, pi_target, phi_pi, phi_y, track, B):
        i = i_ss + phi_pi * pi + phi_y * (Y - 1) - track * b
        r = i - pi_target - pi(1) + b
        q = np.e ** (-r)
        after_tax = Y - (1 - q) * B
        return i, r, q, after_tax

    @ssj.simple
    def market(A, B, Y, pi, slope, beta):
        bonds = A - B
        phillips = pi - slope * (Y - 1) - beta * pi(1)
        return bonds, phillips

    found = {name: np.asarray(value, dtype=float) for name, value in calibration.items()}
    household = Calibration.household_block(constants)
    inputs = {name: constants[name] for name in ("pi_target", "phi_pi", "phi_y", "track", "B", "slope")}
    inputs |= {"a_grid": found["a_grid"], "e_grid": found["e_grid"], "Pi": found["Pi_e"], "beta": float(found["beta"])}
    return {
        "model": ssj.create_model([household, monetary, market], name="hank"),
        "inputs": inputs | {"i_ss": float(found["i_ss"]), "Y": 1.0, "pi": 0.0, "b": 0.0},
        "unknowns": ["Y", "pi"],
        "targets": ["bonds", "phillips"],
        "shock": "b",
        "outputs": ["C", "Y", "pi", "i", "r"],
        "options": {"household": {"twosided": True}},
        "nodes": found["b_grid"],
        "Pi": found["Pi_b"],
        "pi": found["pi_b"],
    }
