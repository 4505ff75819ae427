"""The first economies start with the unemployment of their Z; figures and closing lines have wealth beside the published one."""

from pathlib import Path

import torch

import Definitions
import Parameters
import Productivity
import State

from krusell_smith.Hooks import progress
from krusell_smith.Hooks import closing_lines as capital_lines
from krusell_smith_1998.Hooks import post_init, with_unemployment_of_Z

from deqn import figures, histogram

TOP = (0.01, 0.05, 0.1, 0.2)
PUBLISHED = (24, 55, 73, 88)  # per cent of wealth of these richest: Krusell and Smith (1998, table 1)
DATA = (30, 51, 64, 79)  # in the data, in the same table


def cycle_hook(state, i):
    """Draws households' savings and the distribution of wealth four times a run."""
    if i % max(1, Parameters.N_episodes // 4) == 0 or i == Parameters.N_episodes:
        with torch.no_grad():
            figure = draw_economy(state)
        Parameters.summary.add_figure("economy", figure, Parameters.gradient_steps, close=False)
        figures.save(figure, Path(Parameters.LOG_DIR) / "figures" / f"economy-{i}.png")


def draw_economy(state):
    """Net savings a' - a of the employed by discount factor, at the capital of the stationary economy in a boom; who has how
    much; and the Lorenz curve.

    Args:
        state: [batch, n_states], whose average distribution is drawn.
    """
    one = State.update_dict(state[:1], {"Z": Parameters.tfp_grid[-1:], "distribution": Parameters.D_ss[None].to(state)})
    a_next = Definitions.households(one, Parameters.policy(one)).a_next[0]
    a = Parameters.a_grid
    mass = State.distribution(state).mean(0).unflatten(0, (3, 2)).sum(1)  # [3, nA], by discount factor
    shown = (mass.sum(0).cumsum(-1) < 0.99).cpu()  # where households are: 99 % of them have less
    figure, (left, middle, right) = figures.new(columns=3)
    for i, beta in enumerate(Parameters.beta[1::2].tolist()):
        above = mass[i].flip(-1).cumsum(-1).flip(-1) / mass[i].sum()
        left.plot(a.cpu()[shown], (a_next[2 * i + 1] - a).cpu()[shown])
        middle.loglog((a - a[0]).cpu(), above.cpu(), label=f"β = {beta:.4f}")
    left.axhline(0, color="black", linewidth=0.8)
    left.set(title="Net savings of the employed", xlabel="assets a [goods]", ylabel="a' - a [goods a quarter]")
    middle.set(title="Households with more than that", xlim=(0.1, 1.2e4), ylim=(1e-6, 1.5))
    middle.set(xlabel="assets above the borrowing limit [goods]", ylabel="share of those with the same β")
    middle.legend(loc="lower left")
    people, wealth = mass.sum(0).cumsum(-1), (mass.sum(0) * a).cumsum(-1)
    right.plot(100 * people.cpu(), 100 * (wealth / wealth[-1]).cpu(), label="here")
    for published, style, label in ((PUBLISHED, "o", "Krusell and Smith (1998)"), (DATA, "x", "data")):
        right.plot([100 - 100 * x for x in TOP], [100 - x for x in published], style, label=label)
    right.set(title="Lorenz curve", xlabel="poorest households [%]", ylabel="their share of wealth [%]")
    right.legend()
    return figure


def closing_lines(run):
    """Moments on the simulated states, and the distribution of wealth."""
    states = run.cloud()
    shares = [100 * float(Definitions.top(states, x).mean()) for x in TOP]
    return [
        *capital_lines(run),
        f"wealth: Gini {Definitions.gini(states, None).mean():.3f} (published: 0.82); the richest 1, 5, 10, 20 % hold "
        f"{', '.join(f'{x:.1f}' for x in shares)} % ({', '.join(map(str, PUBLISHED))} %); "
        f"{100 * Definitions.negative(states, None).mean():.1f} % of households have negative wealth (11 %)",
    ]
