"""The deterministic steady state, and the weight of work that makes hours there what they are in the data."""


def calibrate(constants):
    """chi and the steady state; initial capital lies around it."""
    alpha, beta, delta, N = (constants[name] for name in ("alpha", "beta", "delta", "N_target"))
    K = N * ((1 / beta - 1 + delta) / alpha) ** (1 / (alpha - 1))
    Y = K**alpha * N ** (1 - alpha)
    C = Y - delta * K
    wage = (1 - alpha) * Y / N
    sd_z = constants["sigma"] / (1 - constants["rho"] ** 2) ** 0.5
    return {
        "chi": wage * C ** -constants["gamma"] / N ** (1 / constants["frisch"]),
        "K_ss": K,
        "C_ss": C,
        "N_ss": N,
        "K_low": 0.8 * K,
        "K_high": 1.25 * K,
        "sd_z": sd_z,
        "z_low": -4 * sd_z,
        "z_high": 4 * sd_z,
    }
