"""As in `krusell_smith`, and a reference that forecasts two moments; the linear solution would be far off in such recessions."""

import numpy as np

import Parameters
import State

from krusell_smith.PostProcess import Classical, capital, post_process, wider_box
from krusell_smith.PostProcess import references as one_moment


def references(run, periods=None):
    """Those of `krusell_smith`, and `two moments` on the run's own grid."""
    found = one_moment(run, periods)
    long = {} if periods is None else {"periods": periods}
    return found and found | {"two moments": TwoMoments(run, {"moments": 2} | long)}


class TwoMoments(Classical):
    """Households that forecast K and a second moment of the distribution: reference/Reference.py of this folder."""

    kind = "two-moment"

    def __init__(self, run, options):
        from reference import Reference

        super().__init__(run, options, Reference)

    def simulate(self, shocks):
        return self.module.simulate(self.solution, shocks)

    def known(self, states):
        assets = self.a_grid - self.a_grid[0] + self.solution["shift"]
        return capital(states), State.distribution(states).sum(1).double().cpu().numpy() @ np.log(assets)

    def inside(self, states):
        """Whether K and the second moment are within the rectangle of the solution, at states [n, n_states]: [n]."""
        return (np.abs(self.module.position(self.solution, *self.known(states))) <= 1).all(0)
