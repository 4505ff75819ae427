"""The tests of the literature on the Krusell-Smith economies: the expectation of one household is that of Equations.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import deqn
from deqn.analysis.heterogeneous.agent import Household
from deqn.analysis.heterogeneous.economy import Economy
from deqn.numerics.complementarity import fischer_burmeister


@pytest.mark.parametrize("name", ["krusell_smith", "krusell_smith_1998", "krusell_smith_beta"])
def test_what_the_expectation_implies_on_the_nodes_is_what_the_equations_say(name, tmp_path):
    """Equations.py inverts the expectation at the nodes of a' and interpolates."""
    model = deqn.load_model(name, ["constants.nA=60", "run.keras_precision=float64"])
    nn.init.normal_(model.network.body.network[-1].weight, 0, 0.5, torch.Generator().manual_seed(0))
    run = deqn.Run(model, tmp_path)
    economy = Economy(run)
    with model.context(), torch.no_grad():
        (stretch,) = economy.path(np.random.default_rng(0).random(6))
        households = model.Definitions.households(stretch.now, stretch.policies)
        residuals = run.residuals(stretch.now)["euler"]
        for e in range(economy.nE):
            household = Household(economy, 1.0, e, np.zeros(6))
            rows = household._rows(stretch, np.full(6, e))
            for i in range(5):
                implied = [household._implied(rows, i, a) for a in economy.a_grid]
                a_next, c, desired = (x[i, e] for x in (households.a_next, households.c, households.desired))
                gap = torch.as_tensor(np.interp(a_next, economy.a_grid, implied)) / c - 1
                gap = -fischer_burmeister(-gap, (model.Parameters.amax - desired) / c)
                low = model.Parameters.amin
                np.testing.assert_allclose(
                    residuals[i, e], fischer_burmeister(gap, (desired - low) / c), rtol=1e-8, atol=1e-9
                )
