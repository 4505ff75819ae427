"""The deterministic steady state; initial states lie around it."""


def calibrate(constants):
    """Capital and consumption at rest, and where training takes place: four standard deviations of z on either side."""
    alpha, beta, delta = (constants[name] for name in ("alpha", "beta", "delta"))
    K = ((1 / beta - 1 + delta) / alpha) ** (1 / (alpha - 1))
    sd_z = constants["sigma"] / (1 - constants["rho"] ** 2) ** 0.5
    return {
        "K_ss": K, "C_ss": K**alpha - delta * K,
        "K_low": 0.75 * K, "K_high": 1.3 * K,
        "sd_z": sd_z, "z_low": -4 * sd_z, "z_high": 4 * sd_z,
    }
