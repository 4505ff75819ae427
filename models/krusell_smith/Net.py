"""The policy network: aggregates -> consumption shares at all nodes, anchored on the stationary policy.

share(e, a; Z, D) = share_ss(e, a) * exp(scale * y), where y is a linear map of (log Z, log K) plus a small network of
(log Z, log K, further numbers of the distribution D), both zero at the start: training begins at the stationary policy,
whose residuals are near 5e-4, and capital stays near its steady state from the first step on.

What the network sees of D besides its mean K is a choice, net.options.aggregate_state: the classes below, each of which
maps masses [*batch, nE, nA] to [*batch, size] numbers of order one that are zero at the stationary distribution.
"""

import torch
from torch import nn

import Parameters
import State

from deqn import dense_network, histogram, variance_scaling_
from deqn.errors import ConfigError, suggestion


class OnlyCapital(nn.Module):
    """Nothing but K, as in Krusell and Smith (1998)."""

    size = 0

    def __init__(self, options, seed):
        super().__init__()

    def forward(self, distribution):
        return distribution[..., 0, :0]


class WealthMoments(nn.Module):
    """Moments of `wealth_moments`, as relative distances from the stationary ones in units of sd_K."""

    SMALLEST = 0.1  # what a moment is divided by at least: a share of households at the limit can be zero

    def __init__(self, options, seed):
        super().__init__()
        stationary = wealth_moments(Parameters.D_ss)
        self.size = len(stationary)
        self.register_buffer("stationary", stationary, persistent=False)
        self.register_buffer("scale", options["sd_K"] * stationary.clamp_min(self.SMALLEST), persistent=False)

    def forward(self, distribution):
        return (wealth_moments(distribution) - self.stationary) / self.scale


def wealth_moments(distribution):
    """What a proportional change of all wealth leaves as it is, where amin = 0: [*batch, nE + 3].

    Mean wealth at each e over mean wealth K; E (a / K)^2; E ((a - amin) / K)^(1/2); the share of households at the limit.
    """
    a, by_assets = Parameters.a_grid, distribution.sum(-2)
    K = by_assets @ a
    by_e = distribution @ a / distribution.sum(-1).clamp_min(1e-6) / K[..., None]
    above = by_assets @ (a - a[0]).sqrt() / K.sqrt()
    others = torch.stack([by_assets @ a**2 / K**2, above, by_assets[..., 0]], dim=-1)
    return torch.cat([by_e, others], dim=-1)


class LearnedMoments(nn.Module):
    """Averages over households of `n_moments` functions of their (a, e), which a network of `moment_units` learns.

    Source: the generalised moments of Han, Yang and E (2021), "DeepHAM: a global solution method for heterogeneous agent models
    with aggregate shocks", arXiv:2112.14377.
    """

    def __init__(self, options, seed):
        super().__init__()
        self.size, self.unit = options["n_moments"], options["sd_K"]
        self.register_buffer("nodes", household_nodes(), persistent=False)
        self.register_buffer("stationary", Parameters.D_ss.flatten(), persistent=False)
        hidden = nn.Linear(self.nodes.shape[-1], options["moment_units"], device="cpu")
        last = nn.Linear(options["moment_units"], self.size, bias=False, device="cpu")  # a constant has one mean everywhere
        generator = torch.Generator().manual_seed(seed + 1)
        for layer in (hidden, last):
            variance_scaling_(layer.weight, 1.0, "fan_in", "truncated_normal", generator)
        nn.init.uniform_(hidden.bias, -1, 1, generator)  # kinks at different wealth
        self.function = nn.Sequential(hidden, nn.Tanh(), last)

    def forward(self, distribution):
        # the functions are evaluated once at the nodes, whatever the batch
        return (distribution.flatten(-2) - self.stationary) @ self.function(self.nodes) / self.unit


def household_nodes():
    """Every node's log (1 + a - amin), on [-2, 2], and its e as an indicator: [nE nA, 1 + nE]."""
    nE, nA = Parameters.D_ss.shape
    wealth = torch.log1p(Parameters.a_grid - Parameters.a_grid[0])
    wealth = (4 * wealth / wealth[-1] - 2).expand(nE, nA)
    productivity = torch.eye(nE).to(wealth)[:, None].expand(nE, nA, nE)
    return torch.cat([wealth[..., None], productivity], dim=-1).flatten(0, 1)


class WholeHistogram(nn.Module):
    """The share of households with each e and no more assets than each node's, less the stationary one, over sd_K."""

    def __init__(self, options, seed):
        super().__init__()
        self.size, self.unit = Parameters.D_ss.numel(), options["sd_K"]
        self.register_buffer("stationary", Parameters.D_ss.cumsum(-1), persistent=False)

    def forward(self, distribution):
        return ((distribution.cumsum(-1) - self.stationary) / self.unit).flatten(-2)


CHOICES = {"capital": OnlyCapital, "moments": WealthMoments, "learned": LearnedMoments, "histogram": WholeHistogram}
DEFAULTS = {"aggregate_state": "capital", "n_moments": 4, "moment_units": 16}
POSITIVE = {"output_scale": float, "sd_Z": float, "sd_K": float, "n_moments": int, "moment_units": int}


def checked(given):
    """The options with defaults; or one ConfigError with all that is wrong."""
    options, known = DEFAULTS | dict(given), ["aggregate_state", *POSITIVE]
    problems = [f"net.options.{name} is not known.{suggestion(name, known)}" for name in options if name not in known]
    problems += [f"net.options.{name} is missing." for name in known if name not in options]
    choice = options["aggregate_state"]
    if choice not in list(CHOICES):  # a list: what is given need not be hashable
        expected = f"expected {', '.join(CHOICES)}"
        problems.append(f"net.options.aggregate_state = {choice!r}: {expected}.{suggestion(choice, CHOICES)}")
    for name, kind in POSITIVE.items():
        value = options.get(name, 1)
        accepted = (int,) if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, accepted) or not 0 < value < float("inf"):
            what = "an integer above zero" if kind is int else "a number above zero"
            problems.append(f"net.options.{name} = {value!r}: expected {what}.")
    if problems:
        raise ConfigError("The options of the network cannot be used", problems)
    return options


class AnchoredNetwork(nn.Module):
    """States [*batch, 1 + nE nA] -> shares [*batch, nE nA].

    Options (net.options): `output_scale`, the size of one unit of output in log shares; `sd_Z` and `sd_K`, standard
    deviations that log Z and log (K / K_ss) are divided by; `aggregate_state`; `n_moments` and `moment_units`.
    """

    def __init__(self, net_config, n_outputs, seed):
        super().__init__()
        options = checked(net_config.options)
        self.scale, self.sd_Z, self.sd_K = (options[name] for name in ("output_scale", "sd_Z", "sd_K"))
        self.further = CHOICES[options["aggregate_state"]](options, seed)
        self.linear = nn.Linear(2, n_outputs, bias=False)
        self.network = dense_network(net_config, 2 + self.further.size, n_outputs, seed)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.network[-1].weight)

    def forward(self, states):
        distribution = State.distribution(states)
        capital = histogram.aggregate(distribution, Parameters.a_grid)
        first = torch.stack(
            [State.Z(states).log() / self.sd_Z, (capital / Parameters.K_ss).log() / self.sd_K], dim=-1
        )
        y = self.linear(first) + self.network(torch.cat([first, self.further(distribution)], dim=-1))
        return Parameters.share_ss.flatten() * torch.exp(self.scale * y)


def define_net(net_config, model):
    return AnchoredNetwork(net_config, model.n_policies, model.config.seed)
