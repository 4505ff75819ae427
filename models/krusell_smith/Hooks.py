"""Figures during training, and what is said of the economy at its end."""

from pathlib import Path

import torch

import Definitions
import Parameters
import State

from deqn import figures


def cycle_hook(state, i):
    """Draws the savings policy and the wealth distribution four times a run."""
    if i % max(1, Parameters.N_episodes // 4) == 0 or i == Parameters.N_episodes:
        with torch.no_grad():
            figure = draw_economy(state)
        Parameters.summary.add_figure("economy", figure, i, close=False)
        figures.save(figure, Path(Parameters.LOG_DIR) / "figures" / f"economy-{i}.png")


def draw_economy(state):
    """Savings by productivity with the 45-degree line, and the distribution of wealth.

    Args:
        state: [batch, n_states]; the first economy's policy and the average distribution are drawn.
    """
    one = state[:1]
    savings = Definitions.households(one, Parameters.policy(one)).a_next[0].cpu()
    a = Parameters.a_grid.cpu()
    figure, (left, right) = figures.new(columns=2)
    shown = a <= 60
    for e, row in zip(Parameters.e_grid.tolist(), savings, strict=True):
        left.plot(a[shown], row[shown], label=f"e = {e:.2f}")
    left.plot(a[shown], a[shown], "k--", linewidth=0.8, label="45 degrees")
    K, Z = float(Definitions.K(one, None)), float(State.Z(one))
    left.set(title=f"Savings at K = {K:.2f}, Z = {Z:.3f}", xlabel="assets a", ylabel="savings a'")
    left.legend()
    mass = State.distribution(state).mean(0).sum(0).cpu()
    width = torch.gradient(a)[0]
    right.semilogy(a, mass / width)
    right.set(title="Wealth, average over economies", xlabel="assets a", ylabel="density", ylim=(1e-8, 1))
    return figure


def closing_lines(run):
    """Moments of the training's economies continued for 10,000 economy-quarters."""
    states = run.simulate(batch=50, length=200).flatten(0, 1)
    K = Definitions.K(states, None)
    distribution = State.distribution(states)
    mass = Definitions.mass(states, None)
    return [
        f"capital: mean {K.mean():.3f} (stationary {Parameters.K_ss:.3f}), std of log K {K.log().std():.5f}, "
        f"range {K.min():.2f} .. {K.max():.2f}",
        f"households at the borrowing limit: {100 * distribution[..., 0].sum(-1).mean():.2f} %; total mass 1 "
        f"{float((mass - 1).abs().max()):+.0e}; mass at the last node {distribution[..., -1].sum(-1).max():.0e}",
    ]
