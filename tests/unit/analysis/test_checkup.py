"""deqn/analysis/checkup.py."""

from __future__ import annotations

import torch

import deqn
from deqn.analysis.checkup import binding, checkup_table, clouds


def run_of(*overrides: str) -> deqn.Run:
    model = deqn.load_model("brock_mirman", list(overrides), check=False)
    return deqn.Run(model, model.folder, model.initial_states(8))


def test_the_share_beyond_a_bound_is_counted_before_the_cut():
    run = run_of("variables.states.0.bounds.upper=0.25", "variables.states.0.bounds.penalty_upper=1.0")
    states = torch.tensor([[0.2, 0.0], [0.3, 0.0], [0.4, 0.0], [0.1, 0.0]])
    shares = binding(run, states)
    assert shares["state K above 0.25"] == 0.5
    assert shares["policy s below 0.01"] == 0.0


def test_there_are_three_clouds_of_the_same_size():
    groups = clouds(run_of())
    assert len(groups) == 3
    assert len({tuple(states.shape) for states in groups.values()}) == 1


def test_the_table_counts_residuals_that_are_not_finite():
    run = run_of("constants.sigma=1e4")  # productivity overflows
    cells = [cell for column in checkup_table(run).columns for cell in column.cells]
    assert any("not finite" in str(cell) for cell in cells)
