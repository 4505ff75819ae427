"""deqn/numerics/least_squares.py, against problems whose solution is known."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from deqn.numerics.least_squares import LevenbergMarquardt
from deqn.numerics.normal_equations import Alone, chosen, normal_equations


class Linear(nn.Module):
    """Residuals W x - y of a linear map, `[batch, 2]` from `[batch, 5]`: three inputs, two targets."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3, 2, dtype=torch.float64)

    def forward(self, both):
        return self.map(both[:, :3]) - both[:, 3:]


class Rosenbrock(nn.Module):
    """Residuals 10 (b - a^2) and 1 - a, zero at a = b = 1."""

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))

    def forward(self, states):
        a, b = self.point
        return torch.stack([10 * (b - a**2), 1 - a]).expand(len(states), 2)


class Distance(nn.Module):
    """Residuals of a network that is fitted to exp(-x)."""

    def __init__(self, network: nn.Module, unit: float = 1.0) -> None:
        super().__init__()
        self.network, self.unit = network, unit

    def forward(self, x):
        return self.unit * (self.network(x) - torch.exp(-x))


def data(n: int) -> torch.Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def linear(damping: float, **kwargs) -> tuple[Linear, LevenbergMarquardt]:
    torch.manual_seed(0)
    module = Linear()
    return module, LevenbergMarquardt(module.parameters(), damping=damping, **kwargs)


class Doubled(Alone):
    """Two processes with the same states: a sum over both is twice what one has."""

    size = 2

    def sum_(self, tensor):
        tensor.mul_(2)


class Gathered(Alone):
    """Two processes with the same states, where each gets the rows of both: zeros in the other's place are filled."""

    size = 2

    def sum_(self, tensor):
        if tensor.ndim > 1 and len(tensor) == 2:
            tensor[1] = tensor[0]
        else:
            tensor.mul_(2)


