"""The economy for sequence-jacobian, of which PostProcess.py takes the linear solution.

The method is that of Auclert, Bardóczy, Rognlie and Straub (2021), Econometrica 89(5), 2375-2408. Households choose as in
Calibration.py on the same grids, so that grid errors are common to it and the network.
"""

import Calibration
import numpy as np


def sequence_jacobian(constants, calibration):
    """What the linear solution is made of; the keys are those of docs/howto/heterogeneous_agents.md."""
    import sequence_jacobian as ssj

    p, found = constants, {name: np.asarray(value, dtype=float) for name, value in calibration.items()}

    def initial_value(b_grid):
        Vb = found["m_ss"] ** -p["gamma"] / p["beta"]
        Va = found["q_ss"] * Vb
        return Vb, Va

    @ssj.het(exogenous="Pi", policy=["b", "a"], backward=["Vb", "Va"], backward_init=initial_value)
    def household(Vb_p, Va_p, b_grid, a_grid, e_grid, rb, ra, w):
        now = Calibration.step(p, Vb_p, Va_p, b_grid, a_grid, e_grid, rb, ra, w)
        Vb, Va, b, a, chi, c = (now[name] for name in ("Vb", "Va", "b", "a", "chi", "c"))
        return Vb, Va, b, a, chi, c

    @ssj.simple
    def firms(K, Z, alpha, delta, omega):
        Y = Z * K(-1) ** alpha
        ra = alpha * Z * K(-1) ** (alpha - 1) - delta
        rb = ra - omega
        w = (1 - alpha) * Y
        return Y, ra, rb, w

    @ssj.simple
    def market(K, A, B, Y, ra, delta):
        capital = A + B - K
        I = K - (1 - delta) * K(-1)
        r = ra + 0
        return capital, I, r

    inputs = {name: p[name] for name in ("alpha", "delta", "omega")}
    inputs |= {name: found[name] for name in ("b_grid", "a_grid", "e_grid")}
    return {
        "model": ssj.create_model([household, firms, market], name="two_assets"),
        "inputs": inputs | {"Pi": found["Pi_e"], "K": float(found["K_ss"]), "Z": 1.0},
        "unknowns": ["K"],
        "targets": ["capital"],
        "shock": "Z",
        "outputs": ["K", "B", "Y", "C", "I", "r"],
        "predetermined": ["K", "B"],
        "options": {"household": {"twosided": True}},
        "nodes": found["z_grid"],
        "Pi": found["Pi_z"],
        "pi": found["pi_z"],
    }
