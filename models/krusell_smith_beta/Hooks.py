"""Figures as in `krusell_smith`; the first economies start with the unemployment of their Z; wealth beside the published one."""

import Definitions
import Parameters
import Productivity
import State

from krusell_smith.Hooks import cycle_hook, draw_economy, progress
from krusell_smith.Hooks import closing_lines as capital_lines
from krusell_smith_1998.Hooks import post_init, with_unemployment_of_Z

PUBLISHED = (24, 55, 73, 88)  # per cent of wealth of the richest 1, 5, 10 and 20 %: Krusell and Smith (1998, table 1)


def closing_lines(run):
    """Moments on the simulated states, and the distribution of wealth."""
    states = run.cloud()
    shares = [100 * float(Definitions.top(states, x).mean()) for x in (0.01, 0.05, 0.1, 0.2)]
    return [
        *capital_lines(run),
        f"wealth: Gini {Definitions.gini(states, None).mean():.3f} (published: 0.82); the richest 1, 5, 10, 20 % hold "
        f"{', '.join(f'{x:.1f}' for x in shares)} % ({', '.join(map(str, PUBLISHED))} %); "
        f"{100 * Definitions.negative(states, None).mean():.1f} % of households have negative wealth (11 %)",
    ]
