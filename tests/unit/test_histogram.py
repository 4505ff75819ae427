"""Tests of deqn.histogram: lotteries, interpolation and the law of motion of a distribution."""

import numpy as np
import pytest
import torch

from deqn.histogram import (
    aggregate,
    evaluate,
    gini,
    interpolate,
    interpolate_all,
    lottery_weights,
    top_share,
    transport,
)

TRANSITION = torch.tensor([[0.95, 0.04, 0.01], [0.02, 0.96, 0.02], [0.01, 0.09, 0.90]], dtype=torch.float64)


def make_grid(n=40, top=50.0, dtype=torch.float64):
    return (torch.linspace(0, 1, n, dtype=torch.float64) ** 3 * top).to(dtype)


def make_case(batch=(), n_e=3, n_a=40, dtype=torch.float64, seed=0):
    """Random distributions and policies, some of them outside the grid and some on nodes."""
    generator = torch.Generator().manual_seed(seed)
    grid = make_grid(n_a)
    histogram = torch.rand(*batch, n_e, n_a, dtype=torch.float64, generator=generator)
    histogram /= histogram.sum((-2, -1), keepdim=True)
    policy = 60 * torch.rand(*batch, n_e, n_a, dtype=torch.float64, generator=generator) - 5
    policy[..., 0, :5] = grid[[0, 1, 7, -2, -1]]
    return histogram.to(dtype), policy.to(dtype), grid.to(dtype)


def transport_loop(histogram, policy, grid, transition):
    """Young's method written out with scalars."""
    n_e, n_a = histogram.shape
    result = np.zeros_like(histogram)
    for e in range(n_e):
        for i in range(n_a):
            x = min(max(policy[e, i], grid[0]), grid[-1])
            j = 0
            while j < n_a - 2 and grid[j + 1] <= x:
                j += 1
            w = (x - grid[j]) / (grid[j + 1] - grid[j])
            for f in range(n_e):
                result[f, j] += transition[e, f] * (1 - w) * histogram[e, i]
                result[f, j + 1] += transition[e, f] * w * histogram[e, i]
    return result


# ----------------------------------------------------------------------------- lottery weights


