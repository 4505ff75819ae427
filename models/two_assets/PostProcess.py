"""A figure of the economy, and tables of how far the network is from the classical and from the linear solution.

The tests of docs/howto/heterogeneous_agents.md are for one asset. This file writes `two_assets.md` in their place.
"""

import importlib.util

import Definitions
import Dynamics
import Hooks
import numpy as np
import Parameters
import State
import torch
from reference import Reference

from deqn import figures, histogram

PERIODS, BURN_IN, SEED = 1_000, 100, 20_240_101
NAMES = {"K": "capital", "B": "liquid capital", "C": "consumption"}


def post_process(run):
    figures.save(Hooks.draw_economy(run.cloud()), run.output / "economy.png")
    print("solving the economy by the classical method (a few minutes)", flush=True)
    solution = Reference.solve(run.config.constants)
    lines = [*against_classical(run, solution), "", *responses(run, solution)]
    (run.output / "two_assets.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def simulate(nodes):
    """The network's economy along nodes of Z [T, n], from the stationary distribution on: states [T, n, n_states]."""
    states = State.update_dict(
        Parameters.starting_state[:1].expand(nodes.shape[1], -1),
        {"distribution": Parameters.D_ss.expand(nodes.shape[1], -1, -1, -1)},
    )
    found = []
    for now in Parameters.z_grid[torch.as_tensor(nodes)]:
        states = State.update(states, "Z", now)
        found.append(states)
        states = Dynamics.step(states, Parameters.policy(states), now)
    return torch.stack(found)


def series(states):
    """K, B, C at states [..., n_states]: a dictionary of arrays [...]."""
    parts = states.flatten(0, -2).split(100)
    return {
        name: torch.cat([getattr(Definitions, name)(x, Parameters.policy(x)) for x in parts])
        .unflatten(0, states.shape[:-1]).double().cpu().numpy()
        for name in NAMES
    }  # fmt: skip


def against_classical(run, solution):
    """A Markdown table of both on common shocks."""
    z = Reference.chain_path(solution, np.random.default_rng(SEED).random(PERIODS + BURN_IN))
    with torch.no_grad():
        states = simulate(z[:, None])[:, 0]
        ours = {name: x[BURN_IN:] for name, x in series(states).items()}
        theirs = {name: x[BURN_IN:] for name, x in Reference.simulate(solution, z).items()}
        some = states[BURN_IN::20]
        choices, residuals = choice_errors(solution, z[BURN_IN::20], some), residual_means(run, some)
    lines = [f"{PERIODS:,} periods of common shocks", "", "| | network | classical |", "|---|---:|---:|"]
    for name, title in NAMES.items():
        one, other = np.log(ours[name]), np.log(theirs[name])
        gap = 100 * np.abs(one - other)
        lines += [
            f"| {title}: difference on average, largest [%] | {gap.mean():.4f}, {gap.max():.4f} | |",
            f"| standard deviation of its log [%] | {100 * one.std():.3f} | {100 * other.std():.3f} |",
            f"| its mean | {ours[name].mean():.4f} | {theirs[name].mean():.4f} |",
        ]
    lines += [f"| {title}, difference over households, mean [%] | {value:.4f} | |" for title, value in choices.items()]
    for name, (by_mass, by_node) in residuals.items():
        lines.append(f"| residual of `{name}`, mean over households, over nodes | {by_mass:.1e}, {by_node:.1e} | |")
    largest, mean = solution["errors"]
    return [*lines, f"| the law of log K' misses by at most, on average [%] | | {100 * largest:.4f}, {100 * mean:.4f} |"]


def choice_errors(solution, z, states):
    """Mean distances of c, b' and a' from the classical ones at states [n, n_states], in % of their means."""
    choice = Definitions.households(states, Parameters.policy(states))
    ours = [x.double().cpu().numpy() for x in (choice.c, choice.b_next, choice.a_next)]
    masses, K = (x.double().cpu().numpy() for x in (State.distribution(states), Definitions.K(states, None)))
    sums = np.zeros((2, 3))
    for i, (node, capital) in enumerate(zip(z, K, strict=True)):
        b, a, _, c = Reference.choose(
            solution, *Reference.expectations_at(solution, node, capital), solution["Z"][node], capital
        )
        for j, (one, other) in enumerate(zip(ours, (c, b, a), strict=True)):
            sums[:, j] += (masses[i] * np.abs(one[i] - other)).sum(), (masses[i] * other).sum()
    return dict(zip(("consumption", "liquid savings", "illiquid savings"), 100 * sums[0] / sums[1], strict=True))


def residual_means(run, states):
    """Mean |residual| over households, and over all nodes, by equation."""
    found, masses = run.model.equations(states, Parameters.policy(states)), State.distribution(states)
    return {
        name: (float((x.abs() * masses).sum((-3, -2, -1)).mean()), float(x.abs().mean())) for name, x in found.items()
    }


def responses(run, solution, still=60, periods=20):
    """A Markdown table of what follows when Z is one node up for five years, in % of the stationary level."""
    if importlib.util.find_spec("sequence_jacobian") is None:
        return ["no linear solution: it needs sequence-jacobian (pip install 'deqn[ks]')"]
    from deqn.analysis.heterogeneous import linear

    handed = run.model.linker.link("Linear").sequence_jacobian(run.config.constants, run.model.calibration)
    found = linear.solve(handed, periods=150)
    nodes = np.full((still + periods, 2), len(Parameters.z_grid) // 2)
    nodes[still : still + 5, 0] += 1
    with torch.no_grad():
        paths = {"linear": linear.path(found, nodes.T), "network": series(simulate(nodes))}
    classical = [Reference.simulate(solution, z) for z in nodes.T]
    paths["classical"] = {name: np.stack([one[name] for one in classical], -1) for name in NAMES}
    paths["linear"] = {name: x.T for name, x in paths["linear"].items()}
    lines = ["| Z one node up for five years: impact, peak, distance from linear [%] | linear | network | classical |"]
    lines.append("|---|---:|---:|---:|")
    for name, title in NAMES.items():
        moves = [100 * (x[name][:, 0] - x[name][:, 1])[still:] / found["stationary"][name] for x in paths.values()]
        gaps = [np.abs(x - moves[0]).max() for x in moves]
        cells = [f"{x[0]:.4f}, {x[np.abs(x).argmax()]:.4f}, {gap:.4f}" for x, gap in zip(moves, gaps, strict=True)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def wider_box(run, states):
    """Z on any of its nodes; both assets of all households stretched by a factor between 0.95 and 1.05."""
    n, rng = len(states), run.model.rng
    states = states[rng.permutation(n)]
    factor = rng.uniform([n, 1, 1, 1], 0.95, 1.05)
    nodes = Parameters.b_grid[:, None], Parameters.a_grid
    moved = histogram.move_two_assets(State.distribution(states), tuple(factor * x for x in nodes), Dynamics.grids)
    return State.update_dict(states, {"distribution": moved, "Z": rng.choice([n], Parameters.z_grid)})
