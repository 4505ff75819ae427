"""Labour by age, the Markov chain of the shocks, and the stationary life cycle of the economy without risk.

The stationary equilibrium is one system: the two Euler equations of each age, with their constraints by the function of Fischer
(1992), and the market for bonds. Capital, collateral and the price of the bond are its unknowns; Newton's method solves it.
"""

import numpy as np
from scipy.optimize import least_squares


def calibrate(constants):
    """Shocks, labour and the stationary equilibrium: capital, bonds, consumption by age, multipliers, the bond's price."""
    N, chance = constants["savers"] + 1, constants["p_bad"] / (constants["p_bad"] + 1 - constants["p_bad_stay"])
    labour = labour_by_age(constants["labour"], N)
    stay = np.array([1 - constants["p_bad"], constants["p_bad_stay"]])
    p_delta = np.array([[stay[0], 1 - stay[0]], [1 - stay[1], stay[1]]])
    p_tfp = np.array([[constants["p_tfp_stay"], 1 - constants["p_tfp_stay"]]] * 2)
    p_tfp[1] = p_tfp[0, ::-1]
    tfp, delta = ([constants[f"{name}_low"], constants[f"{name}_high"]] for name in ("tfp", "delta"))
    mean_tfp, mean_delta = np.mean(tfp), (1 - chance) * delta[0] + chance * delta[1]
    beta = constants["beta"] ** (56 / N)
    found = stationary(constants, labour, beta, mean_tfp, mean_delta)
    k, c = found["k_ss"], found["c_ss"][:-1]
    return found | {
        "xk_ss": k - c * found["lambda_ss"],
        "xq_ss": found["q_ss"] - c * found["mu_ss"],
        "x_unit": 0.1 * (c + k),
        "p_unit": 0.02 * found["p_ss"],
        "k_low": 0.9 * k,
        "k_high": 1.1 * k + 0.01 * c,
        "hours": labour,
        "L": labour.sum(),
        "beta_period": beta,
        "kappa": 1 / (1 - delta[1]),
        "tfp_values": np.tile(tfp, 2),
        "delta_values": np.repeat(delta, 2),
        "transition": np.kron(p_delta, p_tfp),
        "mean_tfp": mean_tfp,
        "mean_delta": mean_delta,
    }


def labour_by_age(given, N):
    """[N]: the numbers that are given; or of a life, a hump over two thirds of it, a decline to half, and that until the end."""
    if given != "life":
        if np.shape(given) != (N,):
            raise ValueError(f"constants.labour = {given}: expected life, or a number for each of the {N} ages")
        return np.array(given, dtype=float)
    age, working, late = np.arange(N), int(2 * N / 3), int(5 * N / 6)
    hump = 0.6 * (1 + 1.27 * (1 - (2 * age / N - 1) ** 2))
    last = 0.6 * (1 + 1.27 * (1 - (2 * working / N - 1) ** 2))
    decline = last * (1 - 0.5 * (age - working) / max(late - 1 - working, 1))
    return np.where(age < working, hump, np.where(age < late, decline, 0.5 * last))


def stationary(constants, labour, beta, tfp, delta):
    """The equilibrium in which productivity and depreciation stay at their means.

    Raises:
        RuntimeError: when no equilibrium is found.
    """
    alpha, gamma, zeta = constants["alpha"], constants["gamma"], constants["zeta"]
    N, L, kappa = len(labour), labour.sum(), 1 / (1 - constants["delta_high"])

    def economy(unknowns):
        k, q, p = unknowns[: N - 1], unknowns[N - 1 : -1], unknowns[-1]
        K = max(k.sum(), 1e-3)
        R, w = 1 - delta + alpha * tfp * (K / L) ** (alpha - 1), (1 - alpha) * tfp * (K / L) ** alpha
        b, zero = (q - k) / kappa, np.zeros(1)
        now, then = np.append(k, zero), np.append(b, zero)
        change = now - R * np.append(zero, k)
        c = R * np.append(zero, k) + np.append(zero, b) + w * labour - now - p * then - zeta / 2 * change**2
        least = 0.02 * w
        marginal = np.where(c > least, np.maximum(c, least) ** -gamma, least**-gamma * (1 + gamma * (1 - c / least)))
        cost = np.maximum(1 + zeta * change, 0.05)
        mu = (p - beta * marginal[1:] / marginal[:-1]) / kappa
        lam = cost[:-1] - beta * R * cost[1:] * marginal[1:] / marginal[:-1] - mu
        return k, q, b, c, lam / gamma, mu / gamma, p, K, R, w

    def gaps(unknowns):
        k, q, b, _, lam, mu, *_ = economy(unknowns)
        rows = [x + y - np.sqrt(x**2 + y**2) for x, y in ((k, lam), (q, mu))]
        return np.concatenate([*rows, [b.sum()]])

    R = 1 / beta  # and so a life of equal consumption, that may borrow
    K_over_L = (alpha * tfp / (R - 1 + delta)) ** (1 / (1 - alpha))
    income, worth = (1 - alpha) * tfp * K_over_L**alpha * labour, R ** -np.arange(N)
    saved = np.cumsum((income - income @ worth / worth.sum()) * worth) / worth
    k = saved[:-1].clip(1e-3 * income.max())
    found = least_squares(gaps, np.concatenate([k, k, [beta]]), x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=500)
    if np.abs(found.fun).max() > 1e-8:
        raise RuntimeError(f"no stationary life cycle: the equations are off by {np.abs(found.fun).max():.1e}")
    k, q, b, c, lam, mu, p, K, R, w = economy(found.x)
    k, q = k.clip(0), q.clip(0)
    return {"k_ss": k, "q_ss": q, "b_ss": b, "c_ss": c, "lambda_ss": lam, "mu_ss": mu, "p_ss": p, "K_ss": K, "R_ss": R, "w_ss": w}
