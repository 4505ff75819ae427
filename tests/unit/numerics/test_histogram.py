"""Tests of deqn.numerics.histogram: lotteries, interpolation and the law of motion of a distribution."""

import numpy as np
import pytest
import torch

from deqn.numerics.histogram import (
    Grid,
    aggregate,
    evaluate,
    gini,
    interpolate,
    interpolate_all,
    lottery_weights,
    move_assets,
    move_productivity,
    move_two_assets,
    top_share,
    transport,
    transport_two,
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


# ------------------------------------------------------------------------------------ the grid


def grids_of_every_kind():
    """Name of the kind that should be recognised, and nodes in float64."""
    steps = torch.linspace(0, 1, 90, dtype=torch.float64)
    random = torch.rand(90, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).sort().values
    ubar = np.log(1 + np.log(1 + 200.0))
    return {
        "uniform": ("power", -3 + 7 * steps),
        "square": ("power", 250 * steps**2),
        "cube": ("power", 1 + 50 * steps**3),
        "power 2.37": ("power", 250 * steps**2.37),
        "root": ("power", 4 * steps**0.5),
        "two nodes": ("power", torch.tensor([1.0, 3.0], dtype=torch.float64)),
        "three nodes": ("power", torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)),
        "agrid": ("log", torch.from_numpy(np.geomspace(0.25, 1000.25, 90) - 0.25)),
        "agrid of debtors": ("log", torch.from_numpy(np.geomspace(0.25, 201.25, 91) - 1.25)),
        "asset_grid": ("loglog", 2 + torch.exp(torch.exp(ubar * steps) - 1) - 1),
        "random": ("search", 10 * random),
        "agrid with a node moved": (
            "search",
            torch.from_numpy(np.r_[0, 0.001, np.geomspace(0.25, 50.25, 60)[1:] - 0.25]),
        ),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", grids_of_every_kind())
def test_grid_agrees_with_the_search(name, dtype):
    kind, nodes = grids_of_every_kind()[name]
    nodes = nodes.to(dtype)
    grid = Grid(nodes)
    assert grid.kind == kind
    width = nodes[-1] - nodes[0]
    generator = torch.Generator().manual_seed(0)
    inside = nodes[0] + width * torch.rand(3, 500, dtype=dtype, generator=generator)
    beyond = torch.stack([nodes[0] - width, nodes[-1] + width])
    x = torch.cat([inside.flatten(), inside.flatten() ** 2 / 300, nodes, beyond])
    x = x[: len(x) // 2 * 2].view(2, -1)
    identity = nodes.expand(2, -1)
    tolerance = {"rtol": 0, "atol": 4 * torch.finfo(dtype).eps * float(width + nodes.abs().max())}
    for clip in (True, False):
        torch.testing.assert_close(
            evaluate(identity, *lottery_weights(x, grid, clip)),
            evaluate(identity, *lottery_weights(x, nodes, clip)),
            **tolerance,
        )
    lower, weight = lottery_weights(x, grid)
    expected_lower, expected_weight = lottery_weights(x, nodes)
    assert lower.dtype == torch.int64
    # Number and fraction of a segment; a point near a node may be counted as the end of the segment below.
    torch.testing.assert_close(lower + weight, expected_lower + expected_weight, rtol=0, atol=4e3 * tolerance["atol"])
    assert weight.min() >= 0
    assert weight.max() <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", grids_of_every_kind())
@pytest.mark.parametrize("clip", [True, False])
def test_grid_reproduces_its_nodes_exactly(name, dtype, clip):
    nodes = grids_of_every_kind()[name][1].to(dtype)
    lower, weight = lottery_weights(nodes, Grid(nodes), clip)
    assert ((weight == 0) | (weight == 1)).all()
    assert torch.equal(lower + weight, torch.arange(len(nodes)).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", grids_of_every_kind())
def test_transport_is_the_same_with_a_grid(name, dtype):
    nodes = grids_of_every_kind()[name][1].to(dtype)
    histogram, policy, _ = make_case((4,), n_a=len(nodes) if len(nodes) > 7 else 8, dtype=dtype)
    policy[..., 1, :] = nodes[torch.arange(policy.shape[-1]) % len(nodes)]
    histogram, policy = histogram[..., : len(nodes)], policy[..., : len(nodes)]
    moved = transport(histogram, policy, Grid(nodes), TRANSITION.to(dtype))
    expected = transport(histogram, policy, nodes, TRANSITION.to(dtype))
    atol = 2e-5 if dtype == torch.float32 else 1e-13  # of a household's mass near a node, at most
    torch.testing.assert_close(moved, expected, rtol=0, atol=atol * float(histogram.max()) * len(nodes) ** 0.5)
    torch.testing.assert_close(aggregate(moved, Grid(nodes)), aggregate(expected, nodes), rtol=1e-6, atol=0)
    assert moved.min() >= 0


def test_grid_refuses_nodes_that_do_not_increase():
    for nodes in (
        torch.tensor([0.0, 2.0, 1.0]),
        torch.zeros(3),
        torch.eye(2),
        torch.ones(1),
        torch.tensor([0, torch.inf]),
    ):
        with pytest.raises(ValueError, match="strictly increasing row"):
            Grid(nodes)


def test_policies_that_are_not_numbers_or_infinite_stay_inside_the_grid():
    nodes = make_grid()
    x = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e300, -1e300], dtype=torch.float64)
    for grid in (nodes, Grid(nodes)):
        lower, weight = lottery_weights(x, grid)
        assert (lower >= 0).all()
        assert (lower <= 38).all()
        assert weight[0].isnan()
        assert torch.equal(lower[1:] + weight[1:], torch.tensor([39.0, 0, 39, 0], dtype=torch.float64))


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
    transition, fast = TRANSITION.to(dtype), Grid(grid)
    for t in range(10_000):
        shock = 1 + 0.05 * np.sin(t) if moving else 1.0
        histogram = transport(histogram, 0.9 * grid * shock + income, fast, transition)
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

    for fast in (Grid(grid), Grid(8 * torch.rand(8, dtype=torch.float64).cumsum(0))):
        assert torch.autograd.gradcheck(lambda h, p, t, g=fast: transport(h, p, g, t), inputs)
    assert torch.autograd.gradcheck(lambda x: lottery_weights(x, Grid(grid))[1], (policy,))


def test_policy_has_no_gradient_where_it_is_clipped():
    histogram, policy, nodes = make_case((2,))
    policy.requires_grad_()
    for grid in (nodes, Grid(nodes)):
        moved = move_assets(histogram, policy, grid)
        (gradient,) = torch.autograd.grad(aggregate(moved, nodes).sum(), policy)
        within = (policy >= nodes[0]) & (policy <= nodes[-1])
        torch.testing.assert_close(gradient, histogram * within)


def test_moves_of_assets_and_of_productivity_make_the_transport():
    histogram, policy, grid = make_case((5,))
    moved = move_productivity(move_assets(histogram, policy, grid), TRANSITION)
    torch.testing.assert_close(transport(histogram, policy, grid, TRANSITION), moved, rtol=0, atol=1e-29)
    nobody = move_productivity(histogram, torch.eye(3, dtype=torch.float64))
    assert torch.equal(nobody, histogram)
    stay = move_assets(histogram, grid, grid)
    torch.testing.assert_close(stay, histogram, rtol=1e-14, atol=0)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3, 3), (4, 5, 3, 3), (4, 1, 3, 3)])
