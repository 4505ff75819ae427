"""A figure during training, its line of progress, and what is said of the economy at its end.

Units: a good per household; output of the stationary economy is 1.7 goods a year.
"""

from pathlib import Path

import torch

import Definitions
import Parameters
import State

from deqn import figures


def progress(state):
    """Mean capital over the economies [batch, n_states], all and liquid, in the line of progress."""
    return {"mean K": Definitions.K(state, None).mean(), "mean B": Definitions.B(state, None).mean()}


def cycle_hook(state, i):
    """Draws the economy four times a run."""
    if i % max(1, Parameters.N_episodes // 4) == 0 or i == Parameters.N_episodes:
        figure = draw_economy(state)
        Parameters.summary.add_figure("economy", figure, Parameters.gradient_steps, close=False)
        figures.save(figure, Path(Parameters.LOG_DIR) / "figures" / f"economy-{i}.png")


def draw_economy(states):
    """Liquid savings and deposits by illiquid assets, of the least and the most productive without and with liquid assets, at
    the stationary distribution and the middle node of Z; and the shares of households by either asset.

    Args:
        states: [n, n_states], of the simulation.
    """
    Z, P = Parameters.z_grid[len(Parameters.z_grid) // 2], Parameters
    one = State.update_dict(states[:1], {"Z": Z[None], "distribution": P.D_ss[None].to(states)})
    with torch.no_grad():
        choice = Definitions.households(one, Parameters.policy(one))
        kept = Definitions.kept(one)[0]
    b, a = P.b_grid.cpu(), P.a_grid.cpu()
    liquid = int((b - 0.5 * float(Definitions.Y(one, None))).abs().argmin())
    shown = (P.D_ss.sum((0, 1)).cumsum(-1) < 0.999).cpu()
    figure, (left, middle, right) = figures.new(columns=3)
    for e, productivity in ((0, "least"), (-1, "most")):
        for i, style in ((0, "-"), (liquid, "--")):
            label = f"{productivity} productive, b = {float(b[i]):.2f}"
            left.plot(a[shown], (choice.b_next[0, e, i].cpu() - b[i])[shown], style, label=label)
            middle.plot(a[shown], (choice.a_next[0, e, i] - kept).cpu()[shown], style, label=label)
    for axis, title, unit in ((left, "Liquid savings", "b' - b"), (middle, "Deposits", "a' - (1 + r) a")):
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(title=title, xlabel="illiquid assets a [goods]", ylabel=f"{unit} [goods a year]")
    left.legend(fontsize="small")
    masses = State.distribution(states).mean(0).cpu()
    for x, axes, name in ((b, (0, 2), "liquid b"), (a, (0, 1), "illiquid a")):
        right.plot(x, masses.sum(axes).cumsum(-1), label=name)
    right.set(title="Share of households with less", xlabel="assets [goods]", ylim=(0, 1))
    right.set_xlim(0, float(a[shown][-1]))
    right.legend()
    return figure


def closing_lines(run):
    """Moments on the simulated states."""
    states = run.cloud()
    with torch.no_grad():
        policy = Parameters.policy(states)
        names = ("K", "B", "C", "I", "costs", "Y", "at_limit", "mass_at_top")
        K, B, C, I, costs, Y, limit, top = (getattr(Definitions, name)(states, policy) for name in names)
    uses = float(((C + I + costs) / Y - 1).abs().max())
    return [
        f"{name}: mean {x.mean():.4f} (stationary {stationary:.4f}), standard deviation of its log {x.log().std():.4f}"
        for name, x, stationary in (("capital", K, Parameters.K_ss), ("liquid capital", B, Parameters.B_ss))
    ] + [
        f"households without liquid assets: {100 * limit.mean():.1f} %; costs {100 * (costs / Y).mean():.2f} % of output; mass "
        f"at the last nodes {float(top.max()):.0e}; output less its uses {uses:.0e} of it at most",
    ]
