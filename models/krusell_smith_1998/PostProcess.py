"""As in `krusell_smith`; there is no linear solution of this economy."""

import Hooks

from krusell_smith.PostProcess import post_process, references, stretch_wealth


def wider_box(run, states):
    """Wealth of all households stretched by a factor between 0.95 and 1.05; unemployment stays that of Z."""
    return Hooks.with_unemployment_of_Z(stretch_wealth(run, states))