def test_productivity_moves_by_one_transition_a_node_and_economy(shape):
    histogram = make_case((5,))[0]
    transition = torch.rand(shape, dtype=torch.float64)
    transition /= transition.sum(-1, keepdim=True)
    moved = move_productivity(histogram, transition)
    assert moved.shape == (*shape[:-3], 5, 3, 40) if len(shape) == 4 else (5, 3, 40)
    torch.testing.assert_close(moved, torch.einsum("...ef,...ea->...fa", transition, histogram))


@pytest.fixture(scope="module")
def a_grid():
    return Grid(make_grid())


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_transport_and_its_gradients_compile_without_graph_breaks(a_grid, backend):
    histogram, policy, _ = make_case((2,))
    inputs = (histogram.requires_grad_(), policy.requires_grad_(), TRANSITION.clone().requires_grad_())

    def moments(h, p, t):
        return (transport(h, p, a_grid, t) * a_grid.nodes).sum(-1) + interpolate(p, a_grid, h).sum(-1)

    compiled = torch.compile(moments, fullgraph=True, dynamic=False, backend=backend)
    result, expected = compiled(*inputs), moments(*inputs)
    torch.testing.assert_close(result, expected)
    weights = torch.rand_like(expected)
    for found, wanted in zip(
        torch.autograd.grad(result, inputs, weights), torch.autograd.grad(expected, inputs, weights), strict=True
    ):
        torch.testing.assert_close(found, wanted)


def test_transport_compiles_with_a_plain_tensor():
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


# ----------------------------------------------------------------------------- two assets