def test_a_linear_problem_is_solved_by_one_step_without_damping():
    both = data(50)
    module, optimizer = linear(1e-14)
    after = optimizer.advance(module, both)
    inputs = torch.cat([both[:, :3], torch.ones(50, 1, dtype=torch.float64)], dim=1)
    exact = torch.linalg.lstsq(inputs, both[:, 3:])
    left = (inputs @ exact.solution - both[:, 3:]).square().sum()
    assert after == pytest.approx(float(left), rel=1e-9)
    torch.testing.assert_close(module.map.weight, exact.solution[:3].T, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("n", [3, 40])  # six residuals or eighty, of eight parameters
@pytest.mark.parametrize("solver", ["primal", "dual", "matrix_free", "auto"])
def test_every_form_solves_the_damped_normal_equations(n, solver):
    both = data(n)
    module, _ = linear(0.5)
    values = {name: p.detach() for name, p in module.named_parameters()}
    system = normal_equations(module, values, both, Alone(), solver, tolerance=1e-12)
    step = system.solve(torch.tensor(7.0, dtype=torch.float64), system.rows)
    inputs = torch.cat([both[:, :3], torch.ones(n, 1, dtype=torch.float64)], dim=1)
    exact = torch.linalg.solve(
        inputs.T @ inputs + 7.0 * torch.eye(4, dtype=torch.float64), inputs.T @ module(both).detach()
    )
    torch.testing.assert_close(step, torch.cat([exact[:3].T.flatten(), exact[3]]), rtol=1e-7, atol=1e-9)
    trace = 2 * inputs.square().sum()
    assert float(system.trace) == pytest.approx(float(trace), rel=0.5 if solver == "matrix_free" else 1e-12)


@pytest.mark.parametrize(
    ("n", "form"), [(3, "dual"), (40, "primal"), (1_950_000, "primal"), (1_960_000, "matrix_free")]
)
def test_auto_takes_the_smaller_system_and_no_jacobian_where_its_product_is_large(n, form):
    """Two residuals a state, 32 parameters: 1,953,125 states are four thousand million multiplications."""
    network = nn.Linear(15, 2, dtype=torch.float64)
    values = {name: p.detach() for name, p in network.named_parameters()}
    assert chosen(network, values, torch.zeros(1, dtype=torch.float64).expand(n, 15), Alone()) == form


class Fading(nn.Module):
    """Residuals A p - 1, where A has singular values from 1 down to 1e-4."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        left, right = (
            torch.linalg.qr(torch.randn(n, 40, generator=generator, dtype=torch.float64)).Q for n in (60, 40)
        )
        self.matrix = left * torch.logspace(0, -4, 40, dtype=torch.float64) @ right.T
        self.p = nn.Parameter(torch.zeros(40, dtype=torch.float64))

    def forward(self, states):
        return (self.matrix @ self.p - 1).expand(len(states), -1)


def without_a_jacobian(module: nn.Module, rank: int, iterations: int):
    states, values = torch.zeros(1, 1, dtype=torch.float64), {"p": torch.zeros(40, dtype=torch.float64)}
    return normal_equations(
        module, values, states, Alone(), "matrix_free", iterations=iterations, tolerance=1e-8, rank=rank
    )


def test_the_preconditioner_is_near_the_largest_singular_vectors():
    module = Fading()
    system = without_a_jacobian(module, rank=20, iterations=1)
    exact = torch.linalg.svd(module.matrix)
    torch.testing.assert_close(
        system._directions.T @ system._directions, torch.eye(20, dtype=torch.float64), rtol=0, atol=1e-8
    )
    found = system._squares.flip(0).sqrt()
    torch.testing.assert_close(found[:8], exact.S[:8], rtol=0.05, atol=0)
    within = system._directions.T @ exact.Vh[:3].T  # lengths of what lies in their span
    torch.testing.assert_close(within.norm(dim=0), torch.ones(3, dtype=torch.float64), rtol=0, atol=0.01)


def test_with_a_preconditioner_few_iterations_reach_what_dense_algebra_gives():
    module, damping = Fading(), torch.tensor(1e-7, dtype=torch.float64)
    normal = module.matrix.T @ module.matrix + damping * torch.eye(40, dtype=torch.float64)
    exact = torch.linalg.solve(normal, -module.matrix.sum(0))
    errors = {}
    for rank in (1, 30):
        system = without_a_jacobian(module, rank, iterations=10)
        errors[rank] = float((system.solve(damping, system.rows) - exact).norm() / exact.norm())
    assert errors[30] < 1e-3
    assert errors[1] > 0.1


def test_the_units_of_the_residuals_do_not_matter():
    """A thousand times the residuals, the same steps."""
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
    left = []
    for unit in (1.0, 1e3):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        distance = Distance(network, unit)
        optimizer = LevenbergMarquardt(network.parameters())
        left.append([optimizer.advance(distance, x) / unit**2 for _ in range(5)])
    assert left[0] == pytest.approx(left[1], rel=1e-6)


def test_products_with_the_jacobian_are_those_of_the_held_one():
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    distance, x = Distance(network), torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
    values = {name: p.detach() for name, p in distance.named_parameters()}
    held, free = (normal_equations(distance, values, x, Alone(), solver) for solver in ("primal", "matrix_free"))
    step = torch.randn(len(held.gradient), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(free.gradient, held.gradient, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(free.product(step), held.product(step), rtol=1e-4, atol=1e-5)


def test_rosenbrocks_valley_ends_at_its_minimum():
    module = Rosenbrock()
    optimizer = LevenbergMarquardt(module.parameters())
    left = [optimizer.advance(module, torch.zeros(1, 1, dtype=torch.float64)) for _ in range(60)]
    assert left[-1] < 1e-20
    assert sorted(left, reverse=True) == left
    torch.testing.assert_close(module.point.detach(), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-9)


def test_acceleration_fits_a_network_a_hundred_times_closer_in_as_many_steps():
    inputs = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    left = []
    for acceleration in (False, True):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)).double()
        optimizer = LevenbergMarquardt(network.parameters(), acceleration=acceleration)
        distance = Distance(network)
        for _ in range(60):
            after = optimizer.advance(distance, inputs)
        left.append(after)
    assert left[1] < 1e-2 * left[0]


def test_the_second_derivative_along_a_step_is_that_of_calculus():
    """Of 10 (b - a^2) and 1 - a along (d, e): -20 d^2 and 0."""
    module = Rosenbrock()
    states = torch.zeros(1, 1, dtype=torch.float64)
    equations = normal_equations(module, {"point": module.point.detach()}, states, Alone(), "primal")
    step = torch.tensor([0.3, -0.2], dtype=torch.float64)
    bent = equations.second_derivative(step, 0.1)
    torch.testing.assert_close(bent, torch.tensor([-20 * 0.3**2, 0.0], dtype=torch.float64), rtol=1e-9, atol=1e-9)


def test_a_step_that_does_not_help_leaves_the_parameters_and_the_damping_of_the_start():
    module, optimizer = linear(1e-3)
    both = data(20)
    for _ in range(20):
        optimizer.advance(module, both)
    at_minimum = module.map.weight.detach().clone()
    before = optimizer.advance(module, both)
    torch.testing.assert_close(module.map.weight.detach(), at_minimum, rtol=0, atol=1e-9)
    assert before == pytest.approx(module(both).square().sum().item(), rel=1e-12)
    assert float(optimizer.state[module.map.weight]["damping"]) <= 1e-3


@pytest.mark.parametrize(
    ("solver", "processes"), [("primal", Doubled()), ("dual", Gathered()), ("matrix_free", Doubled())]
)
def test_two_processes_take_the_step_of_one_that_has_both_batches(solver, processes):
    both = data(10)
    module, _ = linear(0.1)
    values = {name: p.detach() for name, p in module.named_parameters()}
    shared = normal_equations(module, values, both, processes, solver, tolerance=1e-12)
    alone = normal_equations(module, values, torch.cat([both, both]), Alone(), "primal")
    expected = alone.solve(torch.tensor(3.0, dtype=torch.float64), alone.rows)
    torch.testing.assert_close(
        shared.solve(torch.tensor(3.0, dtype=torch.float64), shared.rows), expected, rtol=1e-7, atol=1e-9
    )


def test_all_processes_end_at_the_same_parameters():
    both = data(10)
    shared, optimizer = linear(0.1, solver="primal")
    alone, other = linear(0.1)
    after = optimizer.advance(shared, both, processes=Doubled()), other.advance(alone, torch.cat([both, both]))
    assert after[0] == pytest.approx(after[1], rel=1e-9)
    torch.testing.assert_close(shared.map.weight, alone.map.weight, rtol=1e-7, atol=1e-9)


def test_a_step_that_gains_on_its_batch_and_does_harm_elsewhere_is_not_taken():
    """Two states determine the map only along themselves: far from them, without a word, anything goes."""
    batch = data(2)
    elsewhere = data(40)
    far = torch.cat([1e3 * elsewhere[:, :3], torch.zeros(40, 2, dtype=torch.float64)], dim=1)
    left = {}
    for held_out in (None, far):
        module, optimizer = linear(1e-12)
        module.map.weight.data.mul_(1e-3)
        start = module(far).square().sum().item()
        optimizer.advance(module, batch, held_out=held_out)
        left[held_out is not None] = module(far).square().sum().item() / start
    assert left[False] > 100
    assert left[True] <= 10


def test_where_residuals_hardly_depend_on_the_parameters_no_step_of_any_length_is_taken():
    """Of 1 - p / 1e12 the full step is 1e12 long, and helps."""

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))

        def forward(self, states):
            return 1 - 1e-12 * self.p.expand(len(states), 1)

    module = Flat()
    optimizer = LevenbergMarquardt(module.parameters())
    optimizer.advance(module, torch.zeros(1, 1, dtype=torch.float64))
    assert module.p.item() == 1
    assert optimizer.refused == 1


def test_what_is_not_allowed_is_not_done_and_is_counted():
    module, optimizer = linear(1e-3)
    before = module.map.weight.detach().clone()
    for n in (1, 2):
        optimizer.advance(module, data(10), allowed=lambda values: torch.tensor(False))
        assert optimizer.refused == n
    assert torch.equal(module.map.weight, before)
    optimizer.advance(module, data(10), allowed=lambda values: values["map.weight"].abs().max() < 100)
    assert optimizer.refused == 0
    assert not torch.equal(module.map.weight, before)


def test_a_network_in_float32_is_fitted_in_float64():
    """What is kept beside the parameters makes them exact: the loss falls as that of a network in float64 does."""
    torch.manual_seed(0)
    small = nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 1))
    double = nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 1)).double()
    double.load_state_dict(small.state_dict())
    inputs = torch.linspace(-0.5, 0.5, 3, dtype=torch.float64)[:, None]
    mixed, alone = LevenbergMarquardt(small.parameters()), LevenbergMarquardt(double.parameters())
    for _ in range(12):
        after = mixed.advance(Distance(copy.deepcopy(double)), inputs), alone.advance(Distance(double), inputs)
    assert after[0] < 1e-20
    assert after[1] < 1e-20
    rounded = (small(inputs.float()).double() - torch.exp(-inputs)).square().sum()
    assert 1e-17 < rounded < 1e-11


@pytest.mark.parametrize(
    "wrong",
    [
        {"damping": 0.0}, {"decrease": 1.0}, {"increase": 0.5}, {"tries": 0}, {"solver": "qr"}, {"iterations": 0},
        {"tolerance": 1.0}, {"rank": 0},
    ],
)  # fmt: skip
def test_arguments_without_a_meaning_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        LevenbergMarquardt(Linear().parameters(), **wrong)
