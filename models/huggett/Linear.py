"""The economy for sequence-jacobian, of which `deqn post` takes the linear solution at the stationary equilibrium at Z = 1.

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

    C, Y in goods, r in units per period. Work in a period depends on that period's Z, as sequence-jacobian dates its chains.
    """
    import sequence_jacobian as ssj

    @ssj.simple
    def market(A, C, q):
        r = 1 / q - 1
        bonds = A
        Y = C + q * A - A(-1)
        return r, bonds, Y

    found = {name: np.asarray(value, dtype=float) for name, value in calibration.items()}
    household = Calibration.household_block(constants)
    inputs = {"a_grid": found["a_grid"], "e_grid": found["e_grid"], "q": float(found["q_ss"]), "Z": 1.0}
    return {
        "model": ssj.create_model([household, market], name="huggett"),
        "inputs": inputs | {"beta": constants["beta"]},
        "unknowns": ["q"],
        "targets": ["bonds"],
        "shock": "Z",
        "outputs": ["C", "Y", "r"],
        "options": {"household": {"twosided": True}},
        "nodes": np.log(found["z_grid"]),  # dZ = d log Z at Z = 1
        "Pi": found["Pi_z"],
        "pi": found["pi_z"],
    }