def make_two(batch=(), n_e=3, n_b=7, n_a=9, dtype=torch.float64):
    """A distribution over two assets and policies, some outside the grids and some on nodes."""
    generator = torch.Generator().manual_seed(3)
    grids = make_grid(n_b) - 2, make_grid(n_a)
    histogram, *uniform = torch.rand(3, *batch, n_e, n_b, n_a, dtype=torch.float64, generator=generator)
    histogram = histogram / histogram.sum((-3, -2, -1), keepdim=True)
    policies = tuple(60 * u - 6 for u in uniform)
    for policy, grid in zip(policies, grids, strict=True):
        policy[..., 0, 0, :4] = grid[[0, 2, -2, -1]]
    return histogram.to(dtype), tuple(p.to(dtype) for p in policies), tuple(g.to(dtype) for g in grids)


@pytest.mark.parametrize("kind", [lambda g: g, Grid])
def test_two_assets_move_as_in_the_loop(kind):
    histogram, (b_next, a_next), (b_grid, a_grid) = make_two()
    expected = np.zeros(histogram.shape)
    for e, i, j in np.ndindex(*histogram.shape):
        weights = []
        for x, grid in ((b_next[e, i, j], b_grid), (a_next[e, i, j], a_grid)):
            # The tent of each node, at the policy: linear interpolation of the unit vectors.
            weights.append([np.interp(x, grid, unit) for unit in np.eye(len(grid))])
        for f in range(3):
            expected[f] += TRANSITION[e, f].item() * histogram[e, i, j].item() * np.outer(*weights)
    found = transport_two(histogram, (b_next, a_next), (kind(b_grid), kind(a_grid)), TRANSITION)
    np.testing.assert_allclose(found, expected, atol=1e-15)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-6), (torch.float64, 1e-14)])
def test_two_assets_conserve_mass_and_both_means(dtype, tolerance):
    histogram, policies, grids = make_two((4, 2), dtype=dtype)
    moved = transport_two(histogram, policies, grids, TRANSITION.to(dtype))
    assert moved.min() >= 0
    assert (moved.double().sum((-3, -2, -1)) - 1).abs().max() < tolerance
    for policy, grid, other in zip(policies, grids, (-1, -2), strict=True):
        chosen = (histogram * policy.clamp(grid[0], grid[-1])).double().sum((-3, -2, -1))
        assert (aggregate(moved.sum(other), grid) - chosen).abs().max() < 50 * tolerance


@pytest.mark.parametrize("still", [0, 1])
def test_an_asset_that_does_not_move_leaves_the_one_dimensional_transport(still):
    histogram, policies, grids = make_two((2,))
    nodes = grids[0][:, None] if still == 0 else grids[1]
    policies = tuple(nodes.expand_as(p) if i == still else p for i, p in enumerate(policies))
    found = transport_two(histogram, policies, grids, TRANSITION)
    # The asset that stays is one more dimension of the batch.
    moving, policy = (x.movedim(-2 if still == 0 else -1, 0) for x in (histogram, policies[1 - still]))
    expected = transport(moving, policy, grids[1 - still], TRANSITION).movedim(0, -2 if still == 0 else -1)
    torch.testing.assert_close(found, expected, atol=1e-15, rtol=0)


def test_two_assets_gradients():
    histogram, policies, grids = make_two(n_b=4, n_a=5)
    # Inside the cells: on the nodes, where the lottery has kinks, there is no derivative to compare with.
    policies = tuple(p.clamp(g[0] - 1, g[-1] + 1) + 0.013 for p, g in zip(policies, grids, strict=True))
    inputs = [x.clone().requires_grad_() for x in (histogram, *policies, TRANSITION)]

    def function(h, b, a, transition):
        return transport_two(h, (b, a), grids, transition)

    assert torch.autograd.gradcheck(function, inputs, eps=1e-7, atol=1e-6)
    outside = policies[0] > grids[0][-1]
    weights = torch.rand_like(histogram)
    (slope,) = torch.autograd.grad((function(*inputs) * weights).sum(), inputs[1])
    assert outside.any()
    assert (slope[outside] == 0).all()
    assert (slope[~outside] != 0).any()


def test_two_assets_broadcast_vectorise_and_compile():
    histogram, policies, grids = make_two((2,))
    grids = tuple(map(Grid, grids))
    expected = transport_two(histogram, policies, grids, TRANSITION)
    mapped = torch.func.vmap(lambda h, b, a: move_two_assets(h, (b, a), grids))(histogram, *policies)
    torch.testing.assert_close(move_productivity(mapped.flatten(-2), TRANSITION).view_as(expected), expected)
    one = transport_two(histogram[0], policies, grids, TRANSITION)
    torch.testing.assert_close(one[0], expected[0])
    compiled = torch.compile(lambda h, p: transport_two(h, p, grids, TRANSITION), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(histogram, policies), expected)
