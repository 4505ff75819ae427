"""The steady state K = alpha beta K^alpha, and where the first trajectories start."""


def calibrate(constants):
    """K_ss and a range of capital around it."""
    alpha, beta = constants["alpha"], constants["beta"]
    K_ss = (alpha * beta) ** (1 / (1 - alpha))
    return {"K_ss": K_ss, "K_low": 0.5 * K_ss, "K_high": 2.0 * K_ss}
