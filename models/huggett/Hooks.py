"""A figure during training, its line of progress, and what is said of the economy at its end.

Units: a good per household; a period is two months.
"""

from pathlib import Path

import torch

import Definitions
import Parameters
import State

from deqn import figures


def progress(state):
    """Mean interest rate over the economies [batch, n_states], in the line of progress."""
    with torch.no_grad():
        return {"mean r [%]": 100 * Definitions.r(state, Parameters.policy(state)).mean()}


def cycle_hook(state, i):
    """Draws the economy four times a run."""
    if i % max(1, Parameters.N_episodes // 4) == 0 or i == Parameters.N_episodes:
        figure = draw_economy(state)
        Parameters.summary.add_figure("economy", figure, Parameters.gradient_steps, close=False)
        figures.save(figure, Path(Parameters.LOG_DIR) / "figures" / f"economy-{i}.png")


def draw_economy(states):
    """Net savings by work, with the stationary distribution at the middle node of Z; the interest rate on debt; who has what.

    Args:
        states: [n, n_states], of the simulation.
    """
    with torch.no_grad():
        Z = Parameters.z_grid[len(Parameters.z_grid) // 2]
        one = State.update_dict(states[:1], {"Z": Z[None], "distribution": Parameters.D_ss[None].to(states)})
        households = Definitions.households(one, Parameters.policy(one))
        some = states[:: max(1, len(states) // 2_000)]
        r, debt = (x.cpu() for x in (Definitions.r(some, Parameters.policy(some)), Definitions.debt(some, None)))
    a = Parameters.a_grid
    shown = (Parameters.D_ss.sum(0).cumsum(-1) < 0.9999).cpu()
    figure, (left, middle, right) = figures.new(columns=3)
    for e, label in enumerate(("without work", "with work")):
        left.plot(a.cpu()[shown], (households.a_next[0, e] - a).cpu()[shown], label=label)
        right.semilogy(a.cpu(), (State.distribution(states).mean(0)[e] / torch.gradient(a)[0]).cpu(), label=label)
    left.axhline(0, color="black", linewidth=0.8)
    left.set(title=f"Net savings at Z = {float(Z):.3f}", xlabel="bonds a [goods]", ylabel="a' - a [goods a period]")
    left.legend()
    for Z in Parameters.z_grid:
        here = (State.Z(some) == Z).cpu()
        middle.plot(debt[here], 100 * r[here], ".", markersize=3, label=f"Z = {float(Z):.3f}")
    middle.set(title="Interest rate", xlabel="debt of all debtors [goods]", ylabel="r [% a period]")
    middle.legend()
    right.set(title="Bonds", xlabel="bonds a [goods]", ylabel="share of households per good", ylim=(1e-6, 1))
    right.legend()
    return figure


def closing_lines(run):
    """The market on the simulated states."""
    states = run.cloud()
    with torch.no_grad():
        policy = Parameters.policy(states)
        r, clearing = Definitions.r(states, policy), Definitions.clearing(states, policy)
    top = Definitions.mass_at_top(states, policy).max()
    return [
        f"interest rate on the simulated states: mean {100 * r.mean():.4f} % a period (stationary "
        f"{100 * (1 / Parameters.q_ss - 1):.4f} %), range {100 * r.min():.3f} .. {100 * r.max():.3f} %",
        f"excess demand for bonds: {float(clearing.abs().max()):.1e} of output at most; mass at the last node {top:.0e}",
    ]
