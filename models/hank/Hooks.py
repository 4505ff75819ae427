"""A figure during training, its line of progress, and what is said of the economy at its end.

Units: a good per household; output of the stationary economy is one good a quarter.
"""

from pathlib import Path

import torch

import Definitions
import Parameters
import State

from deqn import figures


def progress(state):
    """Mean inflation and how often the bound binds over the economies [batch, n_states], in the line of progress."""
    with torch.no_grad():
        now = Definitions.quarter(state, Parameters.policy(state))
    return {"mean pi [%]": 100 * now.pi.mean(), "bound [%]": 100 * (now.rule < 0).to(state).mean()}


def cycle_hook(state, i):
    """Draws the economy four times a run."""
    if i % max(1, Parameters.N_episodes // 4) == 0 or i == Parameters.N_episodes:
        figure = draw_economy(state)
        Parameters.summary.add_figure("economy", figure, Parameters.gradient_steps, close=False)
        figures.save(figure, Path(Parameters.LOG_DIR) / "figures" / f"economy-{i}.png")


def draw_economy(states):
    """Output, inflation and the nominal rate by the spread, and what households with few and many bonds consume.

    Args:
        states: [n, n_states], of the simulation.
    """
    some = states[:: max(1, len(states) // 2_000)]
    nodes = torch.linspace(float(Parameters.b_grid[0]), float(Parameters.b_grid[-1]), 81).to(states)
    line = State.update_dict(states[:1].expand(len(nodes), -1), {"b": nodes, "distribution": Parameters.D_ss.to(states)})
    with torch.no_grad():
        on_line = Definitions.quarter(line, Parameters.policy(line))
        now = Definitions.quarter(some, Parameters.policy(some))
        middle = Definitions.households(line[40:41], Parameters.policy(line[40:41])).c
        c = Definitions.households(line, Parameters.policy(line)).c / middle
    figure, axes = figures.new(columns=3)
    b = 400 * State.b(some).cpu()
    for axis, name, title, unit in (
        (axes[0], "y", "Output", "per cent from the stationary economy"), (axes[1], "i", "Nominal rate", "per cent a year"),
    ):  # fmt: skip
        scale = 100 if name == "y" else 400
        axis.plot(400 * nodes.cpu(), scale * getattr(on_line, name).cpu(), "k", linewidth=0.8, label="stationary wealth")
        axis.plot(b, scale * getattr(now, name).cpu(), ".", markersize=4, label="simulated")
        axis.set(title=title, xlabel="spread b [per cent a year]", ylabel=unit)
    axes[1].plot(400 * nodes.cpu(), 400 * on_line.rule.cpu(), "k:", linewidth=0.8, label="what the rule asks for")
    axes[1].legend()
    a = Parameters.a_grid.cpu()
    shown = (Parameters.D_ss.sum(0).cumsum(-1) < 0.999).cpu()
    for e in range(len(Parameters.e_grid)):
        axes[2].plot(a[shown], 100 * (c[-1, e].cpu()[shown] - 1), label=f"e = {float(Parameters.e_grid[e]):.2f}")
    axes[2].set(title="Consumption at the largest spread", xlabel="bonds a [goods]", ylabel="per cent, from none")
    axes[2].legend()
    return figure


def closing_lines(run):
    """The bound, inflation and the market on the simulated states."""
    states = run.cloud()
    with torch.no_grad():
        policy = Parameters.policy(states)
        now = Definitions.quarter(states, policy)
        goods, bonds = (f(states, policy).abs().max() for f in (Definitions.clearing, Definitions.excess_bonds))
    at_bound = now.rule < 0
    depth = f"; output there {100 * now.y[at_bound].mean():.2f} %, at least {100 * now.y.min():.2f} %" if at_bound.any() else ""
    what = "the zero bound binds" if Parameters.zero_bound else "the rule, which has no bound, asks for less than zero"
    return [
        f"{what} in {100 * at_bound.double().mean():.2f} % of {len(states):,} simulated quarters{depth}",
        f"inflation over its target: mean {400 * now.pi.mean():.3f} % a year, range {400 * now.pi.min():.2f} .. "
        f"{400 * now.pi.max():.2f} %; far from the deflationary steady state, where it would be "
        f"{-400 * Parameters.i_ss:.1f} % with a rate of zero",
        f"excess demand, of output at most: bonds {float(bonds):.1e}, goods {float(goods):.1e}; mass at the last node "
        f"{float(Definitions.mass_at_top(states, policy).max()):.0e}",
    ]
