"""Where the economy lives: around its deterministic steady state, whatever the depreciation."""


def calibrate(constants):
    """K_ss, the range of initial capital around it, and the standard deviation of log productivity."""
    alpha, beta, delta = constants["alpha"], constants["beta"], constants["delta"]
    K_ss = ((1 / beta - 1 + delta) / alpha) ** (1 / (alpha - 1))
    return {
        "K_ss": K_ss,
        "K_low": 0.5 * K_ss,
        "K_high": 2.0 * K_ss,
        "sd_z": constants["sigma"] / (1 - constants["rho"] ** 2) ** 0.5,
    }
