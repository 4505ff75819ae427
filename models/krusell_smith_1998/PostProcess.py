"""Tables and figures as in `krusell_smith`; there is no linear solution of this economy."""

import Hooks

from krusell_smith.PostProcess import references, report_accuracy, save_impulse_responses, save_tables, stretch_wealth


def post_process(run):
    save_tables(run)
    save_impulse_responses(run)
    report_accuracy(run)


def wider_box(run, states):
    """Wealth of all households stretched by a factor between 0.95 and 1.05; unemployment stays that of Z."""
    return Hooks.with_unemployment_of_Z(stretch_wealth(run, states))
