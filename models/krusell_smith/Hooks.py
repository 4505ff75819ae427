"""Figures during training, its line of progress, and what is said of the economy at its end.

Units: a good is the good of which Y is produced, per household; a period is a quarter.
"""

from pathlib import Path

import torch

import Definitions
import Parameters
import State

from deqn import figures


def progress(state):
    """Mean capital over the economies [batch, n_states], in the line of progress."""
    return {"mean K": Definitions.K(state, None).mean()}


def cycle_hook(state, i):
    """Draws households' policies and the distribution of wealth four times a run."""
    if i % max(1, Parameters.N_episodes // 4) == 0 or i == Parameters.N_episodes:
        with torch.no_grad():
            figure = draw_economy(state)
        Parameters.summary.add_figure("economy", figure, Parameters.gradient_steps, close=False)
        figures.save(figure, Path(Parameters.LOG_DIR) / "figures" / f"economy-{i}.png")


def draw_economy(state):
    """Net savings a' - a and consumption by productivity, at the capital of the stationary economy and the middle node of Z;
    and the distribution of wealth.

    Args:
        state: [batch, n_states], whose average distribution is drawn.
    """
    Z = Parameters.tfp_grid[len(Parameters.tfp_grid) // 2]
    one = State.update_dict(state[:1], {"Z": Z[None], "distribution": Parameters.D_ss[None].to(state)})
    policy = Parameters.policy(one)
    households = Definitions.households(one, policy)
    a = Parameters.a_grid
    # where households are: 99.9 % of them have less
    shown = (Parameters.D_ss.sum(0).cumsum(-1) < 0.999).cpu()
    figure, (left, middle, right) = figures.new(columns=3)
    for i, e in enumerate(Parameters.e_grid.tolist()):
        for axis, values in ((left, households.a_next[0, i] - a), (middle, households.c[0, i])):
            axis.plot(a.cpu()[shown], values.cpu()[shown], label=f"e = {e:.2f}")
    K, Y = float(Definitions.K(one, policy)), float(Definitions.Y(one, policy))
    figure.suptitle(f"Policies at K = {K:.2f}, Z = {float(Z):.3f}, where Y = {Y:.2f} goods a quarter per household")
    left.axhline(0, color="black", linewidth=0.8)
    left.set(title="Net savings", xlabel="assets a [goods]", ylabel="a' - a [goods a quarter]")
    middle.set(title="Consumption", xlabel="assets a [goods]", ylabel="c [goods a quarter]")
    left.legend()
    middle.legend()
    mass = State.distribution(state).mean(0).sum(0).cpu()
    right.semilogy(a.cpu(), mass / torch.gradient(a.cpu())[0])
    right.set(title=f"Wealth, average of {len(state):,} economies", xlabel="assets a [goods]", ylim=(1e-8, 1))
    right.set_ylabel("density [share of households per good]")
    return figure


def closing_lines(run):
    """Moments on the simulated states."""
    states = run.cloud()
    K = Definitions.K(states, None)
    distribution = State.distribution(states)
    mass = Definitions.mass(states, None)
    return [
        f"capital on the simulated states: mean {K.mean():.3f} (stationary {Parameters.K_ss:.3f}), std of log K "
        f"{K.log().std():.5f}, range {K.min():.2f} .. {K.max():.2f}",
        f"households at the borrowing limit: {100 * distribution[..., 0].sum(-1).mean():.2f} %; total mass 1 "
        f"{float((mass - 1).abs().max()):+.0e}; mass at the last node {distribution[..., -1].sum(-1).max():.0e}",
    ]
