"""Ranges of the initial states: four standard deviations of either."""


def calibrate(constants):
    p = constants
    sd_x = p["phi_x"] * p["sigma"] / (1 - p["rho"] ** 2) ** 0.5
    sd_v = p["sigma_v"] / (1 - p["rho_v"] ** 2) ** 0.5
    return {"sd_x": sd_x, "x_low": -4 * sd_x, "x_high": 4 * sd_x, "sd_v": sd_v, "v_low": -4 * sd_v, "v_high": 4 * sd_v}
