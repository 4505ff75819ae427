"""deqn/numerics/least_squares.py, against problems whose solution is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deqn.numerics.least_squares import LevenbergMarquardt, _linearised, _second_derivative


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

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x) - torch.exp(-x)


def data(n: int) -> torch.Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def linear(damping: float) -> tuple[Linear, LevenbergMarquardt]:
    torch.manual_seed(0)
    module = Linear()
    return module, LevenbergMarquardt(module.parameters(), damping=damping)


def test_a_linear_problem_is_solved_by_one_step_without_damping():
    both = data(50)
    module, optimizer = linear(1e-14)
    after = optimizer.advance(module, both)
    inputs = torch.cat([both[:, :3], torch.ones(50, 1, dtype=torch.float64)], dim=1)
    exact = torch.linalg.lstsq(inputs, both[:, 3:])
    left = (inputs @ exact.solution - both[:, 3:]).square().sum()
    assert after == pytest.approx(float(left), rel=1e-9)
    torch.testing.assert_close(module.map.weight, exact.solution[:3].T, rtol=1e-7, atol=1e-9)


def test_the_step_is_that_of_the_damped_normal_equations_in_either_space():
    both = data(3)  # six residuals, eight parameters: in the space of the residuals
    module, optimizer = linear(0.5)
    primal, other = linear(0.5)
    optimizer.advance(module, both)
    other.advance(primal, both, share=lambda tensor: None)  # in the space of the parameters
    torch.testing.assert_close(module.map.weight, primal.map.weight, rtol=1e-10, atol=1e-12)
    assert float(optimizer.state[module.map.weight]["damping"]) == float(other.state[primal.map.weight]["damping"])


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
    parameters = {"point": module.point.detach()}
    rows, jacobian = _linearised(module, parameters, states)
    step = torch.tensor([0.3, -0.2], dtype=torch.float64)
    bent = _second_derivative(module, parameters, states, rows, jacobian, step)
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


def test_two_processes_take_the_step_of_one_that_has_both_batches():
    """Sums over processes are doubled here: both have the same states, as one process would have them twice."""
    both = data(10)
    shared, optimizer = linear(0.1)
    alone, other = linear(0.1)
    optimizer.advance(shared, both, share=lambda tensor: tensor.mul_(2))
    other.advance(alone, torch.cat([both, both]))
    torch.testing.assert_close(shared.map.weight, alone.map.weight, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("wrong", [{"damping": 0.0}, {"decrease": 1.0}, {"increase": 0.5}, {"tries": 0}])
def test_arguments_without_a_meaning_are_refused(wrong):
    with pytest.raises(ValueError, match="expected damping > 0"):
        LevenbergMarquardt(Linear().parameters(), **wrong)
