"""The economy for sequence-jacobian, of which `deqn post` takes the linear solution at the stationary equilibrium at Z = 1.

The method is that of Auclert, Bardóczy, Rognlie and Straub (2021), "Using the sequence-space Jacobian to solve and estimate
heterogeneous-agent models", Econometrica 89(5), 2375-2408. Households are those of Calibration.py on the same asset grid, so that
grid errors are common to it and the network.
"""

import Calibration
import numpy as np


def sequence_jacobian(constants, calibration):
    """What the linear solution is made of; the keys are those of docs/howto/heterogeneous_agents.md.

    Args:
        constants: those of the model, a mapping.
        calibration: what Calibration.calibrate(constants) gives.

    K_t is the capital of the histogram at the beginning of period t, as in Definitions.K: it was chosen in t - 1
    (sequence-jacobian's K(-1)). C_t, Y_t and r_t are those of period t: K, C, Y in units of the good, r in units per quarter.
    """
    import sequence_jacobian as ssj

    @ssj.simple
    def firm(K, Z, L, alpha, delta):
        Y = Z * K(-1) ** alpha * L ** (1 - alpha)
        r = alpha * Y / K(-1) - delta
        w = (1 - alpha) * Y / L
        return r, w, Y

    @ssj.simple
    def market_clearing(A, K):
        asset_market = A - K
        return asset_market

    p, found = constants, {name: np.asarray(value, dtype=float) for name, value in calibration.items()}
    household = Calibration.household_block(p, found["a_grid"])
    inputs = {name: p[name] for name in ("beta", "eis", "alpha", "delta", "L")}
    inputs |= {"a_grid": found["a_grid"], "e_grid": found["e_grid"], "Pi": found["Pi_e"]}
    return {
        "model": ssj.create_model([household, firm, market_clearing], name="krusell_smith"),
        "inputs": inputs | {"K": float(found["K_ss"]), "Z": 1.0},
        "unknowns": ["K"],
        "targets": ["asset_market"],
        "shock": "Z",
        "outputs": ["K", "C", "Y", "r"],
        "predetermined": ["K"],
        "options": {"household": {"twosided": True}},
        "nodes": np.log(found["tfp_grid"]),  # dZ = d log Z at Z = 1
        "Pi": found["Pi_tfp"],
        "pi": found["pi_tfp"],
    }
