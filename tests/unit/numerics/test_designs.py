"""Designs fill a box evenly, or its edges."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import qmc

from deqn.numerics.designs import at_points, halton, latin_hypercube, points, to_edges
from deqn.numerics.rng import Rng


def rng(seed: int = 0) -> Rng:
    return Rng(seed, dtype=torch.float64)


def test_a_latin_hypercube_has_a_point_in_each_interval_of_each_dimension():
    found = latin_hypercube(20, 3, rng())
    for column in found.unbind(-1):
        assert (20 * column).floor().sort().values.tolist() == list(range(20))


def test_dimensions_of_a_latin_hypercube_are_in_different_orders():
    first, second = latin_hypercube(20, 2, rng()).unbind(-1)
    assert first.argsort().tolist() != second.argsort().tolist()


def test_halton_is_that_of_scipy_shifted_by_one_draw():
    found = halton(16, 2, rng()).numpy()
    shift = found[0]  # the sequence begins at zero
    expected = (qmc.Halton(2, scramble=False).random(16) + shift) % 1.0
    assert abs(found - expected).max() < 1e-12


@pytest.mark.parametrize("kind", ["latin_hypercube", "halton"])
def test_a_design_is_more_even_than_independent_draws(kind):
    even, uneven = (
        [qmc.discrepancy(points(k, 64, 2, rng(seed)).clamp(0, 1).numpy()) for seed in range(20)] for k in (kind, "independent")
    )  # fmt: skip
    assert sum(even) < 0.5 * sum(uneven)


def test_a_share_of_the_points_moves_to_an_edge_in_one_dimension():
    before = 0.1 + 0.8 * torch.rand(20_000, 3, dtype=torch.float64)
    after = to_edges(before, share=0.3, width=0.02, rng=rng())
    at_edge = (after < 0.02) | (after >= 0.98)
    assert float(at_edge.any(-1).double().mean()) == pytest.approx(0.3, abs=0.015)
    assert int(at_edge.sum(-1).max()) == 1
    assert torch.equal(after[~at_edge], before[~at_edge])
    assert at_edge.double().mean(0).tolist() == pytest.approx([0.1] * 3, abs=0.01)
    assert float((after < 0.02).double().mean()) == pytest.approx(0.05, abs=0.01)


def test_a_normal_draw_at_points_has_their_quantiles():
    generator = rng()
    with generator.drawing_from(lambda shape, normal: at_points(torch.tensor([[0.5], [0.975]]), shape, normal)):
        found = generator.normal([2, 1], mean=3.0, stddev=2.0)
    assert found.flatten().tolist() == pytest.approx([3.0, 3.0 + 2 * 1.959964], abs=1e-4)
