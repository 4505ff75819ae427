"""Growth of capital in N countries by polynomials, in NumPy; shares no code with the library.

Hours are fixed, chosen by households whose utility of consumption and of hours are separable, or by such as value leisure.

Growth of each country's capital is a complete polynomial of Chebyshev's in all log capitals and productivities: all products
whose degrees add up to at most `degree`. Its coefficients make the Euler equations hold, in the sense of least squares, on at
least twice as many quasi-random points as there are terms, by the method of Gauss and Newton; derivatives are complex steps. The
points fill an ellipsoid: in the corners of a box one country has much capital and the other little, which never happens. The
shocks of the countries, each the sum of its own and the common one, are on product Gauss-Hermite nodes. The number of unknowns
grows quickly: one and two countries are meant.

Where utility is separable, eta is the elasticity of labour and C_rest consumption where lambda is one; fixed hours are eta = 0.

Sources: Judd (1992), Projection methods for solving aggregate growth models, Journal of Economic Theory 58(2), 410-452; Malin,
Krueger and Kubler (2011), Solving the multi-country real business cycle model using a Smolyak-collocation method, Journal of
Economic Dynamics and Control 35(2), 229-239, for such polynomials in this economy; Maliar, Maliar and Judd (2011), there,
207-228, for preferences and production in `Leisure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import norm, qmc

DEVIATIONS = 5.0  # half an axis of log productivity, in standard deviations
CAPITAL = 7.0  # and of log capital, in the same unit
DEGREES = {1: 14, 2: 5}  # by the number of countries
NODES = {1: 9, 2: 5}  # of each shock
RETURN = 0.05  # growth of a country's capital at the start, over its log
STEPS = 7  # of Newton's method to the price; rounding is reached after four to six
_TINY = 1e-30  # length of a complex step
_DIFFERENCE = 1e-6  # of the logit of hours


@dataclass(frozen=True)
class Reference:
    """The solution.

    Attributes:
        coefficients: of growth of each country's capital, `[terms, N]`.
        powers: degree of each term in each state, `[terms, 2 N]`.
        constants: those of the model.
        width: half the axes of log capital and of log productivity, `[2 N]`.
        shocks, weights: nodes of the countries' shocks, `[nodes, N]` and `[nodes]`.
    """

    coefficients: np.ndarray
    powers: np.ndarray
    constants: Mapping[str, Any]
    width: np.ndarray
    shocks: np.ndarray
    weights: np.ndarray

    def basis(self, x: np.ndarray) -> np.ndarray:
        """Terms of the polynomial at log capital and log productivity `[n, 2 N]`: `[n, terms]`."""
        x = x / self.width
        values = np.ones((len(x), len(self.powers)), x.dtype)
        polynomials = [np.ones_like(x), x]
        for _ in range(2, self.powers.max() + 1):
            polynomials.append(2 * x * polynomials[-1] - polynomials[-2])
        table = np.stack(polynomials)  # [degree, n, 2 N]
        for i in range(x.shape[1]):
            values *= table[self.powers[:, i], :, i].T
        return values

    def growth(self, x: np.ndarray) -> np.ndarray:
        """Growth of capital at log capital and log productivity `[n, 2 N]`: `[n, N]`."""
        return self.basis(x) @ self.coefficients

    def output(self, x: np.ndarray, price: np.ndarray) -> np.ndarray:
        """Output of each country `[*batch, N]` at `[*batch, 2 N]` and log prices `[*batch]`, where hours are chosen."""
        p, (log_k, a) = self.constants, np.split(x, 2, axis=-1)
        return p["A"] * np.exp((1 + self.supply) * (a + p["alpha"] * log_k) + self.supply * price[..., None])

    @property
    def supply(self) -> np.ndarray:
        """Elasticity of output to the good's price, by hours, `[N]`."""
        p = self.constants
        return (1 - p["alpha"]) * p["eta"] / (1 + p["alpha"] * p["eta"])

    def log_price(self, x: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Log of lambda at `[*batch, 2 N]` if capital grows by g `[*batch, N]`: `[*batch]`."""
        p, k = self.constants, np.exp(np.split(x, 2, axis=-1)[0])
        spent = ((p["delta"] + g + p["phi"] / 2 * g**2) * k).sum(-1)
        positive, price = np.where(spent.real > 0, spent, 0), np.zeros_like(spent)
        for _ in range(STEPS):
            C, Y = p["C_rest"] * np.exp(-p["gamma"] * price[..., None]), self.output(x, price)
            demand, supply = C.sum(-1) + positive, Y.sum(-1) + (positive - spent)
            slope = (p["gamma"] * C).sum(-1) / demand + (self.supply * Y).sum(-1) / supply
            price = price + (np.log(demand) - np.log(supply)) / slope
        return price

    def allocation(self, x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, ...]:
        """Log of lambda `[*batch]`; consumption, hours and product of the last unit of capital, `[*batch, N]`."""
        p, (log_k, a) = self.constants, np.split(x, 2, axis=-1)
        price = self.log_price(x, g)
        C = p["C_rest"] * np.exp(-p["gamma"] * price[..., None])
        hours = np.exp((price[..., None] + a + p["alpha"] * log_k) * p["eta"] / (1 + p["alpha"] * p["eta"]))
        return price, C, hours, p["alpha"] * self.output(x, price) / np.exp(log_k)

    def value(self, x: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Lambda times what a unit of each country's capital gives, `[*batch, N]`."""
        p, (price, _, _, product) = self.constants, self.allocation(x, g)
        return np.exp(price)[..., None] * (product + 1 - p["delta"] + p["phi"] / 2 * g * (2 + g))

    def euler(self, x: np.ndarray, g: np.ndarray, later: np.ndarray, g_later: np.ndarray) -> np.ndarray:
        """Relative residuals `[n, N]`: today's states and growth `[n, ...]`, tomorrow's `[n, nodes, ...]`."""
        expected = np.einsum("q,nqj->nj", self.weights, self.value(later, g_later))
        return 1 - self.constants["beta"] * expected / self.cost(x, g)

    def cost(self, x: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Lambda times what a unit of capital costs, `[n, N]`."""
        return np.exp(self.allocation(x, g)[0])[:, None] * (1 + self.constants["phi"] * g)

    def following(self, x: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Tomorrow's log capital and log productivity at each node, `[n, nodes, 2 N]`."""
        log_k, a = np.split(x, 2, axis=-1)
        log_k, a = (log_k + np.log(1 + g))[:, None], (self.constants["rho"] * a)[:, None] + self.shocks
        return np.concatenate([np.broadcast_to(log_k, a.shape), a], axis=-1)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Relative Euler residuals at `[n, 2 N]`: `[n, N]`."""
        g = self.growth(x)
        later = self.following(x, g)
        return self.euler(x, g, later, self.growth(later.reshape(-1, x.shape[1])).reshape(*later.shape[:2], -1))

    def policies(self, k: np.ndarray, a: np.ndarray) -> dict[str, np.ndarray]:
        """Growth of capital, consumption, hours and lambda at capital and log productivity `[n, N]`: `[n, N]`, and `[n]`."""
        x = np.concatenate([np.log(k), a], axis=-1)
        g = self.growth(x)
        price, C, hours, _ = self.allocation(x, g)
        return {"g": g, "k_next": k * (1 + g), "C": C, "l": hours, "log_lambda": price}


class Leisure(Reference):
    """Utility of consumption and leisure that is not separable.

    It is tau [C^e + b (L - l)^e]^((1 - 1/gamma) / e) / (1 - 1/gamma) with e = 1 - 1/xi, and output is
    A e^a [alpha k^mu + (1 - alpha) l^mu]^(1/mu). Where xi = 1 and mu = 0 in all countries, utility is
    tau [C^psi (L - l)^(1 - psi)]^(1 - 1/gamma) / (1 - 1/gamma), and output A e^a k^alpha l^(1 - alpha).
    """

    @property
    def is_cobb_douglas(self) -> bool:
        return bool((self.constants["xi"] == 1).all() and (self.constants["mu"] == 0).all())

    def products(self, x: np.ndarray, hours: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Output, and that of the last unit of capital and of the last hour, `[*batch, N]`."""
        p, (log_k, a) = self.constants, np.split(x, 2, axis=-1)
        alpha, mu, k, level = p["alpha"], p["mu"], np.exp(log_k), p["A"] * np.exp(a)
        if self.is_cobb_douglas:
            Y = level * k**alpha * hours ** (1 - alpha)
            return Y, alpha * Y / k, (1 - alpha) * Y / hours
        inner = alpha * k**mu + (1 - alpha) * hours**mu
        last = level * inner ** (1 / mu - 1)
        return level * inner ** (1 / mu), alpha * k ** (mu - 1) * last, (1 - alpha) * hours ** (mu - 1) * last

    def consumption(self, wage: np.ndarray, hours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Consumption that goes with these wages and hours, and log of its weighted marginal utility, `[*batch, N]`."""
        p = self.constants
        gamma, xi, leisure, at_rest = p["gamma"], p["xi"], p["L"] - hours, (1 - p["alpha"]) * p["A"]
        free, C_rest = p["L"] - 1, p["C_rest"]
        if self.is_cobb_douglas:
            psi = C_rest / (C_rest + at_rest * free)
            C, (by_C, by_leisure) = psi / (1 - psi) * wage * leisure, (psi * (1 - 1 / gamma) - 1, (1 - psi) * (1 - 1 / gamma))
            return C, by_C * np.log(C / C_rest) + by_leisure * np.log(leisure / free)
        e, b = 1 - 1 / xi, at_rest * (C_rest / free) ** (-1 / xi)
        C = (wage / b) ** xi * leisure
        outer = (1 / xi - 1 / gamma) / e
        tau = C_rest ** (1 / xi) / (C_rest**e + b * free**e) ** outer
        return C, np.log(tau) + outer * np.log(C**e + b * leisure**e) - np.log(C) / xi

    def missed(self, x: np.ndarray, logit: np.ndarray, spent: np.ndarray) -> np.ndarray:
        """Logs of goods needed over those made, and of prices over the first country's, at logits of hours / L: `[*batch, N]`."""
        hours = self.constants["L"] / (1 + np.exp(-logit))
        Y, _, wage = self.products(x, hours)
        C, price = self.consumption(wage, hours)
        positive = np.where(spent.real > 0, spent, 0)
        goods = np.log(C.mean(-1) + positive) - np.log(Y.mean(-1) + positive - spent)
        return np.concatenate([goods[..., None], price[..., 1:] - price[..., :1]], axis=-1)

    def allocation(self, x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, ...]:
        """As there. Newton's method with differences for the real part; two more steps with the same slopes for a complex one."""
        p, k = self.constants, np.exp(np.split(x, 2, axis=-1)[0])
        spent, sides = ((p["delta"] + g + p["phi"] / 2 * g**2) * k).mean(-1), _DIFFERENCE * np.eye(len(p["gamma"]))
        logit = np.full(k.shape, -np.log(p["L"] - 1))
        for _ in range(4 * STEPS):
            now = self.missed(x.real, logit, spent.real)
            slopes = np.stack([self.missed(x.real, logit + side, spent.real) - now for side in sides], axis=-1) / _DIFFERENCE
            step = -np.linalg.solve(slopes, now[..., None])[..., 0].clip(-1, 1)
            logit = logit + step
            if np.abs(step).max() < 1e-7:
                break
        for _ in range(2 if np.iscomplexobj(x) or np.iscomplexobj(g) else 1):
            logit = logit - np.linalg.solve(slopes, self.missed(x, logit, spent)[..., None])[..., 0]
        hours = p["L"] / (1 + np.exp(-logit))
        _, product, wage = self.products(x, hours)
        C, price = self.consumption(wage, hours)
        return price[..., 0], C, hours, product


def solve(constants: Mapping[str, Any], degree: int | None = None, tolerance: float = 1e-10) -> Reference:
    """The polynomial with the smallest Euler residuals on the points.

    Args:
        constants: those of the model with A, gamma `[N]` and sd_a; with eta `[N]` and consumption C_rest where lambda is one if
            hours are chosen, else these are zero and A; with xi `[N]`, mu `[N]` and L in place of eta for `Leisure`.
        degree: of the polynomial; one by the number of countries by default.

    Raises:
        RuntimeError: when the coefficients do not settle.
        ValueError: for xi = 1 or mu = 0 in some countries and not in all.
    """
    N = len(constants["gamma"])
    p = {"eta": np.zeros(N), "C_rest": constants["A"]} | dict(constants)
    p |= {name: np.asarray(p[name], dtype=float) for name in ("gamma", "eta", "xi", "mu") if name in p}
    kind = Leisure if "xi" in p else Reference
    if kind is Leisure and len({*(p["xi"] == 1), *(p["mu"] == 0)}) > 1:
        raise ValueError(f"xi = 1 and mu = 0 in all countries or in none: {p['xi']}, {p['mu']}")
    degree = degree or DEGREES[N]
    powers = _complete(2 * N, degree)
    width = p["sd_a"] * np.repeat([CAPITAL, DEVIATIONS], N)
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES[N])
    covariance = p["sigma"] ** 2 * np.eye(N) + p["sigma_common"] ** 2
    values, vectors = np.linalg.eigh(covariance)
    shocks = np.array([*product(nodes, repeat=N)]) @ (vectors * np.sqrt(values.clip(min=0))).T
    weights = np.prod([*product(weights / weights.sum(), repeat=N)], axis=1)
    x = _ball(2 * N, 2 * len(powers)) * width
    start = np.zeros((len(powers), N))
    for i in range(N):  # from capital that returns to rest, since the equations have solutions, too, in which it runs away
        start[(powers[:, i] == 1) & (powers.sum(1) == 1), i] = -RETURN * width[i]
    if degree > 2:  # whose steps take no time
        start[powers.sum(1) <= 2] = solve(constants, 2, 1e-4).coefficients
    reference = kind(start, powers, p, width, shocks, weights)
    for _ in range(30):
        residuals, jacobian = _linearised(reference, x)
        step = np.linalg.lstsq(jacobian, -residuals.ravel(), rcond=None)[0].reshape(N, -1).T
        reference = kind(reference.coefficients + step, powers, p, width, shocks, weights)
        if np.abs(step).max() < tolerance:
            return reference
    raise RuntimeError(f"the coefficients do not settle: last step {np.abs(step).max():.1e}")


def _ball(n: int, least: int) -> np.ndarray:
    """Quasi-random points that fill the unit ball evenly, `[at least least, n]`."""
    points = qmc.Sobol(n + 1, seed=0).random_base2(int(np.ceil(np.log2(least))))
    directions = norm.ppf(points[:, :n])
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * points[:, n:] ** (1 / n)


def _complete(n: int, degree: int) -> np.ndarray:
    """Degrees `[terms, n]` that add up to at most `degree`."""
    if n == 1:
        return np.arange(degree + 1)[:, None]
    return np.concatenate(
        [np.insert(_complete(n - 1, degree - d), 0, d, axis=1) for d in range(degree + 1)]
    )


def _linearised(reference: Reference, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals `[n, N]` and their derivatives in the coefficients, `[n N, N terms]`; those of one country's after another's."""
    basis = reference.basis(x)
    g = basis @ reference.coefficients
    later = reference.following(x, g)
    n, nodes, _ = later.shape
    N, terms = g.shape[1], basis.shape[1]
    basis_later = reference.basis(later.reshape(n * nodes, -1))
    g_later = (basis_later @ reference.coefficients).reshape(n, nodes, N)
    basis_later = basis_later.reshape(n, nodes, terms)
    residuals = reference.euler(x, g, later, g_later)
    jacobian = np.empty((n, N, N, terms))
    for i in range(N):
        moved = g.astype(complex)
        moved[:, i] += 1j * _TINY
        there = reference.following(x, moved)
        then = reference.growth(there.reshape(n * nodes, -1)).reshape(n, nodes, N)
        by_today = reference.euler(x, moved, there, then).imag / _TINY  # [n, N]
        by_later = _by_later(reference, x, g, later, g_later, i)  # [n, nodes, N]
        jacobian[:, :, i] = by_today[..., None] * basis[:, None] + np.einsum("nqj,nqt->njt", by_later, basis_later)
    return residuals, jacobian.reshape(n * N, N * terms)


def _by_later(
    reference: Reference, x: np.ndarray, g: np.ndarray, later: np.ndarray, g_later: np.ndarray, i: int
) -> np.ndarray:
    """Derivatives of the residuals in growth of country i at each node of tomorrow, `[n, nodes, N]`."""
    moved = g_later.astype(complex)
    moved[..., i] += 1j * _TINY
    worth = reference.value(later, moved).imag / _TINY
    return -reference.constants["beta"] * reference.weights[:, None] * worth / reference.cost(x, g)[:, None]
