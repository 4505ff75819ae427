"""What changes with time alone, period by period; what oceans give back; where paths start."""

import numpy as np

YEARS = 5  # of a period
CO2 = 3.666  # mass of CO2 over that of its carbon
PERIODS = 1000  # tabulated; later ones are as the last
WIDTH = {"k": 0.1, "M": 0.05, "U": 0.05, "L": 0.02}  # of initial states around those of 2015, relative
DEGREES = {"T": 0.2, "O": 0.1}  # the same, in degrees


def calibrate(c):
    """Tables `[PERIODS]` of what is exogenous, rates at which oceans give carbon back, and the ranges of the initial states."""
    t = np.arange(PERIODS)
    left = (1 - c["pop_speed"]) ** t  # of the log distance to the last population
    people = c["pop_inf"] * (c["pop_0"] / c["pop_inf"]) ** left
    growth = c["g_A"] * np.exp(-c["d_A"] * YEARS * t)
    productivity = c["A_0"] / np.cumprod(np.concatenate([[1.0], 1 - growth[:-1]]))
    fall = c["g_sigma"] * (1 - c["d_sigma"]) ** (YEARS * t)
    intensity = c["e_0"] / (c["q_0"] * (1 - c["mu_0"])) * np.exp(YEARS * np.concatenate([[0.0], np.cumsum(fall)[:-1]]))
    effective = productivity ** (1 / (1 - c["gamma"])) * people / 1000
    sinks = {"U_to_M": c["b_12"] * c["M_eq"] / c["U_eq"], "L_to_U": c["b_23"] * c["U_eq"] / c["L_eq"]}
    middle = {"k": c["K_0"] / effective[0]} | {name: c[f"{name}_0"] / 1000 for name in "MUL"}
    width = {name: WIDTH[name] * value for name, value in middle.items()} | DEGREES
    middle |= {name: c[f"{name}_0"] for name in DEGREES}
    low = {f"{name}_low": value - width[name] for name, value in middle.items()}
    high = {f"{name}_high": value + width[name] for name, value in middle.items()}
    return {
        "years": YEARS,
        "co2": CO2,
        "people": people,
        "effective": effective,
        "intensity": intensity,
        "price_of_backstop": c["backstop"] * (1 - c["g_backstop"]) ** t,
        "land": c["land_0"] * (1 - c["d_land"]) ** t,
        "other_forcing": c["forcing_0"] + (c["forcing_1"] - c["forcing_0"]) * np.minimum(t / 17, 1),
        "most": np.where(t < c["limit_period"], 1.0, c["mu_limit"]),
        "kept": (1 - c["delta"]) ** YEARS,
        "beta": (1 + c["rho"]) ** -YEARS,
        "k_0": middle["k"],
        **sinks,
        **low,
        **high,
    }