def test_nodes_are_reproduced_exactly():
    grid = make_grid()
    lower, weight = lottery_weights(grid, grid)
    assert lower.dtype == torch.int64
    assert torch.equal(lower, torch.arange(40).clamp(max=38))
    assert torch.equal(weight, torch.cat([torch.zeros(39), torch.ones(1)]).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_stay_in_the_unit_interval_when_clipped(dtype):
    grid = make_grid(dtype=dtype)
    policy = torch.cat([torch.tensor([-1e30, -1.0, 51.0, 1e30]), torch.rand(100_000) * 50]).to(dtype)
    lower, weight = lottery_weights(policy, grid)
    assert weight.min() >= 0
    assert weight.max() <= 1
    assert lower.min() >= 0
    assert lower.max() <= 38
    assert torch.equal(weight[:4], torch.tensor([0, 0, 1, 1], dtype=dtype))


def test_without_clipping_the_lottery_is_linear_everywhere():
    grid = make_grid()
    policy = torch.linspace(-10, 80, 1001, dtype=torch.float64)
    lower, weight = lottery_weights(policy, grid, clip=False)
    torch.testing.assert_close(torch.lerp(grid[lower], grid[lower + 1], weight), policy)


def test_gradient_of_the_weight_is_the_inverse_step_and_zero_when_clipped():
    grid = make_grid()
    policy = torch.tensor([-1.0, 10.0, 60.0], dtype=torch.float64, requires_grad=True)
    lower, weight = lottery_weights(policy, grid)
    (gradient,) = torch.autograd.grad(weight.sum(), policy)
    step = grid[lower[1] + 1] - grid[lower[1]]
    torch.testing.assert_close(gradient, torch.stack([0 * step, 1 / step, 0 * step]))


# ------------------------------------------------------------------------------- interpolation


def test_interpolation_agrees_with_numpy_and_clamps():
    _, x, grid = make_case((4,))
    values = torch.rand(4, 3, 40, dtype=torch.float64)
    result = interpolate(x, grid, values)
    for b in range(4):
        for e in range(3):
            np.testing.assert_allclose(result[b, e], np.interp(x[b, e], grid, values[b, e]), rtol=0, atol=1e-14)


def test_interpolation_extrapolates_lines_on_request():
    grid = make_grid()
    x = torch.tensor([[-3.0, 70.0]], dtype=torch.float64)
    torch.testing.assert_close(interpolate(x, grid, (2 * grid + 1)[None], clip=False), 2 * x + 1)


def test_interpolating_all_rows_broadcasts_over_aggregate_states():
    _, x, grid = make_case((4,))
    values = torch.rand(4, 5, 2, 40, dtype=torch.float64)  # [b, nZ, nF, nA]
    result = interpolate_all(x.unsqueeze(-3), grid, values)
    assert result.shape == (4, 5, 2, 3, 40)
    for e in range(3):
        expected = interpolate(x[:, None, e, None].expand(4, 5, 2, 40), grid, values)
        torch.testing.assert_close(result[..., e, :], expected)


def test_points_located_once_serve_several_sets_of_values():
    _, x, grid = make_case((4,))
    lottery = lottery_weights(x, grid)
    for seed in range(2):
        values = torch.rand(3, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(evaluate(values, *lottery), interpolate(x, grid, values))


# ----------------------------------------------------------------------------------- transport


def test_transport_agrees_with_scalar_loop():
    histogram, policy, grid = make_case()
    expected = transport_loop(histogram.numpy(), policy.numpy(), grid.numpy(), TRANSITION.numpy())
    result = transport(histogram, policy, grid, TRANSITION)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-16)


def test_transport_preserves_the_mean_of_policies_inside_the_grid():
    histogram, policy, grid = make_case((2,))
    policy = policy.clamp(grid[0], grid[-1])
    result = transport(histogram, policy, grid, TRANSITION)
    torch.testing.assert_close(aggregate(result, grid), aggregate(histogram, policy))
    clipped = transport(histogram, policy + 100, grid, TRANSITION)
    torch.testing.assert_close(aggregate(clipped, grid), torch.full((2,), 50.0).double())


def test_transport_moves_productivity_by_the_transition():
    histogram, policy, grid = make_case((2,))
    result = transport(histogram, policy, grid, TRANSITION)
    torch.testing.assert_close(result.sum(-1), histogram.sum(-1) @ TRANSITION)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("moving", [False, True])
def test_mass_is_conserved_over_ten_thousand_periods(dtype, tolerance, moving):
    histogram, _, grid = make_case((2,), n_a=20, dtype=dtype)
    income = torch.tensor([0.3, 1.0, 2.5], dtype=dtype)[:, None]
    transition = TRANSITION.to(dtype)
    for t in range(10_000):
        shock = 1 + 0.05 * np.sin(t) if moving else 1.0
        histogram = transport(histogram, 0.9 * grid * shock + income, grid, transition)
    assert (histogram.double().sum((-2, -1)) - 1).abs().max() < tolerance
    assert histogram.min() >= 0


def test_no_denormal_masses_survive():
    grid = make_grid(200)
    histogram = torch.zeros(3, 200)
    histogram[:, 150] = 1 / 3
    for _ in range(2_000):  # mass drains from the top at a geometric rate
        histogram = transport(histogram, 0.98 * grid.float(), grid.float(), TRANSITION.float())
    positive = histogram[histogram > 0]
    assert positive.min() > torch.finfo(torch.float32).tiny
    assert abs(histogram.double().sum() - 1) < 1e-5


def test_batches_broadcast_in_every_argument():
    histogram, policy, grid = make_case((5, 2))
    transitions = torch.lerp(
        TRANSITION, torch.full_like(TRANSITION, 1 / 3), torch.rand(5, 1, 1, 1, dtype=torch.float64)
    )  # [5, 1, nE, nE]
    result = transport(histogram, policy[0], grid, transitions)
    assert result.shape == (5, 2, 3, 40)
    for i in range(5):
        for j in range(2):
            single = transport(histogram[i, j], policy[0, j], grid, transitions[i, 0])
            torch.testing.assert_close(result[i, j], single, rtol=0, atol=1e-16)


def test_gradients_of_transport_and_interpolation():
    histogram, policy, grid = make_case((2,), n_a=8)
    policy = 49 * torch.rand(2, 3, 8, dtype=torch.float64) + 0.5  # inside, off the kinks
    inputs = (histogram.requires_grad_(), policy.requires_grad_(), TRANSITION.clone().requires_grad_())
    assert torch.autograd.gradcheck(lambda h, p, t: transport(h, p, grid, t), inputs)
    values = torch.rand(2, 3, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, v: interpolate(x, grid, v), (policy, values))
    assert torch.autograd.gradcheck(lambda x, v: interpolate_all(x, grid, v), (policy, values))


def test_transport_compiles_without_graph_breaks():
    histogram, policy, grid = make_case((2,))
    compiled = torch.compile(transport, fullgraph=True, backend="aot_eager")
    result = compiled(histogram, policy, grid, TRANSITION)
    torch.testing.assert_close(result, transport(histogram, policy, grid, TRANSITION))


# ------------------------------------------------------------------ against sequence_jacobian


def test_stationary_distribution_of_sequence_jacobian_is_a_fixed_point():
    pytest.importorskip("sequence_jacobian")
    from sequence_jacobian import grids
    from sequence_jacobian.hetblocks.hh_sim import hh

    a_grid = grids.asset_grid(0, 200, 60)
    e_grid, _, transition = grids.markov_rouwenhorst(rho=0.966, sigma=0.5, N=3)
    steady = hh.steady_state({"a_grid": a_grid, "y": e_grid, "Pi": transition, "r": 0.01, "beta": 0.98, "eis": 0.5})
    internals = steady.internals["hh"]
    stationary, policy = torch.tensor(internals["D"]), torch.tensor(internals["a"])
    grid = torch.tensor(a_grid)
    moved = transport(stationary, policy, grid, torch.tensor(transition))
    torch.testing.assert_close(moved, stationary, rtol=0, atol=1e-10)
    assert aggregate(moved, grid).item() == pytest.approx(steady["A"], abs=1e-6)

    # One step from a distribution that is not stationary.
    from sequence_jacobian.blocks.support.law_of_motion import Markov, lottery_1d

    start = np.full((3, 60), 1 / 180)
    expected = Markov(transition, 0).T @ (lottery_1d(policy.numpy(), a_grid) @ start)
    torch.testing.assert_close(
        transport(torch.tensor(start), policy, grid, torch.tensor(transition)),
        torch.tensor(expected),
        rtol=0,
        atol=1e-15,
    )


# ------------------------------------------------------------------------------------- moments


def test_moments_against_a_sorted_population():
    grid = torch.tensor([0.0, 1.0, 3.0, 10.0], dtype=torch.float64)
    counts = torch.tensor([[2, 3, 1, 0], [1, 0, 2, 1]], dtype=torch.float64)
    histogram = counts / counts.sum()
    wealth = np.repeat(grid.numpy(), counts.sum(0).int())
    differences = np.abs(wealth[:, None] - wealth[None, :]).mean()
    assert gini(histogram, grid).item() == pytest.approx(differences / (2 * wealth.mean()))
    assert top_share(histogram, grid, 0.1).item() == pytest.approx(10 / wealth.sum())
    assert top_share(histogram, grid, 0.3).item() == pytest.approx((10 + 2 * 3) / wealth.sum())
    assert aggregate(histogram, grid).item() == pytest.approx(wealth.mean())
    assert gini(histogram.expand(2, 2, 4), grid).shape == (2,)
